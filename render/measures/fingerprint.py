"""Fingerprints for searching the library: levels of frequency bands in dB, in time cells.

Time cells are shortest after the key press and after the release, where a sound changes most. They are counted from the
key press while the key is held, and from its release afterwards, so that sounds with different gate times are
compared in the cells that both have.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from render.audio import Audio
from render.note import SAMPLE_RATE

HELD_EDGES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
RELEASED_EDGES = (0.0, 0.05, 0.15, 0.4, 1.0)
"""Edges of the time cells in seconds from the key press and from its release."""
WINDOW, HOP = 1024, 256
N_BANDS = 40
"""Bands between the lowest and the highest frequency, evenly spaced in pitch; low ones that share a bin are merged."""
LOWEST_HZ, HIGHEST_HZ = 30.0, 18000.0
FLOOR_DB = 70.0
"""Levels are floored this far below the loudest cell of the target."""
DECIBELS_PER_STEP = 0.5
"""Unit of stored fingerprints, below the loudest cell."""
_SMALLEST_RATIO = 1e-12

Fingerprint = NDArray[np.float32]
"""Decibels relative to the loudest cell, shape ``(cells, bands)``; NaN in cells that the sound does not have."""

Steps = NDArray[np.uint8]
"""Fingerprints without missing cells in units of ``-DECIBELS_PER_STEP``, shape ``(..., cells, bands)``."""


def fingerprint(audio: Audio, gate_seconds: float) -> Fingerprint | None:
    """The fingerprint of a sound; None if it is silent, or shorter than a cell.

        >>> decay = np.exp(-5.0 * np.arange(44100) / 44100.0)
        >>> sound = np.float32([decay * np.sin(0.06 * np.arange(44100))])
        >>> fingerprint(sound, gate_seconds=0.5).shape
        (11, 32)

    Args:
        audio: sound with the key press at sample 0.
        gate_seconds: time of the release.

    Shape:
        audio: ``(channels, samples)``.
        Returns: ``(cells, bands)``.
    """
    mono = audio.mean(axis=0, dtype=np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(mono, WINDOW // 2), WINDOW)[::HOP]
    spectrum = scipy.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32), axis=1)
    bands = np.add.reduceat(np.square(np.abs(spectrum)), _band_edges(), axis=1)[:, :-1]
    times = np.arange(len(frames)) * (HOP / SAMPLE_RATE)
    end = len(mono) / SAMPLE_RATE
    power = np.full(shape(), np.nan, np.float32)
    held = [(low, high, min(gate_seconds, end)) for low, high in itertools.pairwise(HELD_EDGES)]
    released = [(gate_seconds + low, gate_seconds + high, end) for low, high in itertools.pairwise(RELEASED_EDGES)]
    for k, (start, stop, limit) in enumerate(held + released):
        inside = (times >= start) & (times < min(stop, limit))
        if 0.5 * (start + stop) <= limit and inside.any():
            power[k] = bands[inside].mean(axis=0)
    loudest = np.nan_to_num(power).max()
    if not loudest > 0.0:
        return None
    return np.asarray(10.0 * np.log10(np.maximum(power / loudest, _SMALLEST_RATIO)), np.float32)


def shape() -> tuple[int, int]:
    """Number of cells and bands of a fingerprint."""
    return len(cell_weights()), len(_band_edges()) - 1


def to_steps(fingerprints: Fingerprint) -> Steps:
    """A fingerprint without missing cells, rounded to steps for storage."""
    return np.clip(np.round(fingerprints / -DECIBELS_PER_STEP), 0, 255).astype(np.uint8)


def to_decibels(steps: Steps) -> Fingerprint:
    """The inverse of ``to_steps``, up to rounding."""
    return np.asarray(steps * np.float32(-DECIBELS_PER_STEP), np.float32)


def distances(target: Fingerprint, others: Steps) -> NDArray[np.float32]:
    """Mean absolute difference in dB between one sound and many, after scaling each of them to the target's energy.

    ``d = sum w |max(T, floor) - max(O + gain, floor)| / sum w`` over the cells that the target has, with weights ``w``
    by the length of a cell, and the gain that makes the weighted energies equal.

    Args:
        target: fingerprint of the sound.
        others: fingerprints that it is compared with.

    Shape:
        target: ``(cells, bands)``.
        others: ``(n, cells, bands)``.
        Returns: ``(n,)``.
    """
    present = np.isfinite(target[:, 0])
    target = target[present]
    weights = cell_weights()[present, None]
    weights = weights / (weights.sum() * target.shape[1])
    levels = to_decibels(others[:, present])
    energies = (power(levels) * weights).sum(axis=(1, 2))
    gains = 10.0 * np.log10((power(target) * weights).sum() / np.maximum(energies, np.float32(_SMALLEST_RATIO)))
    floor = target.max() - np.float32(FLOOR_DB)
    levels = np.maximum(levels + gains[:, None, None], floor)
    return np.asarray((np.abs(levels - np.maximum(target, floor)) * weights).sum(axis=(1, 2)), np.float32)


def power(decibels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The power of levels in dB, any shape."""
    return np.asarray(np.power(np.float32(10.0), np.float32(0.1) * decibels), np.float32)


@functools.cache
def _band_edges() -> NDArray[np.int64]:
    """First FFT bin of each band and the one above the last band, ascending; bands that share a bin are merged."""
    hz = np.geomspace(LOWEST_HZ, HIGHEST_HZ, N_BANDS + 1)
    return np.unique(np.round(hz * WINDOW / SAMPLE_RATE).astype(np.int64))


@functools.cache
def cell_weights() -> NDArray[np.float32]:
    """Square roots of the cells' lengths, which give short cells, such as the attack, more than their share of time."""
    lengths = np.concatenate([np.diff(HELD_EDGES), np.diff(RELEASED_EDGES)])
    return np.asarray(np.sqrt(lengths), np.float32)
