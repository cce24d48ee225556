"""The partials of a clip over time: the peaks of its spectra, on a logarithmic frequency axis."""

from __future__ import annotations

import numpy as np
import scipy.fft

from render.audio import Audio
from render.instruments.hints import Partials
from render.note import SAMPLE_RATE

_WINDOW, _PADDED = 2048, 8192
_FRAMES = 80
_SHORTEST_HOP = 512
_LONGEST_SECONDS = 2.0  # what comes later is not looked at
_LOWEST, _HIGHEST, _PER_SEMITONE = 24, 132, 4
_RANGE_DB = 45.0  # below the loudest partial of a frame
_QUIETEST_DB = 60.0  # below the loudest of all
_SPREAD = 2.5  # bins on both sides over which a partial's strength falls to 0


def hear_partials(audio: Audio, held_seconds: float) -> Partials:
    """Find the partials in the beginning of a clip.

    Args:
        audio: the clip.
        held_seconds: length of the key press; partials are looked for until then.

    Shape:
        audio: ``(channels, samples)``.
    """
    seconds = min(held_seconds, audio.shape[1] / SAMPLE_RATE, _LONGEST_SECONDS)
    hop = max(round(seconds * SAMPLE_RATE / _FRAMES), _SHORTEST_HOP)
    mono = np.pad(audio.mean(axis=0, dtype=np.float64), _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(mono, _WINDOW)[::hop][: max(int(seconds * SAMPLE_RATE / hop), 1)]
    spectra = scipy.fft.rfft(frames * np.hanning(_WINDOW + 2)[1:-1], _PADDED, axis=1)
    levels = 20.0 * np.log10(np.abs(spectra) + 1e-12)
    n_bins = (_HIGHEST - _LOWEST) * _PER_SEMITONE
    strengths = np.zeros((len(levels), n_bins + 1), np.float32)
    loudest = float(levels.max())
    for row, level in zip(strengths, levels, strict=True):
        top = float(level.max())
        is_peak = (level[1:-1] > level[:-2]) & (level[1:-1] >= level[2:])
        peaks = np.flatnonzero(is_peak & (level[1:-1] > max(top - _RANGE_DB, loudest - _QUIETEST_DB))) + 1
        before, here, after = level[peaks - 1], level[peaks], level[peaks + 1]
        place = peaks + 0.5 * (before - after) / np.minimum(before - 2.0 * here + after, -1e-9)
        keys = 69.0 + 12.0 * np.log2(np.maximum(place, 1e-3) * SAMPLE_RATE / _PADDED / 440.0)
        positions = (keys - _LOWEST) * _PER_SEMITONE
        strength = np.clip(1.0 + (here - top) / _RANGE_DB, 0.0, 1.0)
        for step in range(-int(_SPREAD), int(_SPREAD) + 2):
            bins = np.floor(positions).astype(int) + step
            usable = (bins >= 0) & (bins <= n_bins)
            falling = strength * np.maximum(1.0 - np.abs(bins - positions) / _SPREAD, 0.0)
            np.maximum.at(row, bins[usable], falling[usable].astype(np.float32))
    return Partials(strengths, hop / SAMPLE_RATE, float(_LOWEST), _PER_SEMITONE)
