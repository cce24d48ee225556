"""Curves between a knob (0..1) and a setting in human units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from render.errors import OutOfRange

_BISECTIONS = 60  # the last interval is smaller than the spacing of doubles near 1e-3


@dataclass(frozen=True, slots=True)
class Curve:
    """A named, increasing map from a knob to a setting.

    Attributes:
        name: identifies the curve in the table's hash.
        unit: unit of the setting, empty for a bare number.
        setting: function from a knob in 0..1 to the setting.
        rises_until: knob of the largest setting; the inverse is searched up to it.
        inverse: closed form of the inverse, for curves where it is needed often.
    """

    name: str
    unit: str
    setting: Callable[[float], float]
    rises_until: float = 1.0
    inverse: Callable[[float], float] | None = None

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest setting."""
        return self.setting(0.0), self.setting(self.rises_until)

    def knob(self, setting: float) -> float:
        """The knob that gives ``setting``, found by bisection.

            >>> Curve("seconds", "s", lambda v: 4.0 * v).knob(1.0)
            0.25

        Raises:
            OutOfRange: if no knob in 0..1 gives it.
        """
        low, high = self.range
        if not low <= setting <= high:
            raise OutOfRange("setting", setting, f"{low:.4g} to {high:.4g} {self.unit}".rstrip())
        if setting in (low, high):
            return 0.0 if setting == low else self.rises_until
        left, right = 0.0, self.rises_until
        for _ in range(_BISECTIONS):
            middle = 0.5 * (left + right)
            if self.setting(middle) < setting:
                left = middle
            else:
                right = middle
        return 0.5 * (left + right)

    def nearest_knob(self, setting: float) -> float:
        """The knob whose setting is closest to ``setting``: one of the two ends if no knob reaches it."""
        if self.inverse is not None:
            return min(max(self.inverse(setting), 0.0), self.rises_until)
        low, high = self.range
        return self.knob(min(max(setting, low), high))


PLAIN = Curve("amount", "", lambda v: v)
"""The setting is the knob itself."""
