"""The envelope editor's curve: a spline of cubic Bezier segments over one loop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from render.errors import OutOfRange
from render.noisemaker.facts import EDITOR_LOOP_SECONDS, EDITOR_SPEEDS
from render.note import SAMPLE_RATE

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EnvelopePoint:
    """A centre of the envelope editor's cubic Bezier spline with its two control points, all in the unit square."""

    x: float
    y: float
    left_x: float
    left_y: float
    right_x: float
    right_y: float

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 <= value <= 1.0):
                raise OutOfRange(f"envelope point {name}", value, "0 to 1")


INITIAL_POINTS = (
    EnvelopePoint(0.0, 0.5, 0.0, 0.5, 0.25, 0.5),
    EnvelopePoint(1.0, 0.5, 0.75, 0.5, 1.0, 0.5),
)


def spline(points: Sequence[EnvelopePoint], positions: Array) -> Array:
    """Heights of the curve, in 0..1.

    Between two points it is a cubic Bezier polynomial of the four heights, evaluated at the fraction of the segment
    that has passed: the x of the control points makes no difference (golden renders ``envelope_editor``).

    Args:
        points: two or more points, with increasing x.
        positions: positions in the loop, in 0..1.

    Shape:
        positions: ``(samples,)``.
        Returns: ``(samples,)``.
    """
    xs = np.array([point.x for point in points])
    segment = np.clip(np.searchsorted(xs, positions, side="right") - 1, 0, len(points) - 2)
    width = np.maximum(np.diff(xs), 1e-9)[segment]
    t = np.clip((positions - xs[segment]) / width, 0.0, 1.0)
    corners = np.array([(left.y, left.right_y, right.left_y, right.y) for left, right in pairwise(points)]).T
    y0, y1, y2, y3 = corners[:, segment]
    s = 1.0 - t
    heights: Array = s * s * (s * y0 + 3.0 * t * y1) + t * t * (3.0 * s * y2 + t * y3)
    return heights


def curve(points: Sequence[EnvelopePoint], speed: int, one_shot: bool, n_samples: int) -> Array:
    """Heights of the curve over a note, in 0..1.

    Args:
        points: points with increasing x; none for the plug-in's initial curve.
        speed: position in ``facts.EDITOR_SPEEDS``.
        one_shot: whether the last value is held after one loop.
        n_samples: length of the note in samples.

    Shape:
        Returns: ``(n_samples,)``.
    """
    loop_seconds = EDITOR_LOOP_SECONDS / EDITOR_SPEEDS[speed]
    positions = np.arange(n_samples) / (loop_seconds * SAMPLE_RATE)
    positions = np.minimum(positions, 1.0) if one_shot else positions % 1.0
    return spline(points if len(points) > 1 else INITIAL_POINTS, positions)
