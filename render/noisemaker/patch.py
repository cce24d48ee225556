"""A patch: every sound knob of the instrument and the points of its envelope editor."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from render.errors import OutOfRange
from render.noisemaker.table import NAMES, PARAMETERS, Condition, Parameter, parameter, position


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


@dataclass(frozen=True, slots=True)
class Patch:
    """An immutable patch.

    Attributes:
        knobs: one value in 0..1 per row of the table, in the table's order.
        points: the envelope editor's spline, by increasing x; empty for the plug-in's own initial curve.

    Raises:
        OutOfRange: for a wrong number of knobs, or one that is not a finite number in 0..1.
    """

    knobs: tuple[float, ...] = tuple(row.default for row in PARAMETERS)
    points: tuple[EnvelopePoint, ...] = ()

    def __post_init__(self) -> None:
        if len(self.knobs) != len(PARAMETERS):
            raise OutOfRange("number of knobs", len(self.knobs), str(len(PARAMETERS)))
        for name, knob in zip(NAMES, self.knobs, strict=True):
            if not 0.0 <= knob <= 1.0:  # false for NaN too
                raise OutOfRange(f"knob {name}", knob, "0 to 1")

    @classmethod
    def from_knobs(cls, knobs: Mapping[str, float], points: Iterable[EnvelopePoint] = ()) -> Patch:
        """A default patch with some knobs set by name; raises ``UnknownName`` or ``OutOfRange``."""
        return cls(points=tuple(points)).with_knobs(knobs)

    def __getitem__(self, name: str) -> float:
        """The knob of a parameter; raises ``UnknownName``."""
        return self.knobs[position(name)]

    def with_knobs(self, knobs: Mapping[str, float]) -> Patch:
        """This patch with some knobs replaced, by name."""
        values = list(self.knobs)
        for name, knob in knobs.items():
            values[position(name)] = float(knob)
        return Patch(tuple(values), self.points)

    def with_points(self, points: Iterable[EnvelopePoint]) -> Patch:
        """This patch with another envelope-editor curve."""
        return Patch(self.knobs, tuple(points))

    def index(self, name: str) -> int:
        """Position of a discrete parameter's value among its choices."""
        return parameter(name).index(self[name])

    def choice(self, name: str) -> str:
        """Name of a discrete parameter's value."""
        return parameter(name).choices[self.index(name)]

    def setting(self, name: str) -> float | str:
        """A parameter in human units, or the name of its choice."""
        row = parameter(name)
        return row.setting(self[name], synced=self._synced(row))

    def settings(self) -> dict[str, float | str]:
        """Every parameter in human form, in the table's order."""
        return {name: self.setting(name) for name in NAMES}

    def with_settings(self, settings: Mapping[str, float | str | bool]) -> Patch:
        """This patch with some parameters replaced, in human form.

        Raises:
            UnknownName: for a parameter or choice that does not exist.
            OutOfRange: for a number that the parameter does not reach.
        """
        patch = self
        # Switches first: whether a rate is a division depends on its sync switch.
        for name in sorted(settings, key=lambda name: parameter(name).synced_by is not None):
            row = parameter(name)
            patch = patch.with_knobs({name: row.knob(settings[name], synced=patch._synced(row))})
        return patch

    def snapped(self) -> Patch:
        """This patch with every discrete knob at the standard value of its choice."""
        return Patch(tuple(row.snap(knob) for row, knob in zip(PARAMETERS, self.knobs, strict=True)), self.points)

    def diff(self, other: Patch) -> dict[str, tuple[float, float]]:
        """Parameters that mean something else in ``other``: name to (knob here, knob there)."""
        changed = {}
        for row, here, there in zip(PARAMETERS, self.knobs, other.knobs, strict=True):
            same = row.index(here) == row.index(there) if row.discrete else here == there
            if not same:
                changed[row.name] = (here, there)
        return changed

    def sounds(self, name: str) -> bool:
        """Whether a parameter can be heard in this patch, by the table's conditions (a single note from silence)."""
        row = parameter(name)
        return not row.silent and all(any(self._holds(c) for c in clause) for clause in row.needs)

    def where_sounding(self, name: str) -> Patch:
        """The patch nearest to this one, by the table's conditions, in which a parameter can be heard."""
        patch, pending, seen = self, [name], set()
        while pending:
            current = pending.pop()
            seen.add(current)
            for clause in parameter(current).needs:
                if not any(patch._holds(condition) for condition in clause):
                    condition = clause[0]
                    row = parameter(condition.name)
                    knob = row.choice_knobs[condition.indices[0]] if condition.indices else 0.75
                    patch = patch.with_knobs({condition.name: knob if knob != condition.inert else 0.6})
                pending.extend(c.name for c in clause if patch._holds(c) and c.name not in seen)
        return patch

    def _holds(self, condition: Condition) -> bool:
        if condition.indices:
            return self.index(condition.name) in condition.indices
        return self[condition.name] != condition.inert

    def _synced(self, row: Parameter) -> bool:
        return row.synced_by is not None and self.index(row.synced_by) == 1
