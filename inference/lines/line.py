"""The line search of one knob: which value is tried next, and how long the steps are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

FIRST_STEP = 0.12

_LONGEST_STEP, _SHORTEST_STEP = 0.5, 2e-5
_LONGER, _SHORTER, _MUCH_SHORTER = 1.7, 0.35, 0.04
_SENSITIVE = 0.05  # relative increase of the loss after a step that should have been shorter
_NOISE = 2.0  # the same, relative to what may be noise
_WORTH_TRYING = 0.08  # of a step, for the minimum of a parabola
_SCALE = 0.1  # relative increase of the loss at the distance that is a knob's scale


@dataclass
class Line:
    """The state of the line search of one knob.

    Attributes:
        step: size of the next step of a continuous knob.
        sign: direction of the next step.
        tried: steps from the same value that failed, each with the relative increase of the loss.
        failures: number of times in a row that the step became shorter.
        rest_until: number of the sweep in which it is tried again.
        untried: positions of choices that are still to be tried, of a discrete knob.
        gain: sum of its relative improvements.
        scale: estimated distance, in knob units, at which the loss is a tenth larger; infinite where unknown.
    """

    step: float = FIRST_STEP
    sign: float = 1.0
    tried: list[tuple[float, float]] = field(default_factory=list)
    failures: int = 0
    rest_until: int = 0
    untried: list[int] = field(default_factory=list)
    gain: float = 0.0
    scale: float = math.inf

    def next_value(self, value: float, low: float) -> float | None:
        """The value that is tried next: a step away, then one in the other direction, then the parabola's minimum.

        Args:
            value: present value of the knob.
            low: smallest value; the largest is 1.
        """
        behind = {math.copysign(1.0, step) for step, _ in self.tried}
        for sign in (self.sign, -self.sign):
            moved = min(max(value + sign * self.step, low), 1.0)
            if sign not in behind and abs(moved - value) > 0.5 * _SHORTEST_STEP:
                return moved
        vertex = self._vertex()
        return None if vertex is None or len(self.tried) > len(behind) else min(max(value + vertex, low), 1.0)

    def succeeded(self, step: float, gain: float) -> None:
        """A step improved the match, by a relative gain; the next one goes further."""
        self.tried.clear()
        self.failures = 0
        self.gain += gain
        self.sign = math.copysign(1.0, step)
        self.step = min(max(_LONGER * abs(step), _SHORTEST_STEP), _LONGEST_STEP)

    def failed(self, step: float, increase: float) -> None:
        """A step made the loss larger, by a relative increase."""
        self.tried.append((step, increase))
        self.sign = -math.copysign(1.0, step)

    def shorten(self, least: float = 0.0, *, precise: bool = True) -> bool:
        """Shorten the step after it has failed in every direction; returns whether it was much too long.

        Args:
            least: relative increase of the loss that may be noise.
            precise: whether the step becomes the shorter the more the loss increased.
        """
        sensitive = max(_SENSITIVE, _NOISE * least) if precise else math.inf
        increase = min((increase for _, increase in self.tried[:2]), default=0.0)
        curvature = self._parabola()[0]
        if curvature > 0.0:
            self.scale = math.sqrt(_SCALE / curvature)
        by = _SHORTER
        if increase > sensitive:
            by = min(max(0.5 * math.sqrt(sensitive / increase), _MUCH_SHORTER), _SHORTER)
        self.step = max(self.step * by, _SHORTEST_STEP)
        self.tried.clear()
        self.failures += 1
        return increase > sensitive

    def _parabola(self) -> tuple[float, float]:
        """Coefficients ``a`` and ``b`` of the increase ``a step ** 2 + b step`` through two steps; 0 if unknown."""
        if len(self.tried) < 2 or not all(math.isfinite(increase) for _, increase in self.tried[:2]):
            return 0.0, 0.0
        (one, up), (other, down) = self.tried[:2]
        scale = one * other * (one - other)
        return (up * other - down * one) / scale, (down * one**2 - up * other**2) / scale

    def _vertex(self) -> float | None:
        """Offset of the minimum of the parabola, if there is one and it is worth trying."""
        a, b = self._parabola()
        vertex = -b / (2.0 * a) if a > 0.0 else 0.0
        return vertex if abs(vertex) > _WORTH_TRYING * self.step else None
