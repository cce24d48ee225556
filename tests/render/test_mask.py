"""What of a sound counts: exactly that, in every measure."""

from __future__ import annotations

import numpy as np
import pytest

from render.audio import Audio
from render.measures.conditions import Conditions
from render.measures.distance import TargetDistance
from render.measures.loudness import EqualLoudnessMss
from render.measures.mask import FADE_SECONDS, Mask
from render.measures.mss import MssTarget
from render.note import SAMPLE_RATE

SECONDS = np.arange(SAMPLE_RATE) / SAMPLE_RATE
CLIP = np.float32([0.3 * np.sin(2.0 * np.pi * 440.0 * SECONDS) * np.exp(-3.0 * SECONDS)])
COUGH = np.where((SECONDS >= 0.4) & (SECONDS < 0.5), np.random.default_rng(0).standard_normal(SAMPLE_RATE), 0.0)
RUMBLE = 2.0 * np.sin(2.0 * np.pi * 50.0 * SECONDS) * np.hanning(SAMPLE_RATE)


def stereo(audio: np.ndarray) -> Audio:
    return np.repeat(audio, 2, axis=0)


def test_without_restrictions_nothing_is_touched() -> None:
    assert Mask().plain
    assert Mask().apply(CLIP) is CLIP
    assert Mask().share(1000) == 1.0


def test_what_is_ignored_is_silent_and_the_rest_is_as_it_was() -> None:
    masked = Mask(((0.4, 0.5), (0.95, 2.0))).apply(CLIP)
    fade = round(FADE_SECONDS * SAMPLE_RATE) + 1
    first, last, end = round(0.4 * SAMPLE_RATE), round(0.5 * SAMPLE_RATE), round(0.95 * SAMPLE_RATE)
    assert not masked[:, first:last].any()
    assert not masked[:, end:].any()
    np.testing.assert_array_equal(masked[:, : first - fade], CLIP[:, : first - fade])
    np.testing.assert_array_equal(masked[:, last + fade : end - fade], CLIP[:, last + fade : end - fade])
    assert np.abs(np.diff(masked)).max() < 1.5 * np.abs(np.diff(CLIP)).max()  # no clicks


@pytest.mark.parametrize(
    ("hz", "gain_db"), [(50.0, -95.0), (150.0, -95.0), (260.0, 0.0), (1000.0, 0.0), (1900.0, 0.0), (2100.0, -95.0)]
)
def test_the_band_keeps_what_is_in_it_and_nothing_else(hz: float, gain_db: float) -> None:
    tone = np.float32([np.sin(2.0 * np.pi * hz * SECONDS)])
    kept = Mask(band_hz=(200.0, 2000.0)).apply(tone)
    middle = slice(SAMPLE_RATE // 4, 3 * SAMPLE_RATE // 4)
    found = 20.0 * np.log10(kept[0, middle].std() / tone[0, middle].std())
    assert found == pytest.approx(0.0, abs=0.01) if gain_db == 0.0 else found < gain_db
    if gain_db == 0.0:
        np.testing.assert_allclose(kept[0, middle], tone[0, middle], atol=1e-3)  # nor does it move in time


@pytest.mark.parametrize(
    ("mask", "beside"),
    [(Mask(((0.395, 0.505),)), COUGH), (Mask(band_hz=(150.0, 22050.0)), RUMBLE)],
    ids=["ignored", "outside of the band"],
)
def test_what_does_not_count_changes_no_measure(mask: Mask, beside: np.ndarray) -> None:
    target = mask.apply(CLIP)
    other = np.float32([0.2 * np.sin(2.0 * np.pi * 466.0 * SECONDS) * np.exp(-2.0 * SECONDS)])
    plain, disturbed = stereo(other), stereo(np.float32(other + beside))
    distance = TargetDistance(target)
    judged = EqualLoudnessMss([target], SAMPLE_RATE, conditions=[Conditions(mask)])
    here, there = (np.array(distance.measure(mask.apply(one))) for one in (plain, disturbed))
    np.testing.assert_allclose(here, there, rtol=2e-3)
    np.testing.assert_allclose(judged.measure([plain]), judged.measure([disturbed]), rtol=2e-3)
    unmasked = EqualLoudnessMss([CLIP], SAMPLE_RATE)
    assert unmasked.measure([disturbed])[0] > 1.2 * unmasked.measure([plain])[0]
    found, gain_db = judged.measure([stereo(np.float32(0.5 * CLIP + beside))])
    assert found < 0.1
    assert gain_db == pytest.approx(6.02, abs=0.05)


def test_mss_is_a_mean_over_what_counts() -> None:
    quiet = np.float32(0.1 * np.random.default_rng(1).standard_normal((1, SAMPLE_RATE)))
    loud = quiet * np.float32(10.0 ** (12.0 / 20.0))
    for mask in (Mask(((0.0, 0.5),)), Mask(band_hz=(500.0, 4000.0))):
        target = mask.apply(quiet)
        judged = EqualLoudnessMss([target], SAMPLE_RATE, level_free=False, conditions=[Conditions(mask)])
        assert MssTarget(target, SAMPLE_RATE).distance(mask.apply(loud)) < 8.0
        assert judged.measure([stereo(loud)])[0] == pytest.approx(12.0, abs=0.9)
