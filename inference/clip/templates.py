"""Which of several sounds a clip resembles most, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from render.audio import Audio
from render.measures.spectra import MelScale, mel_power
from render.note import SAMPLE_RATE

_SCALE = MelScale(23, 5, 96)
HOP_SECONDS = 0.005
_FLOOR_DB = 60.0  # below the loudest band of the clip
_STEP_COST = 0.15  # in dB, for every place that the closest one is away from that of the frame before
_LEVEL_FREE = 0.5  # part of a frame's median difference that does not count: other envelopes may cause it


def closest_templates(audio: Audio, templates: Sequence[Audio], held_seconds: float) -> NDArray[np.float64]:
    """The template that is closest to each frame of a clip, with as few changes as that allows.

    Distances are mean absolute differences of the levels in 96 mel bands, without half of the median difference; the
    sum of distances and costs of changes is the smallest possible (Viterbi's algorithm). Where both neighbours of the
    closest template are farther away, the minimum of the parabola through the three distances is taken.

    Args:
        audio: the clip.
        templates: sounds in an order in which neighbours are alike, as loud as the clip.
        held_seconds: length of the key press; frames until then are compared.

    Shape:
        audio: ``(channels, samples)``.
        templates: each ``(channels, samples)``, as long as ``audio``.
        Returns: places among the templates, ``(frames,)``.
    """
    power = _power(audio)
    floor = float(power.max()) * 10.0 ** (-_FLOOR_DB / 10.0) + 1e-30
    held = max(min(int(held_seconds / HOP_SECONDS), len(power)), 1)
    levels = np.log10(power[:held] + floor)
    distances = np.stack([_distances(10.0 * (np.log10(_power(one)[:held] + floor) - levels)) for one in templates])
    places = np.arange(len(templates))
    steps = _STEP_COST * np.abs(places[:, None] - places)
    before = np.zeros(distances.shape, np.int64)
    cost = distances[:, 0]
    for frame in range(1, held):
        reached = cost + steps  # by place, from place
        before[:, frame] = reached.argmin(axis=1)
        cost = reached.min(axis=1) + distances[:, frame]
    path = np.empty(held, np.int64)
    path[-1] = cost.argmin()
    for frame in range(held - 1, 0, -1):
        path[frame - 1] = before[path[frame], frame]
    return path + _offsets(distances, path)


def _distances(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each frame from differences in dB of shape ``(frames, bands)``."""
    level = np.median(differences, axis=1, keepdims=True)
    return np.asarray(np.abs(differences - _LEVEL_FREE * level).mean(axis=1), np.float64)


def _offsets(distances: NDArray[np.float64], path: NDArray[np.int64]) -> NDArray[np.float64]:
    """Where between its neighbours the minimum near each frame's template lies, -0.5 to 0.5; ``(frames,)``."""
    frames = np.arange(len(path))
    inner = path.clip(1, max(len(distances) - 2, 1)) == path
    before, here, after = (distances[(path + by).clip(0, len(distances) - 1), frames] for by in (-1, 0, 1))
    bend = before - 2.0 * here + after
    least = inner & (before >= here) & (after >= here) & (bend > 0.0)
    return np.where(least, 0.5 * (before - after) / np.where(least, bend, 1.0), 0.0)


def _power(audio: Audio) -> NDArray[np.float64]:
    """Mean power of the mel bands of all channels, ``(frames, bands)``."""
    bands = [mel_power(one.astype(np.float64), _SCALE, SAMPLE_RATE) for one in audio]
    return np.asarray(np.mean(bands, axis=0), np.float64)
