"""The onset and the end of a sound that is not alone: hiss, hum, a constant offset, clicks; and sounds like those."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.clip.background import find_background, without_offset
from inference.clip.levels import frame_levels, without_clicks
from inference.clip.target import read_target
from render.note import SAMPLE_RATE
from tests.signals import hiss, hum, joined, pluck, silence, times, write

NOTE = joined(silence(1.0), pluck(), silence(1.0))


def coloured(seconds: float, level_db: float, slope: float) -> np.ndarray:
    """Noise whose amplitude falls with a power of the frequency: 0.5 is pink, 1 is brown."""
    white = hiss(seconds, 0.0, seed=5)
    spectrum = np.fft.rfft(white) / np.maximum(np.fft.rfftfreq(len(white), 1 / SAMPLE_RATE), 20.0) ** slope
    noise = np.fft.irfft(spectrum, len(white))
    return (10.0 ** (level_db / 20.0) * noise / noise.std()).astype(np.float32)


def crackle(seconds: float, per_second: float, level: float) -> np.ndarray:
    rng = np.random.default_rng(7)
    audio = silence(seconds)
    for position in rng.integers(200, len(audio) - 200, round(per_second * seconds)):
        audio[position : position + 40] += level * rng.choice([-1.0, 1.0]) * np.hanning(40)
    return audio


BACKGROUNDS = {
    **{f"hiss {level_db}": hiss(3.0, level_db) for level_db in (-30, -40, -50, -60, -70)},
    "pink": coloured(3.0, -45.0, 0.5),
    "brown": coloured(3.0, -45.0, 1.0),
    "hum 50": hum(3.0, -40.0),
    "hum 60": hum(3.0, -35.0, 60.0),
    "hum and hiss": hum(3.0, -40.0) + hiss(3.0, -55.0),
    "whine": (0.003 * np.sin(2 * np.pi * 15625.0 * times(3.0))).astype(np.float32),
    "offset": np.full(3 * SAMPLE_RATE, 0.1, np.float32),
    "offset and hiss": hiss(3.0, -60.0) - np.float32(0.02),
    "vinyl": hiss(3.0, -55.0) + crackle(3.0, 4.0, 0.1),
}


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_a_sound_begins_and_ends_where_it_stands_out(tmp_path: Path, name: str) -> None:
    target = read_target(write(tmp_path / "clip.wav", NOTE + BACKGROUNDS[name]), note=45)
    assert target.onset_seconds == pytest.approx(1.0, abs=0.015)
    assert 0.9 < target.note.seconds < 1.4
    assert any("background" in notice or "offset" in notice for notice in target.notices)


def test_one_second_of_hiss_and_then_the_note(tmp_path: Path) -> None:
    target = read_target(write(tmp_path / "clip.wav", joined(hiss(1.0, -50.0), pluck())), note=45)
    assert target.onset_seconds == pytest.approx(1.0, abs=0.005)
    assert target.note.seconds == pytest.approx(1.0, abs=0.01)
    assert target.note.gate_seconds == pytest.approx(1.0, abs=0.1)


FADES = {
    "in": np.minimum(times(3.0), 1.0),
    "in, and on": times(3.0) / 3.0,
    "in quickly": np.minimum(10.0 ** (1.5 * times(3.0) - 1.5), 1.0),
    "out": np.maximum(1.0 - times(3.0) / 2.0, 0.0),
    "in and out": np.sin(np.pi * times(3.0) / 3.0),
}


@pytest.mark.parametrize("background", ["hiss", "loud hiss", "hum"])
@pytest.mark.parametrize("name", FADES)
def test_what_fades_in_or_out_before_the_note_is_left_out(tmp_path: Path, name: str, background: str) -> None:
    kinds = {"hiss": hiss(3.0, -50.0), "loud hiss": hiss(3.0, -35.0), "hum": hum(3.0, -40.0)}
    clip = NOTE + (kinds[background] * FADES[name]).astype(np.float32)
    target = read_target(write(tmp_path / "clip.wav", clip), note=45)
    assert target.onset_seconds == pytest.approx(1.0, abs=0.03)
    assert any("background" in notice for notice in target.notices)


def test_hiss_that_fades_in_and_ends_with_the_note(tmp_path: Path) -> None:
    lead = hiss(1.0, -40.0) * times(1.0).astype(np.float32)
    target = read_target(write(tmp_path / "clip.wav", joined(lead, pluck())), note=45)
    assert target.onset_seconds == pytest.approx(1.0, abs=0.005)
    assert target.note.seconds == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("background", [hiss(3.0, -50.0), hum(3.0, -40.0)])
def test_the_end_is_found_without_anything_before_the_sound(tmp_path: Path, background: np.ndarray) -> None:
    clip = joined(pluck(), silence(2.0)) + background
    target = read_target(write(tmp_path / "clip.wav", clip), note=45)
    assert target.onset_seconds == 0.0
    assert target.note.seconds == pytest.approx(1.27, abs=0.05)


def test_a_background_that_was_padded_or_faded_out(tmp_path: Path) -> None:
    noisy = NOTE + hiss(3.0, -50.0)
    padded = read_target(write(tmp_path / "padded.wav", joined(silence(0.5), noisy, silence(0.5))), note=45)
    assert padded.onset_seconds == pytest.approx(1.5, abs=0.005)
    faded = noisy * np.minimum(1.0, (3.0 - times(3.0)) / 0.5).astype(np.float32)
    assert read_target(write(tmp_path / "faded.wav", faded), note=45).onset_seconds == pytest.approx(1.0, abs=0.005)


def test_clicks_before_a_sound_in_silence(tmp_path: Path) -> None:
    clip = joined(silence(0.3), crackle(0.5, 6.0, 0.3), silence(0.2), pluck())
    target = read_target(write(tmp_path / "clip.wav", clip), note=45)
    assert target.onset_seconds == pytest.approx(1.0, abs=0.005)
    assert "clicks before the sound are left out" in target.notices


@pytest.mark.parametrize(("seconds", "onset"), [(0.05, 0.0), (0.3, 0.3)])
def test_a_click_at_the_key_press_belongs_to_the_sound_unless_silence_follows(
    seconds: float, onset: float, tmp_path: Path
) -> None:
    clip = joined(silence(seconds), pluck())
    clip[:40] += 0.3
    found = read_target(write(tmp_path / "clip.wav", clip), note=45)
    assert found.onset_seconds == pytest.approx(onset, abs=0.01)


def tone(seconds: float, hertz: float = 220.0) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * hertz * times(seconds))).astype(np.float32)


WHOLE = {
    "slow linear attack": tone(3.0) * np.minimum(times(3.0) / 2.0, 1.0),
    "slow exponential attack": tone(3.0) * 10.0 ** (np.minimum(30.0 * times(3.0) - 60.0, 0.0) / 20.0),
    "noise": hiss(2.0, -15.0),
    "decaying noise": hiss(2.0, -12.0) * np.exp(-2.0 * times(2.0)),
    "swelling noise": hiss(2.0, -12.0) * times(2.0) / 2.0,
    "noise at two levels": joined(hiss(1.0, -30.0), hiss(1.0, -10.0)),
    "low sustain": joined(tone(0.3), 0.02 * tone(2.0)),
    "tremolo that begins softly": tone(2.0) * np.where((2.0 * times(2.0)) % 1.0 < 0.5, 0.02, 1.0),
    "tremolo of noise": hiss(2.0, -12.0) * np.where((2.0 * times(2.0)) % 1.0 < 0.5, 0.1, 1.0),
    "soft sub-bass": tone(2.0, 27.5) * np.exp(-times(2.0)),
    "noise that swells into more noise": joined(hiss(1.0, -30.0) * (0.1 + times(1.0)), hiss(1.0, -10.0)),
    "a tone that swells into a louder one": joined(0.05 * tone(1.0) * (0.1 + times(1.0)), tone(1.0, 330.0)),
    "narrow pulses": 0.4 * (np.arange(2 * SAMPLE_RATE) % 2205 < 100),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_sound_that_only_looks_like_background_is_not_cut(tmp_path: Path, name: str) -> None:
    clip = np.asarray(WHOLE[name], np.float32)
    target = read_target(write(tmp_path / "clip.wav", clip), note=45)
    assert target.onset_seconds == 0.0
    assert target.note.seconds == len(clip) / SAMPLE_RATE
    np.testing.assert_array_equal(target.audio[0], clip)


def test_a_pad_that_rises_out_of_hiss_begins_where_it_does(tmp_path: Path) -> None:
    pad = tone(3.0) * np.minimum(times(3.0) / 2.0, 1.0).astype(np.float32)
    clip = joined(silence(1.0), pad) + hiss(4.0, -60.0)
    target = read_target(write(tmp_path / "clip.wav", clip), note=45)
    assert target.onset_seconds == pytest.approx(1.0, abs=0.03)


def test_an_offset_is_removed_and_digital_silence_around_it_stays(tmp_path: Path) -> None:
    offset = pluck() + np.float32(0.1)
    for name, clip in (("bare", offset), ("padded", joined(silence(0.5), offset, silence(0.5)))):
        target = read_target(write(tmp_path / f"{name}.wav", clip), note=45)
        assert target.onset_seconds == pytest.approx(0.5 if name == "padded" else 0.0, abs=0.005)
        assert target.note.seconds == pytest.approx(1.25 if name == "padded" else 1.0, abs=0.01)
        assert "constant offset of 0.1 removed" in target.notices
        assert abs(target.audio[0, 22050:44000].mean()) < 1e-3


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_each_channel_has_its_own_offset(sign: float) -> None:
    sides = np.stack([pluck() + np.float32(0.1), pluck() + np.float32(0.05 * sign)])
    centred, largest = without_offset(sides)
    assert largest == pytest.approx(0.1, abs=1e-3)
    np.testing.assert_allclose(centred, np.stack([pluck()] * 2), atol=2e-4)


def test_without_an_offset_the_same_array_comes_back() -> None:
    audio = pluck()[None]
    assert without_offset(audio)[0] is audio


def test_the_background_is_described() -> None:
    audio = (NOTE + hiss(3.0, -50.0))[None]
    background = find_background(audio, without_clicks(frame_levels(audio)))
    assert background is not None
    assert background.level_db == pytest.approx(-50.0, abs=0.5)
    assert (background.start, background.lasts) == (0, True)
    assert background.stop == pytest.approx(SAMPLE_RATE, abs=1500)


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.01, 0.05, 0.2])
def test_short_recordings_have_none(seconds: float) -> None:
    audio = pluck(seconds=seconds)[None]
    assert find_background(audio, without_clicks(frame_levels(audio))) is None


def test_hum_has_a_steady_level() -> None:
    for hertz in (50.0, 60.0):
        assert np.ptp(frame_levels(hum(1.0, -20.0, hertz)[None])) < 3.0
