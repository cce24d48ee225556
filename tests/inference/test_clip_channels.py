"""Channels in any relation, and levels from the softest to the loudest."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from inference.clip.channels import carried
from inference.clip.target import Target, read_target
from render.audio import write_wav
from render.errors import InvalidAudio
from render.note import SAMPLE_RATE
from tests.signals import hiss, joined, pluck, silence, write

LEFT, RIGHT = pluck(), pluck(111.0)
MUTE = silence(1.0)


def read(folder: Path, *channels: np.ndarray, subtype: str = "FLOAT") -> Target:
    return read_target(write(folder / "clip.wav", np.stack(channels), subtype=subtype), note=45)


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16", "PCM_24"])
def test_sides_of_opposite_polarity_are_the_sound(tmp_path: Path, subtype: str) -> None:
    target = read(tmp_path, LEFT, -LEFT, subtype=subtype)
    assert not target.stereo
    np.testing.assert_allclose(target.audio[0], LEFT, atol=1e-4)
    assert "the right one is inverted" in target.notices[0]


def test_a_middle_that_nearly_cancels_is_turned(tmp_path: Path) -> None:
    target = read(tmp_path, LEFT + 0.1 * RIGHT, -LEFT + 0.1 * RIGHT)
    assert target.stereo
    np.testing.assert_allclose(target.audio.mean(axis=0), LEFT, atol=1e-6)
    assert "the right one is inverted" in target.notices[0]


@pytest.mark.parametrize(("channels", "side"), [((LEFT, MUTE), "left"), ((MUTE, LEFT), "right")])
@pytest.mark.parametrize("crosstalk", [0.0, 0.005])
def test_a_silent_side_is_left_out(
    tmp_path: Path, channels: tuple[np.ndarray, np.ndarray], side: str, crosstalk: float
) -> None:
    target = read(tmp_path, *(channel + crosstalk * LEFT * (channel is MUTE) for channel in channels))
    np.testing.assert_array_equal(target.audio, LEFT[None])
    assert target.notices == (f"only the {side} of 2 channels carries the sound",)


@pytest.mark.parametrize("gain", [0.5, 0.1, -0.5])
def test_of_sides_that_differ_in_level_the_louder_is_used(tmp_path: Path, gain: float) -> None:
    target = read(tmp_path, gain * LEFT, LEFT)
    assert not target.stereo
    np.testing.assert_array_equal(np.abs(target.audio[0]), np.abs(LEFT))
    assert f"differ by {-20.0 * np.log10(abs(gain)):.1f} dB" in target.notices[-1]


def test_six_channels_of_which_one_carries_the_sound(tmp_path: Path) -> None:
    channels = [MUTE] * 6
    channels[3] = LEFT
    target = read(tmp_path, *channels)
    np.testing.assert_array_equal(target.audio, LEFT[None])
    assert target.notices == ("only channel 4 of 6 channels carries the sound",)


def test_six_channels_of_which_two_are_sides(tmp_path: Path) -> None:
    target = read(tmp_path, LEFT, RIGHT, *[MUTE] * 4)
    np.testing.assert_array_equal(target.audio, np.stack([LEFT, RIGHT]))
    assert target.notices == ("only channel 1, channel 2 of 6 channels carry the sound",)


def test_channels_that_cancel_in_a_mix_are_turned(tmp_path: Path) -> None:
    target = read(tmp_path, LEFT, -LEFT, LEFT, -LEFT)
    np.testing.assert_allclose(target.audio[0], LEFT, atol=1e-6)
    assert target.notices == ("4 channels mixed to mono", "channels of opposite polarity inverted")


def test_channels_that_only_hiss_are_left_out(tmp_path: Path) -> None:
    rest = silence(1.0)
    noises = [hiss(3.0, -35.0, seed) for seed in range(4)]
    sound = joined(rest, LEFT, rest)
    target = read(tmp_path, *(noise + sound * (k == 2) for k, noise in enumerate(noises)))
    assert len(target.audio) == 1
    assert "only channel 3 of 4 channels carries the sound" in target.notices
    np.testing.assert_allclose(target.audio[0, :40000], (sound + noises[2])[44100:84100], atol=0.2)


def test_equal_sides_with_their_own_hiss_are_mono(tmp_path: Path) -> None:
    sound = joined(silence(1.0), LEFT, silence(1.0))
    for sign in (1.0, -1.0):
        target = read(tmp_path, sound + hiss(3.0, -50.0, 1), sign * sound + hiss(3.0, -50.0, 2))
        assert len(target.audio) == 1
        assert np.abs(target.audio).max() == pytest.approx(np.abs(LEFT).max(), abs=0.02)


def test_stereo_stays_as_it_is(tmp_path: Path) -> None:
    target = read(tmp_path, LEFT, 0.5 * RIGHT)
    np.testing.assert_array_equal(target.audio, np.stack([LEFT, 0.5 * RIGHT]))
    assert target.notices == ()


def test_channels_without_any_sound_are_no_error() -> None:
    constant = np.ones((2, 1000), np.float32) * np.array([[0.1], [0.2]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert carried(constant)[0].shape[1] == 1000
        assert carried(np.stack([constant[0]] * 3))[0].shape == (1, 1000)


def with_peak(level_db: float) -> np.ndarray:
    audio = pluck().astype(np.float64)
    return (audio * 10.0 ** (level_db / 20.0) / np.abs(audio).max()).astype(np.float32)


@pytest.mark.parametrize("level_db", [-130.0, -90.0, -61.0, 25.0, 60.0, 96.3, 100.0, 300.0])
def test_a_level_that_cannot_be_reached_is_brought_to_a_usual_one(tmp_path: Path, level_db: float) -> None:
    write_wav(tmp_path / "clip.wav", with_peak(level_db)[None])
    target = read_target(tmp_path / "clip.wav", note=45)
    peak_db = 20.0 * np.log10(np.abs(target.audio).max())
    assert peak_db == pytest.approx(-40.0 if level_db < 0.0 else -12.0, abs=0.01)
    assert target.level_db == pytest.approx(peak_db - level_db, abs=0.01)
    np.testing.assert_allclose(target.audio[0], with_peak(peak_db), rtol=1e-4, atol=1e-7)
    assert f"by {abs(target.level_db):.1f} dB for the match" in target.notices[-1]


@pytest.mark.parametrize("level_db", [-59.0, -40.0, -6.0, 0.0, 19.1, 23.9])
def test_a_usual_level_keeps_its_samples(tmp_path: Path, level_db: float) -> None:
    write_wav(tmp_path / "clip.wav", with_peak(level_db)[None])
    target = read_target(tmp_path / "clip.wav", note=45)
    np.testing.assert_array_equal(target.audio[0], with_peak(level_db))
    assert (target.level_db, target.notices) == (0.0, ())


@pytest.mark.parametrize(("subtype", "level_db"), [("PCM_32", -100.0), ("PCM_24", -100.0), ("PCM_16", -70.0)])
def test_whole_numbers_that_are_tiny_are_matched(tmp_path: Path, subtype: str, level_db: float) -> None:
    target = read(tmp_path, with_peak(level_db), subtype=subtype)
    assert target.level_db == pytest.approx(-40.0 - level_db, abs=0.5)


def test_a_click_that_is_far_louder_does_not_decide_the_level(tmp_path: Path) -> None:
    clip = joined(silence(0.5), with_peak(-70.0))
    clip[10000:10030] = 0.1
    target = read_target(write(tmp_path / "clip.wav", clip), note=45)
    assert target.onset_seconds == pytest.approx(0.5, abs=0.005)
    assert target.level_db == pytest.approx(30.0, abs=0.1)


@pytest.mark.parametrize("value", [0.0, 1e-40, 1e-8])
def test_silence_is_refused_and_denormal_numbers_are_silence(tmp_path: Path, value: float) -> None:
    with pytest.raises(InvalidAudio, match=r"clip\.wav is silent"):
        read(tmp_path, np.full(SAMPLE_RATE, value, np.float32) * np.sign(LEFT + 1e-9))


def test_the_largest_numbers_are_matched(tmp_path: Path) -> None:
    huge = with_peak(0.0) * np.float32(3e38)
    for channels in ((huge,), (huge, huge), (huge, -huge)):
        target = read(tmp_path, *channels)
        np.testing.assert_allclose(target.audio[0], with_peak(-12.0), rtol=1e-4, atol=1e-7)
