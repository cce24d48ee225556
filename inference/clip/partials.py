"""The partials of a clip over time: the peaks of its spectra, on a logarithmic frequency axis."""

from __future__ import annotations

import numpy as np
import scipy.fft

from render.audio import Audio
from render.instruments.hints import Partials
from render.note import SAMPLE_RATE

_WINDOW, _PADDED = 2048, 8192
_SWEEPS = tuple(np.linspace(-150.0, 150.0, 7).tolist())  # semitones per second
_FRAMES = 80
_SHORTEST_HOP = 512
LONGEST_SECONDS = 2.0  # what comes later is not looked at
LOWEST, HIGHEST, PER_SEMITONE = 24, 132, 4
_RANGE_DB = 45.0  # below the loudest partial of a frame
_QUIETEST_DB = 60.0  # below the loudest of all
_SPREAD = 2.5  # bins on both sides over which a partial's strength falls to 0


def find_partials(audio: Audio, held_seconds: float) -> Partials:
    """Find the partials in the beginning of a clip.

    Args:
        audio: the clip.
        held_seconds: length of the key press; partials are looked for until then.

    Shape:
        audio: ``(channels, samples)``.
    """
    seconds = min(held_seconds, audio.shape[1] / SAMPLE_RATE, LONGEST_SECONDS)
    hop = max(round(seconds * SAMPLE_RATE / _FRAMES), _SHORTEST_HOP)
    mono = np.pad(audio.mean(axis=0, dtype=np.float32), _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(mono, _WINDOW)[::hop][: max(int(seconds * SAMPLE_RATE / hop), 1)]
    window = np.hanning(_WINDOW + 2)[1:-1].astype(np.float32)
    levels = np.empty((len(_SWEEPS), len(frames), _PADDED // 2 + 1), np.float32)
    for level, sweep in zip(levels, _SWEEPS, strict=True):
        spectra = scipy.fft.rfft(_moved_along(frames, sweep) * window, _PADDED, axis=1)
        np.log10(np.square(np.abs(spectra)) + 1e-24, out=level)
    levels *= 10.0
    strengths = np.zeros((len(_SWEEPS), len(frames), (HIGHEST - LOWEST) * PER_SEMITONE + 1), np.float32)
    tops = levels.max(axis=(0, 2))
    lowest = np.maximum(tops - _RANGE_DB, tops.max() - _QUIETEST_DB)
    for result, level in zip(strengths, levels, strict=True):
        inner = level[:, 1:-1]
        is_peak = (inner > level[:, :-2]) & (inner >= level[:, 2:]) & (inner > lowest[:, None])
        rows, peaks = np.nonzero(is_peak)
        peaks += 1
        before, here, after = level[rows, peaks - 1], level[rows, peaks], level[rows, peaks + 1]
        place = peaks + 0.5 * (before - after) / np.minimum(before - 2.0 * here + after, -1e-9)
        keys = 69.0 + 12.0 * np.log2(np.maximum(place, 1e-3) * SAMPLE_RATE / _PADDED / 440.0)
        positions = (keys - LOWEST) * PER_SEMITONE
        strength = np.clip(1.0 + (here - tops[rows]) / _RANGE_DB, 0.0, 1.0)
        for step in range(-int(_SPREAD), int(_SPREAD) + 2):
            bins = np.floor(positions).astype(int) + step
            usable = (bins >= 0) & (bins < result.shape[1])
            falling = strength * np.maximum(1.0 - np.abs(bins - positions) / _SPREAD, 0.0)
            np.maximum.at(result, (rows[usable], bins[usable]), falling[usable].astype(np.float32))
    return Partials(strengths, _SWEEPS, hop / SAMPLE_RATE, float(LOWEST), PER_SEMITONE)


def _moved_along(frames: Audio, sweep: float) -> Audio:
    """Frames in which a pitch that sweeps stands still: at the middle of a frame it is what it was.

    With ``f(t) = f0 * 2 ** (sweep t / 12)`` the time in which the phase grows evenly is ``(e ** (k t) - 1) / k``, where
    ``k = sweep log(2) / 12`` (a chirp as in the fan-chirp transform of Weruaga and Kepesi, 2007).

    Args:
        frames: windows of the clip.
        sweep: semitones per second.

    Shape:
        frames: ``(frames, samples)``.
        Returns: as ``frames``.
    """
    if sweep == 0.0:
        return frames
    slope = sweep * np.log(2.0) / 12.0 / SAMPLE_RATE
    even = np.arange(_WINDOW) - 0.5 * (_WINDOW - 1)
    moved = np.log1p(np.maximum(slope * even, -0.999)) / slope + 0.5 * (_WINDOW - 1)
    low = np.clip(moved.astype(int), 0, _WINDOW - 2)
    part = np.clip(moved - low, 0.0, 1.0).astype(np.float32)
    return np.asarray(frames[:, low] * (1.0 - part) + frames[:, low + 1] * part, np.float32)
