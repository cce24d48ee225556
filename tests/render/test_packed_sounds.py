"""Packed fingerprints: exact while the books hold everything, close to the exact distances when they do not."""

from __future__ import annotations

import numpy as np

from render.data.packed_sounds import PART_BANDS, pack
from render.measures.fingerprint import DECIBELS_PER_STEP, Steps, distances, fingerprint, to_decibels
from render.note import SAMPLE_RATE


def sounds(count: int, seed: int = 0) -> Steps:
    """Slopes over bands and time with some roughness, shape ``(2, count, 11, 32)``."""
    rng = np.random.default_rng(seed)
    tilt, decay = rng.uniform(0.0, 2.0, (2, 2, count, 1, 1))
    levels = tilt * np.arange(32) + decay * np.arange(11)[:, None] + rng.uniform(0.0, 6.0, (2, count, 11, 32))
    return (levels / DECIBELS_PER_STEP).astype(np.uint8)


def test_few_sounds_are_packed_without_a_loss() -> None:
    few = sounds(100)
    for exact, packed in zip(few, pack([*few]), strict=True):
        assert packed.codes.shape == (11, 32 // PART_BANDS, 100)
        np.testing.assert_array_equal(packed.unpacked(), exact)


def test_the_distances_are_those_of_the_unpacked_sounds() -> None:
    packed = pack([*sounds(600)])[1]
    target = fingerprint(np.random.default_rng(1).standard_normal((2, SAMPLE_RATE)).astype(np.float32), 0.3)
    assert target is not None
    assert np.isnan(target).any()
    for quieter in (0.0, 20.0):
        found = packed.distances(target - np.float32(quieter))
        # gains in whole decibels move a level by half of one at most
        np.testing.assert_allclose(found, distances(target - np.float32(quieter), packed.unpacked()), atol=0.5)


def test_many_sounds_are_still_found_by_themselves() -> None:
    many = sounds(700)
    packed = pack([*many])[0]
    assert packed.book.shape[2] == 256
    levels = to_decibels(many[0]) - to_decibels(packed.unpacked())
    assert np.abs(levels).mean() < 3.0
    for position in range(0, 700, 50):
        target = to_decibels(many[0, position])
        found = packed.distances(target - target.max())
        assert found.argmin() == position
