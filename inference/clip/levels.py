"""Levels of a recording over time, which do not depend on the phases between channels or on a constant offset."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.audio import Audio
from render.note import SAMPLE_RATE

FRAME = SAMPLE_RATE // 100
"""Samples of a frame: 10 ms, half a period of 50 Hz hum, so that hum has a steady level."""
FRAMES_PER_SECOND = SAMPLE_RATE / FRAME

LOWEST_DB = -400.0
"""Level of silence."""

Levels = NDArray[np.float64]
"""Decibels, shape ``(frames,)``."""
Spans = list[tuple[int, int]]
"""Frames from a first one up to a last one, which is not included."""

_CLICK_FRAMES = 5  # the median of so many leaves out what is over within two
_LOST_DB = 6.0


def frame_levels(audio: Audio) -> Levels:
    """Level of each frame: the power of all channels together, each without its mean in that frame.

    Args:
        audio: shape ``(channels, samples)`` at ``SAMPLE_RATE``.
    """
    n_frames = audio.shape[1] // FRAME
    power = np.zeros(n_frames)
    for channel in audio:
        power += channel[: n_frames * FRAME].reshape(n_frames, FRAME).var(axis=1, dtype=np.float64)
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (LOWEST_DB / 10.0)))


def without_clicks(levels: Levels) -> Levels:
    """Running median of the levels, in which whatever lasts less than 20 ms is gone.

    A sound that consists of such clicks, as narrow pulses at 20 Hz do, keeps its levels.
    """
    from scipy.ndimage import median_filter

    smooth: Levels = median_filter(levels, _CLICK_FRAMES, mode="nearest")
    return levels if len(levels) == 0 or levels.max() > smooth.max() + _LOST_DB else smooth


def spans(mask: NDArray[np.bool_]) -> Spans:
    """Runs of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False]))))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
