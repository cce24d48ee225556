"""Noisy recordings: what lies below the noise does not count, and the rest does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from inference.clip.focus import Focus
from inference.clip.noise import drawn_noise, noise_power, without_noise
from inference.clip.target import Target, read_target
from render.errors import InvalidAudio
from render.note import SAMPLE_RATE
from tests.inference.test_cli import run_main
from tests.inference.test_focus import pluck, write

LEAD = 0.4


def coloured(n_samples: int, seed: int = 0) -> np.ndarray:
    white = np.fft.rfft(np.random.default_rng(seed).standard_normal(n_samples))
    hertz = np.fft.rfftfreq(n_samples, 1.0 / SAMPLE_RATE)
    return np.fft.irfft(white / np.sqrt(np.maximum(hertz, 100.0)), n_samples)


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """A pluck after 0.4 s, in noise that is 20 dB below it."""
    audio = np.concatenate([np.zeros(round(LEAD * SAMPLE_RATE)), pluck(1.2)])
    noise = coloured(len(audio))
    return write(tmp_path / "clip.wav", audio + noise * 0.1 * pluck(1.2).std() / noise.std())


def stereo(audio: np.ndarray, target: Target) -> np.ndarray:
    """A sound of the pluck's time as a render of the target's."""
    begin = round((target.onset_seconds - LEAD) * SAMPLE_RATE)
    audio = audio[begin:] if begin >= 0 else np.pad(audio, (-begin, 0))
    return np.float32([np.pad(audio, (0, SAMPLE_RATE))[: target.audio.shape[1]]] * 2)


def test_the_sound_below_the_noise_is_near_and_others_are_not(noisy: Path) -> None:
    plain, target = (read_target(noisy, note=57, focus=Focus(noise=noise)) for noise in (False, True))
    assert any("noise" in notice for notice in target.notices)
    clean, softer, darker = pluck(1.2), pluck(1.2) * np.exp(-np.arange(round(1.2 * SAMPLE_RATE)) / 40_000), pluck(1.2)
    darker = 0.9 * 0.3 * np.sin(2.0 * np.pi * 220.0 * np.arange(len(clean)) / SAMPLE_RATE) + 0.1 * clean
    found, *others = (target.mss(stereo(one, target)) for one in (clean, softer, darker))
    assert found < 1.5
    assert min(others) > 2.0 * found
    assert plain.mss(stereo(clean, plain)) > 6.0


def test_drawn_noise_has_the_spectrum_and_hardly_anything_is_left_of_the_noise() -> None:
    noise = np.float32([coloured(2 * SAMPLE_RATE)])
    power = noise_power(noise)
    drawn = noise_power(drawn_noise(power, 4 * SAMPLE_RATE))
    assert np.abs(10.0 * np.log10(drawn / power)[:, 3:-3]).max() < 2.0
    np.testing.assert_array_equal(drawn_noise(power, 1000), drawn_noise(power, 1000))
    other = np.float32([coloured(SAMPLE_RATE, seed=1)])
    assert without_noise(other, power).std() < 0.25 * other.std()
    tone = np.float32([np.sin(np.arange(SAMPLE_RATE) / 20.0)])
    np.testing.assert_allclose(without_noise(tone, power * 1e-12), tone, atol=1e-4)


@pytest.mark.parametrize("audio", [np.sin(np.arange(SAMPLE_RATE) / 20.0), coloured(SAMPLE_RATE)])
def test_noise_that_cannot_be_told_is_refused(audio: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(InvalidAudio, match="soft enough"):
        read_target(write(tmp_path / "clip.wav", 0.5 * audio), note=57, focus=Focus(noise=True))


def test_levels_and_sides_go_with_the_noise(noisy: Path) -> None:
    target = read_target(noisy, note=57, focus=Focus(noise=True))
    render = stereo(pluck(1.2), target)
    louder = target.amplified(12.0)
    assert louder.level_db == 12.0
    assert louder.mss(render * np.float32(10.0 ** (12.0 / 20.0))) == pytest.approx(target.mss(render), abs=0.01)
    assert target.in_mono().noise is not None


def test_it_is_said_in_the_results(noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = ["--out", tmp_path / "out", "--workers", 1, "--plugin", "embedded", "--json", "--stages", "search"]
    assert run_main(noisy, "--noise", "--note", 57, "--renders", 12, *shared) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["noise"] is True
    assert any("noise taken out" in notice for notice in record["notices"])
