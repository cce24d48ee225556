"""The two LFOs."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from render.noisemaker.curves import LFO_RATE
from render.note import SAMPLE_RATE

Array = NDArray[np.float64]

BPM = 120.0
"""Tempo of every render."""

TABLE_POINTS = 256
"""Points of a waveform's table, read with straight lines between them (golden ``lfo2_volume``)."""

CYCLE_POINTS = 255
"""Points after which a cycle begins again: one less than the table has, so every LFO runs 256/255 fast (as above)."""

SMOOTHING = 0.05
"""Share of a new value that one sample lets in (as above)."""

SYNCED_HZ = (8.0, 4.0, 2.0, 1.0, 0.5, 0.25)
"""Tempo-synced rates at ``BPM``: 1/16 to 2/1."""

SYNCED_FACTORS = (1.0, 3.0 / 2.0, 4.0 / 3.0)
"""The second and third six rates against the first (golden ``lfo_sync``)."""


def division(knob: float) -> int:
    """Which of the eighteen tempo-synced values a rate or time knob picks; the last is never reached."""
    return int(17.0 * knob)


def rate_hz(knob: float, *, synced: bool) -> float:
    """Cycles per second of a rate knob."""
    if not synced:
        return LFO_RATE.setting(knob)
    return SYNCED_HZ[division(knob) % 6] * SYNCED_FACTORS[division(knob) // 6]


@cache
def _tables() -> Array:
    """Sine, triangle, saw and rectangle, shape ``(4, TABLE_POINTS + 1)``."""
    point = np.arange(TABLE_POINTS + 1) / TABLE_POINTS
    tables: Array = np.stack(
        [
            np.sin(2.0 * np.pi * point),
            1.0 - 4.0 * np.abs((point + 0.25) % 1.0 - 0.5),
            2.0 * point - 1.0,
            np.where(point < 0.5, 1.0, -1.0),
        ]
    )
    return tables


def wave(waveform: int, cycles: Array, rng: np.random.Generator) -> Array:
    """An LFO's output.

    Args:
        waveform: sine, triangle, saw, rectangle, random step, noise.
        cycles: its phase, unwrapped, shape ``(samples,)``.
        rng: of the random waveforms.

    Returns:
        -1..1, shape ``(samples,)``.
    """
    if waveform < len(_tables()):
        position = cycles % 1.0 * CYCLE_POINTS
        index = position.astype(np.int64)
        table = _tables()[waveform]
        raw = table[index]
        raw += (table[index + 1] - raw) * (position - index)
    elif waveform == len(_tables()):
        turns = np.floor(cycles).astype(np.int64)
        turns -= turns[0]
        raw = rng.uniform(-1.0, 1.0, turns[-1] + 1)[turns]
    else:
        raw = rng.uniform(-1.0, 1.0, len(cycles))
    smooth, _ = lfilter([SMOOTHING], [1.0, SMOOTHING - 1.0], raw, zi=[raw[0] * (1.0 - SMOOTHING)])
    return np.asarray(smooth, np.float64)


def rate_factor(modulation: Array) -> Array:
    """What the other LFO does to a rate: ``modulation`` is ``0.5 (lfo + 1) amount``."""
    cubed = modulation**3
    factor: Array = 1.0 + np.where(cubed < 0.0, 0.01, 100.0) * cubed
    return factor


def cycles(rate: Array | float, start: float, n_samples: int) -> Array:
    """An LFO's unwrapped phase, shape ``(n_samples,)``; ``rate`` in hertz, a number or shape ``(n_samples,)``."""
    step = TABLE_POINTS / CYCLE_POINTS / SAMPLE_RATE
    if isinstance(rate, float):
        return start + np.arange(n_samples, dtype=np.float64) * (rate * step)
    return np.asarray(start + np.cumsum(rate) * step, np.float64)
