"""Equal loudness: the gain is that of the energy in the mel bands, and MSS at that gain rewards no quiet sound."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from render.errors import InvalidAudio
from render.measures.loudness import EqualLoudnessMss, amplified, band_energy
from render.measures.metrics import mss
from render.note import SAMPLE_RATE

Sound = NDArray[np.float32]


def saw(hertz: float, decay: float = 3.0, brightness: int = 20) -> Sound:
    seconds = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    partials = sum(np.sin(2.0 * np.pi * k * hertz * seconds) / k for k in range(1, brightness + 1))
    return (0.2 * partials * np.exp(-decay * seconds))[None].astype(np.float32)


CLIP = saw(220.0)


@pytest.mark.parametrize("gain_db", [-60.0, -3.0, 0.0, 19.0])
def test_a_copy_at_another_level_is_the_clip(gain_db: float) -> None:
    found, needed = EqualLoudnessMss([CLIP], SAMPLE_RATE).measure([amplified(CLIP, gain_db)])
    assert needed == pytest.approx(-gain_db, abs=1e-4)
    assert found == pytest.approx(0.0, abs=1e-3)


def test_the_energy_is_that_of_the_sound_above_20_hz() -> None:
    seconds = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    low, high = (np.sin(2.0 * np.pi * hertz * seconds)[None].astype(np.float32) for hertz in (100.0, 6000.0))
    assert band_energy(high, SAMPLE_RATE) == pytest.approx(band_energy(low, SAMPLE_RATE), rel=0.02)
    assert band_energy(low + high, SAMPLE_RATE) == pytest.approx(2.0 * band_energy(low, SAMPLE_RATE), rel=0.02)
    rumble = np.sin(2.0 * np.pi * 5.0 * seconds)[None].astype(np.float32)
    assert band_energy(rumble, SAMPLE_RATE) < 1e-3 * band_energy(low, SAMPLE_RATE)


def test_a_constant_offset_does_not_move_the_gain() -> None:
    measure = EqualLoudnessMss([CLIP + np.float32(0.3)], SAMPLE_RATE).measure
    assert measure([CLIP])[1] == pytest.approx(0.0, abs=1e-3)
    assert measure([CLIP - np.float32(0.1)])[1] == pytest.approx(0.0, abs=1e-3)


def test_a_wrong_sound_gains_nothing_by_being_quiet() -> None:
    wrong = 0.2 * np.random.default_rng(1).standard_normal(CLIP.shape).astype(np.float32)
    own = [mss(CLIP, amplified(wrong, gain_db), SAMPLE_RATE) for gain_db in (0.0, -12.0)]
    assert own[1] < own[0]  # what MSS rewards at the sound's own level
    judged = [EqualLoudnessMss([CLIP], SAMPLE_RATE).measure([amplified(wrong, g)])[0] for g in (0.0, -12.0)]
    assert judged[1] == pytest.approx(judged[0], abs=1e-3)


def test_several_clips_have_one_gain() -> None:
    clips = [CLIP, saw(110.0)]
    renders = [amplified(clips[0], -2.0), amplified(clips[1], -6.0)]
    found, gain_db = EqualLoudnessMss(clips, SAMPLE_RATE).measure(renders)
    assert gain_db == pytest.approx(4.0, abs=1e-3)
    expected = [mss(clips[0], amplified(clips[0], 2.0), SAMPLE_RATE), mss(clips[1], renders[1] * 10**0.2, SAMPLE_RATE)]
    assert found == pytest.approx(np.mean(expected), abs=1e-3)


def test_a_locked_level_is_left_as_it_is_and_silence_has_none() -> None:
    quiet = amplified(CLIP, -6.0)
    found, gain_db = EqualLoudnessMss([CLIP], SAMPLE_RATE, level_free=False).measure([quiet])
    assert (found, gain_db) == (mss(CLIP, quiet, SAMPLE_RATE), 0.0)
    silence = np.zeros_like(CLIP)
    assert EqualLoudnessMss([CLIP], SAMPLE_RATE).measure([silence])[1] == 0.0
    assert band_energy(silence, SAMPLE_RATE) == 0.0
    with pytest.raises(InvalidAudio):
        band_energy(np.full((1, 9), np.nan), SAMPLE_RATE)
