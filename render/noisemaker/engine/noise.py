"""The noise waveform, and the vintage noise, which is made from it."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from render.noisemaker import facts
from render.noisemaker.engine.one_pole import one_pole

Array = NDArray[np.float64]


@cache
def _powers(n_samples: int) -> NDArray[np.uint32]:
    return np.multiply.accumulate(np.full(n_samples, facts.NOISE_MULTIPLIER, np.uint32), dtype=np.uint32)


def white(n_samples: int, state: int) -> Array:
    """White noise, -1..1, of a multiplicative congruential generator.

    Args:
        n_samples: length.
        state: state of the generator before the first sample, odd.
    """
    # The cache keeps powers of two: with every length there is, it would grow with the renders.
    powers = _powers(1 << (n_samples - 1).bit_length())[:n_samples]
    states = (powers * np.uint32(state)).view(np.int32)
    return states.astype(np.float64) * (-1.0 / 2.0**31)


def clicks(n_samples: int, state: int) -> Array:
    """The vintage noise at its full amount: sparse low-passed clicks, shape ``(n_samples,)``; not to be written to."""
    return _clicks(1 << (n_samples - 1).bit_length(), state)[:n_samples]


@lru_cache(maxsize=2)  # clean renders begin with the same state
def _clicks(n_samples: int, state: int) -> Array:
    samples = white(n_samples, state)
    sparse = np.where(np.abs(samples) > facts.CLICK_THRESHOLD, samples, 0.0)
    first, second = facts.CLICK_POLES
    return one_pole(one_pole(-facts.CLICK_GAIN * sparse, first), second)
