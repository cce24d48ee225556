"""The two LFOs."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from render.noisemaker import facts
from render.noisemaker.curves import lfo_hz
from render.noisemaker.engine.one_pole import one_pole
from render.noisemaker.facts import LFO_SMOOTHING
from render.note import SAMPLE_RATE

Array = NDArray[np.float64]

CYCLES_PER_SAMPLE = facts.LFO_TABLE_POINTS / facts.LFO_CYCLE_POINTS / SAMPLE_RATE
"""Phase increment at a rate of 1 Hz."""


def division(knob: float) -> int:
    """Which of the eighteen tempo-synced values a rate or time knob picks."""
    return int(facts.LAST_DIVISION * knob)


def rate_hz(knob: float, *, synced: bool) -> float:
    """Cycles per second of a rate knob."""
    if not synced:
        return lfo_hz(knob)
    return facts.LFO_SYNCED_HZ[division(knob) % 6] * facts.LFO_SYNCED_FACTORS[division(knob) // 6]


@cache
def tables() -> Array:
    """Sine, triangle, saw and rectangle, shape ``(4, LFO_TABLE_POINTS + 1)``."""
    point = np.arange(facts.LFO_TABLE_POINTS + 1) / facts.LFO_TABLE_POINTS
    waveforms: Array = np.stack(
        [
            np.sin(2.0 * np.pi * point),
            1.0 - 4.0 * np.abs((point + 0.25) % 1.0 - 0.5),
            2.0 * point - 1.0,
            np.where(point < 0.5, 1.0, -1.0),
        ]
    )
    return waveforms


def wave(waveform: int, cycles: Array, rng: np.random.Generator) -> Array:
    """An LFO's output.

    Args:
        waveform: position in ``facts.LFO_WAVEFORMS``.
        cycles: its phase, unwrapped, shape ``(samples,)``.
        rng: generator of the random waveforms.

    Returns:
        -1..1, shape ``(samples,)``.
    """
    if waveform < len(tables()):
        position = cycles % 1.0 * facts.LFO_CYCLE_POINTS
        index = position.astype(np.int64)
        table = tables()[waveform]
        raw = table[index]
        raw += (table[index + 1] - raw) * (position - index)
    elif waveform == len(tables()):
        turns = np.floor(cycles).astype(np.int64)
        turns -= turns[0]
        raw = rng.uniform(-1.0, 1.0, turns[-1] + 1)[turns]
    else:
        raw = rng.uniform(-1.0, 1.0, len(cycles))
    return one_pole(LFO_SMOOTHING * raw, 1.0 - LFO_SMOOTHING, before=float(raw[0]))


def rate_factor(modulation: Array) -> Array:
    """What a rate is multiplied by when the other LFO modulates it by -1..1."""
    cubed = modulation**3
    factor: Array = 1.0 + np.where(cubed < 0.0, facts.LFO_SLOWER, facts.LFO_FASTER) * cubed
    return factor


def cycles(rate: Array | float, start: float, n_samples: int) -> Array:
    """An LFO's unwrapped phase.

    Args:
        rate: cycles per second, a number or shape ``(n_samples,)``.
        start: phase of the first sample in cycles.
        n_samples: length.

    Returns:
        Cycles, shape ``(n_samples,)``.
    """
    if isinstance(rate, float):
        return start + np.arange(n_samples, dtype=np.float64) * (rate * CYCLES_PER_SAMPLE)
    return np.asarray(start + np.cumsum(rate) * CYCLES_PER_SAMPLE, np.float64)
