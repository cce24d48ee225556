"""A point of the envelope editor, the part of a patch that no knob holds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from render.errors import OutOfRange


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
