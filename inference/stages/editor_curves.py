"""The family of envelope-editor curves that the search draws: straight lines or steps through a few heights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from render.noisemaker.envelope_editor import INITIAL_POINTS, spline
from render.noisemaker.patch import EnvelopePoint

N_HEIGHTS = 8
"""Per loop: at the usual speeds a height for every 1/8 note or so, and few enough for a search."""

SHAPES = ("kept", "lines", "steps")
"""``kept`` is the curve of the patch that the search starts from: ramps, decays and bent curves stay as they are."""

_EDGE = 0.005  # width of a step's edge: the editor's points must rise in x
_THIRD = 1.0 / 3.0

Points = tuple[EnvelopePoint, ...]
Heights = NDArray[np.float64]


def lines(heights: Sequence[float]) -> Points:
    """Straight lines through evenly spaced heights, in 0..1."""
    last = len(heights) - 1
    points = []
    for k, y in enumerate(heights):
        before, after = heights[max(k - 1, 0)], heights[min(k + 1, last)]
        handles = (_unit((k - _THIRD) / last), y + (before - y) * _THIRD, _unit((k + _THIRD) / last))
        points.append(EnvelopePoint(k / last, y, *handles, y + (after - y) * _THIRD))
    return tuple(points)


def steps(heights: Sequence[float]) -> Points:
    """Evenly long steps, in 0..1."""
    points = []
    for k, y in enumerate(heights):
        last = k == len(heights) - 1
        for x in (k / len(heights), 1.0 if last else (k + 1) / len(heights) - _EDGE):
            points.append(EnvelopePoint(x, y, _unit(x - _EDGE), y, _unit(x + _EDGE), y))
    return tuple(points)


def sampled(points: Points) -> Heights:
    """Heights of a curve where ``lines`` has its points, shape ``(N_HEIGHTS,)``."""
    return spline(points if len(points) > 1 else INITIAL_POINTS, np.linspace(0.0, 1.0, N_HEIGHTS))


def with_heights(points: Points, heights: Sequence[float]) -> Points:
    """The curve with its points at other heights, the handles moved along."""
    moved = []
    for point, y in zip(points, heights, strict=True):
        left_y, right_y = (_unit(handle + y - point.y) for handle in (point.left_y, point.right_y))
        moved.append(EnvelopePoint(point.x, y, point.left_x, left_y, point.right_x, right_y))
    return tuple(moved)


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)
