"""A recursive filter in numpy: scipy's signal module takes every worker half a second to load."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_GROWTH = 1e6  # largest factor within a block: the rounding errors of doubles stay below 1e-9


def one_pole(signal: Array, pole: float, before: float = 0.0) -> Array:
    """``y[n] = x[n] + pole * y[n - 1]``.

    Blocks of samples are filtered from a state of zero, all at once: ``y[n] = pole^n sum x[k] pole^-k``. What is left
    of the state before a block is added to it.

        >>> one_pole(np.array([1.0, 0.0, 0.0]), 0.5)
        array([1.  , 0.5 , 0.25])

    Args:
        signal: input.
        pole: 0..1, both excluded.
        before: the output before the first sample.

    Shape:
        signal: ``(samples,)``.
    """
    size = 1 + int(math.log(_GROWTH) / -math.log(pole))
    blocks = np.zeros((-(-len(signal) // size), size))
    blocks.reshape(-1)[: len(signal)] = signal
    decay = pole ** np.arange(size)
    blocks /= decay
    np.cumsum(blocks, axis=1, out=blocks)
    state, states = before, []
    for total in blocks[:, -1].tolist():
        states.append(pole * state)
        state = decay[-1] * (total + states[-1])
    blocks += np.array(states)[:, np.newaxis]
    blocks *= decay
    return blocks.reshape(-1)[: len(signal)]
