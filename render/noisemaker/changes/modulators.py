"""LFOs whose signal resembles the course of something else in a clip, such as the brightness."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from render.instruments.hints import Partials
from render.noisemaker.changes.courses import FALL, LAG, Course, distinct, rank, shapes, signal

Array = NDArray[np.float64]

_FRAMES, _FEWEST_FRAMES, _EDGE_FRAMES = 100, 16, 3
_FINEST_HZ = 0.1
_FACTORS = tuple(np.linspace(0.9, 1.1, 11).tolist())  # of a rate, around the grid's
_LATER = (0.0, -0.125, -0.0625, 0.0625, 0.125)  # cycles, around the grid's phase
_FIRSTS, _SECONDS = 3, 3  # LFOs for which a second one is looked for, and how many of those are tried
_CLOSER = 0.05  # correlation by which two LFOs must resemble the course more than one


@lru_cache(maxsize=8)
def modulators(
    levels: tuple[float, ...], seconds: float, held_seconds: float, most: int
) -> tuple[tuple[Course, ...], ...]:
    """Single LFOs that resemble a course, and pairs whose sum does.

    Args:
        levels: the course, at even distances.
        seconds: its length.
        held_seconds: length of the key press; the release that follows says nothing of an LFO.
        most: largest number of single LFOs, the most similar first, and of the pairs that follow them.

    Returns:
        Waveforms, rates and phases of one LFO or of two. ``score`` is the correlation of the sum, and ``semitones`` the
        amount relative to the larger one, with its sign.
    """
    held = round(len(levels) * min(held_seconds / max(seconds, 1e-9), 1.0))
    every = max(held // _FRAMES, 1)
    course = np.asarray(levels[:held], np.float64)[::every]
    if len(course) < _FEWEST_FRAMES:
        return ()
    wanted = _Wanted.of(course, seconds / len(levels) * every)
    singles = wanted.alike(most)
    pairs = []
    for first in singles[:_FIRSTS]:
        for second in wanted.without(first).alike(_SECONDS):
            score, amounts = wanted.sum_of(first, second)
            if score > first.score + _CLOSER:
                amounts /= np.abs(amounts).max()
                pair = zip((first, second), amounts.tolist(), strict=True)
                pairs.append(tuple(replace(one, score=score, semitones=amount) for one, amount in pair))
    pairs.sort(key=lambda pair: -pair[0].score)
    return (*((one,) for one in singles), *pairs[:most])


@dataclass(frozen=True, eq=False)
class _Wanted:
    """A course without its trend, of norm 1.

    Attributes:
        course: the course, ``(frames,)``.
        trend: orthonormal curves that are taken out of the signals, too, ``(frames, curves)``.
        frames: an empty set of frames, for the times.
    """

    course: Array
    trend: Array
    frames: Partials

    @classmethod
    def of(cls, course: Array, hop_seconds: float) -> _Wanted:
        """A course that was heard, at frames of this distance, without a parabola."""
        frames = Partials(np.zeros((1, len(course), 1), np.float32), (0.0,), hop_seconds, 0.0, 1)
        places = np.linspace(-1.0, 1.0, len(course))[_EDGE_FRAMES:-_EDGE_FRAMES]
        trend = np.linalg.qr(np.polynomial.polynomial.polyvander(places, 2))[0]
        return cls(_unit(_without(course[_EDGE_FRAMES:-_EDGE_FRAMES], trend)), trend, frames)

    def alike(self, count: int) -> list[Course]:
        """The LFOs that resemble it most."""
        likely = (self._compared(one) for one in shapes(self.frames, LAG, _FINEST_HZ) if one.waveform != FALL)
        around = list(product(_FACTORS, _LATER))
        return [
            min(
                (self._compared(replace(one, hz=one.hz * by, phase=one.phase + later)) for by, later in around),
                key=rank,
            )
            for one in distinct(sorted(likely, key=rank), count)
        ]

    def without(self, one: Course) -> _Wanted:
        """What an LFO leaves of it."""
        trend = np.concatenate([self.trend, _unit(self._signal(one))[:, None]], axis=1)
        return _Wanted(_unit(_without(self.course, trend)), trend, self.frames)

    def sum_of(self, *lfos: Course) -> tuple[float, Array]:
        """How much the best sum of LFOs resembles it, and their amounts in that."""
        signals = np.stack([self._signal(one) for one in lfos], axis=1)
        amounts = np.linalg.lstsq(signals, self.course, rcond=None)[0]
        return float(np.linalg.norm(signals @ amounts)), np.asarray(amounts, np.float64)

    def _signal(self, shape: Course) -> Array:
        return _without(signal(shape, self.frames)[_EDGE_FRAMES:-_EDGE_FRAMES], self.trend)

    def _compared(self, shape: Course) -> Course:
        likeness = float(self.course @ _unit(self._signal(shape)))
        return replace(shape, score=abs(likeness), semitones=math.copysign(1.0, likeness))


def _without(curve: Array, trend: Array) -> Array:
    return np.asarray(curve - trend @ (trend.T @ curve), np.float64)


def _unit(curve: Array) -> Array:
    return np.asarray(curve / max(float(np.linalg.norm(curve)), 1e-9), np.float64)
