"""Levels of a recording over time, which do not depend on the phases between channels or on a constant offset."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.audio import Audio
from render.note import SAMPLE_RATE

FRAME = SAMPLE_RATE // 100
"""Samples from one frame to the next: 10 ms."""
FRAMES_PER_SECOND = SAMPLE_RATE / FRAME

LOWEST_DB = -400.0
"""Level of silence."""

Levels = NDArray[np.float64]
"""Decibels, shape ``(frames,)``."""
Spans = list[tuple[int, int]]
"""Frames from a first one up to a last one, which is not included."""

_CLICK_FRAMES = 7  # the median of so many leaves out what reaches into three
_LOST_DB = 6.0  # above all that lasts longer: clicks that may be the sound itself,
_ALONE_DB = 60.0  # as they are if all else is further below them,
_FEWEST_PULSES, _PULSES_PER_SECOND = 8, 12.0  # or if they are many and dense


def frame_levels(audio: Audio) -> Levels:
    """Level of each frame: the power of all channels together, each without its mean.

    A frame's level is that of 20 ms from its start on, a period of 50 Hz, so that hum has a steady one.

    Args:
        audio: shape ``(channels, samples)`` at ``SAMPLE_RATE``.
    """
    n_frames = audio.shape[1] // FRAME
    power = np.zeros(n_frames)
    for channel in audio:
        frames = channel[: n_frames * FRAME].reshape(n_frames, FRAME)
        mean = frames.mean(axis=1, dtype=np.float64)
        variance = frames.var(axis=1, dtype=np.float64)
        next_mean, next_variance = (np.append(one[1:], one[-1:]) for one in (mean, variance))
        power += 0.5 * (variance + next_variance) + 0.25 * np.square(mean - next_mean)
    levels: Levels = 10.0 * np.log10(np.maximum(power, 10.0 ** (LOWEST_DB / 10.0)))
    return levels


def without_clicks(levels: Levels) -> Levels:
    """Running median of the levels, in which whatever lasts less than 20 ms is gone.

    A recording in which nothing else is heard, or in which such clicks follow each other like narrow pulses at 20 Hz,
    keeps its levels.
    """
    from scipy.ndimage import median_filter

    if len(levels) == 0:
        return levels
    smooth: Levels = median_filter(levels, _CLICK_FRAMES, mode="nearest")
    clicks = spans(levels > smooth.max() + _LOST_DB)
    if not clicks:
        return smooth
    seconds = (clicks[-1][1] - clicks[0][0]) / FRAMES_PER_SECOND
    pulses = len(clicks) >= _FEWEST_PULSES and len(clicks) >= _PULSES_PER_SECOND * seconds
    return levels if pulses or smooth.max() < levels.max() - _ALONE_DB else smooth


def spans(mask: NDArray[np.bool_]) -> Spans:
    """Runs of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False]))))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
