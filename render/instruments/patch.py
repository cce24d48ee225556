"""A patch: every knob of an instrument, and the rest of what its presets store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from render.errors import OutOfRange
from render.instruments.parameter import Condition, Parameter

if TYPE_CHECKING:
    from render.instruments.table import Table


@dataclass(frozen=True, slots=True)
class Patch:
    """An immutable patch of an instrument; ``Table.patch`` and ``Table.default`` make one.

    Attributes:
        table: parameter table of its instrument.
        knobs: one value in 0..1 per row of the table, in the table's order.
        extra: state that no knob sets, as hashable values; empty for the initial state.

    Raises:
        OutOfRange: for a wrong number of knobs, or one that is not a finite number in 0..1.

    Example:
        >>> from render.noisemaker.table import TABLE
        >>> patch = TABLE.patch({"cutoff": 0.5}).with_settings({"osc1waveform": "pulse"})
        >>> patch["cutoff"], patch.choice("osc1waveform")
        (0.5, 'pulse')
    """

    table: Table
    knobs: tuple[float, ...]
    extra: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if len(self.knobs) != len(self.table.parameters):
            raise OutOfRange("number of knobs", len(self.knobs), str(len(self.table.parameters)))
        for name, knob in zip(self.table.names, self.knobs, strict=True):
            if not 0.0 <= knob <= 1.0:  # false for NaN too
                raise OutOfRange(f"knob {name}", knob, "0 to 1")

    def __getitem__(self, name: str) -> float:
        """The knob of a parameter; raises ``UnknownName``."""
        return self.knobs[self.table.position(name)]

    def with_knobs(self, knobs: Mapping[str, float]) -> Patch:
        """This patch with some knobs replaced, by name."""
        values = list(self.knobs)
        for name, knob in knobs.items():
            values[self.table.position(name)] = float(knob)
        return Patch(self.table, tuple(values), self.extra)

    def with_extra(self, extra: Iterable[Any]) -> Patch:
        """This patch with another state beside the knobs."""
        return Patch(self.table, self.knobs, tuple(extra))

    def index(self, name: str) -> int:
        """Position of a discrete parameter's value among its choices."""
        return self.table.parameter(name).index(self[name])

    def choice(self, name: str) -> str:
        """Name of a discrete parameter's value."""
        return self.table.parameter(name).choices[self.index(name)]

    def setting(self, name: str) -> float | str:
        """A parameter in human units, or the name of its choice."""
        row = self.table.parameter(name)
        return row.setting(self[name], synced=self._synced(row))

    def settings(self) -> dict[str, float | str]:
        """Every parameter in human form, in the table's order."""
        return {name: self.setting(name) for name in self.table.names}

    def with_settings(self, settings: Mapping[str, float | str | bool]) -> Patch:
        """This patch with some parameters replaced, in human form.

        Raises:
            UnknownName: for a parameter or choice that does not exist.
            OutOfRange: for a number that the parameter does not reach.
        """
        patch = self
        # Switches first: whether a rate is a division depends on its sync switch.
        for name in sorted(settings, key=lambda name: self.table.parameter(name).synced_by is not None):
            row = self.table.parameter(name)
            patch = patch.with_knobs({name: row.knob(settings[name], synced=patch._synced(row))})
        return patch

    def snapped(self) -> Patch:
        """This patch with every discrete knob at the standard value of its choice."""
        knobs = tuple(row.snap(knob) for row, knob in zip(self.table.parameters, self.knobs, strict=True))
        return Patch(self.table, knobs, self.extra)

    def diff(self, other: Patch) -> dict[str, tuple[float, float]]:
        """Parameters whose values differ in ``other``: name to (knob here, knob there)."""
        changed = {}
        for row, here, there in zip(self.table.parameters, self.knobs, other.knobs, strict=True):
            same = row.index(here) == row.index(there) if row.discrete else here == there
            if not same:
                changed[row.name] = (here, there)
        return changed

    def sounds(self, name: str) -> bool:
        """Whether a parameter is audible in this patch, by the table's conditions (a single note from silence)."""
        row = self.table.parameter(name)
        return not row.silent and all(any(self._holds(c) for c in clause) for clause in row.needs)

    def where_sounding(self, name: str) -> Patch:
        """This patch with the smallest change after which a parameter is audible by the table's conditions."""
        patch, pending, seen = self, [name], set()
        while pending:
            current = pending.pop()
            seen.add(current)
            for clause in self.table.parameter(current).needs:
                if not any(patch._holds(condition) for condition in clause):
                    condition = clause[0]
                    row = self.table.parameter(condition.name)
                    if condition.indices:
                        knob = row.choice_knobs[condition.indices[0]]
                    else:
                        knob = 0.75 if condition.inert != 0.75 else 0.6
                    patch = patch.with_knobs({condition.name: knob})
                pending.extend(c.name for c in clause if patch._holds(c) and c.name not in seen)
        return patch

    def _holds(self, condition: Condition) -> bool:
        if condition.indices:
            return self.index(condition.name) in condition.indices
        return self[condition.name] != condition.inert

    def _synced(self, row: Parameter) -> bool:
        return row.synced_by is not None and self.index(row.synced_by) == 1
