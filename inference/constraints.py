"""Constraints that hold in every stage: locked parameters, and no effects."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from render.errors import OutOfRange
from render.instruments.parameter import Kind, Role
from render.instruments.patch import Patch
from render.instruments.table import Table

_UNITS = {"khz": ("hz", 1e3), "ms": ("s", 1e-3), "st": ("semitones", 1.0)}


@dataclass(frozen=True)
class Constraints:
    """Knobs that every stage must leave at exactly these values, by name."""

    locked: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def parse(
        cls, table: Table, locks: Iterable[str] = (), *, no_effects: bool = False, start: Patch | None = None
    ) -> Self:
        """Read ``NAME`` and ``NAME=VALUE`` locks.

            >>> from render.noisemaker.table import TABLE
            >>> Constraints.parse(TABLE, ["cutoff=0.3", "osc1waveform=pulse"]).locked
            {'cutoff': 0.3, 'osc1waveform': 0.5}

        Args:
            table: parameter table of the instrument.
            locks: locks of the user. A bare name keeps the value of ``start`` (or the default). A value is a knob in
                0..1, a number with its unit (``cutoff=1.2kHz``), or the name of a choice (``osc1waveform=pulse``).
            no_effects: whether every effect is locked off.
            start: patch that bare names refer to.

        Raises:
            UnknownName: for an unknown parameter or choice.
            OutOfRange: for a value that the parameter cannot take, or two locks that contradict each other.
        """
        locked: dict[str, float] = {}
        base = start or table.default
        for lock in locks:
            name, equals, text = lock.partition("=")
            name = name.strip().lower()
            knob = parse_value(table, name, text.strip()) if equals else base[name]
            if locked.get(name, knob) != knob:
                raise OutOfRange(f"lock {name}", text.strip(), f"one value; {locked[name]:g} was given before")
            locked[name] = knob
        if no_effects:
            switches = table.with_role(Role.EFFECT)
            for row in switches:
                if locked.get(row.name, row.off) != row.off:
                    raise OutOfRange(f"lock {row.name}", locked[row.name], "off, because of --no-effects")
            groups = {row.group for row in switches}
            locked |= {row.name: base[row.name] for row in table.parameters if row.group in groups}
            locked |= {row.name: row.off for row in switches}
        return cls(locked)

    def apply(self, patch: Patch) -> Patch:
        """The patch with every locked knob at its value."""
        return patch.with_knobs(self.locked) if self.locked else patch

    def free(self, table: Table) -> tuple[str, ...]:
        """Parameters that may be changed and can be heard with these locks, in the table's order."""
        default = self.apply(table.default)
        return tuple(
            row.name
            for row in table.parameters
            if row.name not in self.locked
            and not row.silent
            and self.apply(default.where_sounding(row.name)).sounds(row.name)
        )


def parse_value(table: Table, name: str, text: str) -> float:
    """The knob for a value that a user typed; see ``Constraints.parse``."""
    row = table.parameter(name)
    if row.kind is not Kind.CONTINUOUS:
        return row.knob(text)
    number, unit = _split_unit(text)
    low, high = row.curve.range
    own = row.curve.unit
    allowed = "a knob in 0 to 1" + (f", or {low:.5g}{own} to {high:.5g}{own}" if own else "")
    if number is None or not math.isfinite(number):
        raise OutOfRange(f"lock {name}", text, allowed)
    if not unit:
        if not 0.0 <= number <= 1.0:
            raise OutOfRange(f"lock {name}", text, allowed)
        return number
    base, factor = _UNITS.get(unit, (unit, 1.0))
    if base != own.lower() or not low <= number * factor <= high:
        raise OutOfRange(f"lock {name}", text, allowed)
    return row.knob(number * factor)


def _split_unit(text: str) -> tuple[float | None, str]:
    """A number and its unit in lower case; the number is None if there is none."""
    match = re.fullmatch(r"([-+]?[\d.]+(?:e[-+]?\d+)?)\s*([a-z]*)", text.strip().lower())
    try:
        return (float(match[1]), match[2]) if match else (None, "")
    except ValueError:
        return None, ""
