"""LFOs whose signal resembles another curve over time, such as the brightness of a clip."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from render.noisemaker.changes.contours import FALL, Contour, shapes, signal
from render.noisemaker.changes.pitch_contours import LAG, distinct, rank_of

Array = NDArray[np.float64]

_FRAMES, _FEWEST_FRAMES, _EDGE_FRAMES = 100, 16, 3
_FINEST_HZ = 0.1
_FACTORS = tuple(np.linspace(0.9, 1.1, 11).tolist())  # factors of a rate of the grid
_LATER = (0.0, -0.125, -0.0625, 0.0625, 0.125)  # offsets in cycles from a phase of the grid
_FIRSTS, _SECONDS = 3, 3  # number of LFOs for which a second one is searched for, and of second ones
_STEPS = (0.01, 0.003, 0.001, 0.0003)  # of a rate, relative, and of a phase in cycles
_REPEATED = 3  # steps in one direction
_WORTH = 0.999  # largest factor of the difference from a curve after a step that is worth it
_RESEMBLES = 0.5  # least correlation of an LFO with a curve before it is refined
_REFINED = 2  # LFOs that are refined for one that is wanted
_CLOSER = 0.05  # difference by which the correlation of two LFOs must exceed that of one


@lru_cache(maxsize=8)
def modulators(
    levels: tuple[float, ...], seconds: float, held_seconds: float, most: int, trend: int = 2
) -> tuple[tuple[Contour, ...], ...]:
    """Single LFOs that resemble a curve, and pairs whose sum does.

    Args:
        levels: values of the curve at even distances.
        seconds: its length.
        held_seconds: length of the key press; the release that follows is not used.
        most: largest number of single LFOs, the most similar first, and of the pairs that follow them.
        trend: degree of the polynomial that is removed at first, because something else may cause it.

    Returns:
        Waveforms, rates and phases of one LFO or of two. ``score`` is the correlation of the sum, and ``semitones`` the
        amount relative to the larger one, with its sign.
    """
    held = round(len(levels) * min(held_seconds / max(seconds, 1e-9), 1.0))
    every = max(held // _FRAMES, 1)
    curve = np.asarray(levels[:held], np.float64)[::every]
    if len(curve) < _FEWEST_FRAMES:
        return ()
    wanted = _Wanted.of(curve, seconds / len(levels) * every, trend)
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


def closest_lfos(curve: Array, hop_seconds: float, count: int, trend: int) -> list[list[Contour]]:
    """LFOs, alone or two together, whose weighted sum is closest to a curve, with refined rates and phases.

    Args:
        curve: values at even distances, ``(frames,)``.
        hop_seconds: their distance.
        count: largest number of single LFOs, the closest first, and of the pairs that follow them.
        trend: degree of the polynomial that something else may add.
    """
    if len(curve) == 0 or np.ptp(curve) == 0.0:
        return []
    seconds, times = len(curve) * hop_seconds, np.arange(len(curve), dtype=np.float64) * hop_seconds
    found = modulators(tuple(curve.tolist()), seconds, seconds, _REFINED * count, trend)
    ranked = []
    for lfos in found:
        if lfos[0].score >= _RESEMBLES:
            better = refined(lfos, curve, times)
            ranked.append((len(lfos), _distance(better, curve, times), better))
    ranked.sort(key=lambda one: one[:2])
    return [one for n in (1, 2) for one in [lfos for size, _, lfos in ranked if size == n][:count]]


def refined(lfos: Sequence[Contour], curve: Array, times: Array) -> list[Contour]:
    """LFOs with rates and phases close by at which their weighted sum is closest to a curve."""
    best = list(lfos)
    left = _distance(best, curve, times)
    for step in _STEPS:
        for k, sign in product(range(len(best)), (1.0, -1.0)):
            for by_rate, by_phase in ((sign * step, 0.0), (0.0, sign * step)):
                for _ in range(_REPEATED):
                    one = best[k]
                    other = replace(one, hz=one.hz * (1.0 + by_rate), phase=one.phase + by_phase)
                    tried = [*best[:k], other, *best[k + 1 :]]
                    closer = _distance(tried, curve, times)
                    if closer >= _WORTH * left:
                        break
                    best, left = tried, closer
    return best


def fitted(lfos: Sequence[Contour], curve: Array, times: Array) -> tuple[list[float], Array]:
    """A constant and a weight for each LFO, whose sum is closest to a curve, and what is left of the curve."""
    return fitted_signals([signal(lfo, times) for lfo in lfos], curve)


def fitted_signals(signals: Sequence[Array], curve: Array) -> tuple[list[float], Array]:
    """A constant and a weight for each signal, whose sum is closest to a curve, and what is left of the curve."""
    columns = np.stack([np.ones_like(curve), *signals], axis=1)
    weights = np.linalg.lstsq(columns, curve, rcond=None)[0]
    return weights.tolist(), curve - columns @ weights


def _distance(lfos: Sequence[Contour], curve: Array, times: Array) -> float:
    """Norm of what the closest sum of LFOs leaves of a curve."""
    _, left = fitted(lfos, curve, times)
    return float(np.linalg.norm(left))


@dataclass(frozen=True, eq=False)
class _Wanted:
    """A curve without its trend, of norm 1.

    Attributes:
        curve: the curve, ``(frames,)``.
        trend: orthonormal curves that are removed from the signals too, ``(frames, curves)``.
        times: times of the frames in seconds, including those at both ends that ``curve`` and ``trend`` lack.
        seconds: its length.
    """

    curve: Array
    trend: Array
    times: Array
    seconds: float

    @classmethod
    def of(cls, curve: Array, hop_seconds: float, degree: int) -> _Wanted:
        """A curve with the given distance between frames, without its trend, a polynomial of some degree."""
        places = np.linspace(-1.0, 1.0, len(curve))[_EDGE_FRAMES:-_EDGE_FRAMES]
        trend = np.linalg.qr(np.polynomial.polynomial.polyvander(places, degree))[0]
        wanted = _unit(_without(curve[_EDGE_FRAMES:-_EDGE_FRAMES], trend))
        return cls(wanted, trend, np.arange(len(curve), dtype=np.float64) * hop_seconds, len(curve) * hop_seconds)

    def alike(self, count: int) -> list[Contour]:
        """The LFOs that resemble it most."""
        likely = self._ranked(*_all_shapes(self.seconds, len(self.times)))
        around = list(product(_FACTORS, _LATER))
        found = []
        for one in distinct(likely, count):
            close = [replace(one, hz=one.hz * by, phase=one.phase + later) for by, later in around]
            found.append(next(self._ranked(close, _signals(close, self.times))))
        return found

    def without(self, one: Contour) -> _Wanted:
        """The residual without an LFO."""
        trend = np.concatenate([self.trend, _unit(self._moving([one]))[0][:, None]], axis=1)
        return replace(self, curve=_unit(_without(self.curve, trend)), trend=trend)

    def sum_of(self, *lfos: Contour) -> tuple[float, Array]:
        """Correlation with the best weighted sum of LFOs, and the weights."""
        signals = self._moving(lfos).T
        amounts = np.linalg.lstsq(signals, self.curve, rcond=None)[0]
        return float(np.linalg.norm(signals @ amounts)), np.asarray(amounts, np.float64)

    def _moving(self, lfos: Sequence[Contour]) -> Array:
        """Signals of LFOs without their trends, shape ``(lfos, frames of the curve)``."""
        return _without(_signals(lfos, self.times)[:, _EDGE_FRAMES:-_EDGE_FRAMES], self.trend)

    def _ranked(self, lfos: Sequence[Contour], signals: Array) -> Iterator[Contour]:
        """LFOs with their correlations with the curve, the most similar first."""
        moving = _unit(_without(signals[:, _EDGE_FRAMES:-_EDGE_FRAMES], self.trend))
        likenesses = (moving @ self.curve).tolist()
        for k in sorted(range(len(lfos)), key=lambda k: rank_of(abs(likenesses[k]), lfos[k].phase)):
            yield replace(lfos[k], score=abs(likenesses[k]), semitones=math.copysign(1.0, likenesses[k]))


@lru_cache(maxsize=4)
def _all_shapes(seconds: float, n_frames: int) -> tuple[tuple[Contour, ...], Array]:
    """The LFOs of the grid for a curve, none for one that is too short, and their signals at its frames."""
    found = tuple(one for one in shapes(seconds, LAG, _FINEST_HZ) if one.waveform != FALL)
    return found, _signals(found, np.arange(n_frames, dtype=np.float64) * (seconds / n_frames))


def _signals(lfos: Sequence[Contour], times: Array) -> Array:
    """Signals of LFOs at some times, shape ``(lfos, times)``."""
    return np.array([signal(one, times) for one in lfos]).reshape(len(lfos), len(times))


def _without(curves: Array, trend: Array) -> Array:
    """Curves of shape ``(..., frames)`` without some orthonormal ones."""
    return np.asarray(curves - curves @ trend @ trend.T, np.float64)


def _unit(curves: Array) -> Array:
    """Curves of shape ``(..., frames)`` with a norm of 1."""
    return np.asarray(curves / np.maximum(np.linalg.norm(curves, axis=-1, keepdims=True), 1e-9), np.float64)
