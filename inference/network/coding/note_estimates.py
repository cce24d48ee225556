"""Simulated note estimates: the note that a pitch estimator might return for a sound whose patch is known."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from inference.network.features.estimated_note import N_NOTES, UNKNOWN_NOTE

_UNKNOWN, _OCTAVE_WRONG, _OTHERWISE_WRONG = 0.2, 0.1, 0.05
"""Shares of estimates. The estimator is wrong by octaves in 6 to 10 % of golden sounds, otherwise in 5 to 10 %, and
finds no note in 7 to 8 % (``inference/clip/pitch.py``); if the caller names the key there is no estimate either."""
_WRONG_OCTAVES = (-24, -12, 12, 24)


def estimated_notes(pitches: NDArray[np.int16], loudness: NDArray[np.float32], rng: Generator) -> NDArray[np.int64]:
    """Notes that an estimator might return, which are sounding pitches and not keys.

    Args:
        pitches: note numbers of the oscillators.
        loudness: probability that each one is estimated; the sum of a row is 1, or 0 if no oscillator is audible.
        rng: source of all random numbers.

    Returns:
        MIDI note numbers or ``UNKNOWN_NOTE``.

    Shape:
        pitches: ``(rows, oscillators)``.
        loudness: ``(rows, oscillators)``.
        Returns: ``(rows,)``.
    """
    n_rows = len(pitches)
    chosen = (loudness.cumsum(axis=1) < rng.random((n_rows, 1))).sum(axis=1).clip(max=pitches.shape[1] - 1)
    notes = pitches[np.arange(n_rows), chosen].astype(np.int64)
    kind = rng.random(n_rows)
    notes += np.where(kind < _OCTAVE_WRONG, rng.choice(_WRONG_OCTAVES, n_rows), 0)
    otherwise = (kind > 1.0 - _OTHERWISE_WRONG) | (loudness.sum(axis=1) == 0.0)
    notes = np.where(otherwise, rng.integers(20, 100, n_rows), notes)
    unknown = rng.random(n_rows) < _UNKNOWN
    return np.where(unknown, UNKNOWN_NOTE, notes.clip(0, N_NOTES - 1))
