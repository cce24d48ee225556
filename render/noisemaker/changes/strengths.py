"""Strengths of a clip's partials along pitches that change over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from render.instruments.hints import Partials, Strengths

Array = NDArray[np.float64]

REACH = 24
"""Semitones from the key, as far as the tuning of an oscillator reaches."""
MARGIN = 60
"""Semitones of padding beside the bins, where strengths are 0."""

_WIDE = 1  # semitones to which partials are widened for a coarse grid of amounts


@dataclass(frozen=True, eq=False)
class KeyStrengths:
    """The strengths at every key around a place, widened by a semitone, in an order that is fast to read.

    Attributes:
        windows: strengths at ``2 * REACH + 1`` keys, a semitone apart, ``(positions, keys)``.
        step: bins per semitone.
        sweeps: number of sweeps.
        frames: number of frames.
        row: number of positions for one sweep and frame and one remainder of places by ``step``.
    """

    windows: Strengths
    step: int
    sweeps: int
    frames: int
    row: int

    def along(self, places: NDArray[np.int64], swept: NDArray[np.int64], frames: NDArray[np.int64]) -> Strengths:
        """Mean strengths at every key along pitches.

        Args:
            places: where the lowest key is, in bins above the place that is ``MARGIN`` semitones below the first bin;
                what lies outside is moved to the closest place.
            swept: indices of the sweeps.
            frames: the frames.

        Shape:
            places, swept: ``(pitches, frames)``.
            frames: ``(frames,)``.
            Returns: ``(pitches, keys)``.
        """
        places = np.clip(places, 0, (self.row - 2 * REACH) * self.step - 1)
        rows = (places % self.step * self.sweeps + swept) * self.frames + frames
        read = self.windows[rows * self.row + places // self.step]
        return np.asarray(np.einsum("pfk->pk", read) / np.float32(len(frames)))


def at_all_keys(strengths: Strengths, step: int) -> KeyStrengths:
    """The strengths at every key.

    Args:
        strengths: strengths of the partials.
        step: bins per semitone.

    Shape:
        strengths: ``(sweeps, frames, bins)``.
    """
    wide = scipy.ndimage.maximum_filter1d(strengths, _WIDE * step + 1, axis=2)
    margin = MARGIN * step
    padded = np.pad(wide, ((0, 0), (0, 0), (margin, margin + -(strengths.shape[2] + 2 * margin) % step)))
    interleaved = np.ascontiguousarray(padded.reshape(*padded.shape[:2], -1, step).transpose(3, 0, 1, 2))
    windows = np.lib.stride_tricks.sliding_window_view(interleaved.reshape(-1), 2 * REACH + 1)
    return KeyStrengths(windows, *interleaved.shape)


def along(keys: Array, partials: Partials, strengths: Strengths) -> Array:
    """Mean strengths along pitches of shape ``(..., frames)``, interpolated linearly between the bins."""
    positions = np.clip(partials.bins(keys), 0.0, strengths.shape[2] - 1.001)
    low = positions.astype(int)
    frames, high = np.arange(keys.shape[-1]), positions - low
    swept = sweeps(slope(keys), partials)
    strong = (1.0 - high) * strengths[swept, frames, low] + high * strengths[swept, frames, low + 1]
    return np.asarray(strong.mean(axis=-1), np.float64)


def left_behind(
    first: NDArray[np.bool_], keys: tuple[float, float], partials: Partials, strengths: Strengths, within: float
) -> float:
    """How much of two pitches that are said to alternate is left while the other one is there.

    Args:
        first: when the first one is there, ``(frames,)``.
        keys: both, as MIDI note numbers.
        partials: partials of the clip, or of its beginning.
        strengths: their strengths.
        within: how many semitones the pitches may be off.

    Returns:
        The smaller one of their mean strengths in the other's time, as shares of those in their own; 0 where one of
        them has no time.
    """
    if first.all() or not first.any():
        return 0.0
    middle, reach, left = len(partials.sweeps) // 2, round(within * partials.per_semitone), []
    for key, there in zip(keys, (first, ~first), strict=True):
        place = round(float(partials.bins(key)))
        near = slice(max(place - reach, 0), max(place + reach + 1, 0))
        strong = strengths[middle, : len(there), near].max(axis=1, initial=0.0)
        left.append(float(strong[~there].mean() / max(strong[there].mean(), 1e-9)))
    return min(left)


def pitch_bends(partials: Partials) -> Array:
    """How many semitones all partials together are above their usual place at each time, shape ``(frames,)``.

    The place with the highest correlation between a frame and the mean of all, up to a semitone away, with a parabola
    through its neighbours; for a pitch that wavers by less than that.
    """
    strengths = partials.strengths.max(axis=0).astype(np.float64)
    reach = partials.per_semitone
    usual = np.pad(strengths.mean(axis=0), reach)
    shifted = np.lib.stride_tricks.sliding_window_view(usual, strengths.shape[1])  # by -reach to reach bins
    likeness = strengths @ shifted.T
    best = np.clip(likeness.argmax(axis=1), 1, 2 * reach - 1)
    before, here, after = (likeness[np.arange(len(best)), best + step] for step in (-1, 0, 1))
    between = 0.5 * (before - after) / np.minimum(before - 2.0 * here + after, -1e-9)
    # The mean moved to the left resembles a frame whose partials are higher.
    return np.asarray((reach - best - np.clip(between, -1.0, 1.0)) / partials.per_semitone, np.float64)


def slope(curve: Array) -> Array:
    """Change of curves of shape ``(..., frames)`` from one frame to the next, without jumps; 0 for a single frame."""
    if curve.shape[-1] < 2:
        return np.zeros_like(curve)
    steps = np.diff(curve, axis=-1)
    before, after = np.concatenate([steps[..., :1], steps], -1), np.concatenate([steps, steps[..., -1:]], -1)
    return np.where(np.abs(before) < np.abs(after), before, after)


def sweeps(slopes: Array, partials: Partials) -> NDArray[np.int64]:
    """Indices of the sweeps closest to slopes in semitones per frame."""
    last = len(partials.sweeps) - 1
    per_second = slopes / partials.hop_seconds
    distance = (partials.sweeps[-1] - partials.sweeps[0]) / max(last, 1)
    places = np.round((per_second - partials.sweeps[0]) / max(distance, 1e-9))
    return np.clip(places, 0, last).astype(np.int64)
