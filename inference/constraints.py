"""Constraints that hold in every stage: locked parameters, limits, and no effects."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from render.errors import OutOfRange
from render.instruments.instrument import Instrument
from render.instruments.parameter import Kind, Parameter, Role
from render.instruments.patch import Patch
from render.instruments.table import Table

_UNITS = {"khz": ("hz", 1e3), "ms": ("s", 1e-3), "st": ("semitones", 1.0)}


@dataclass(frozen=True)
class Constraints:
    """What every stage must respect.

    Attributes:
        locked: knobs that stay at exactly these values, by name.
        limits: lowest and highest knob, by name; of a discrete parameter those of the first and the last choice.
    """

    locked: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def parse(
        cls,
        table: Table,
        locks: Iterable[str] = (),
        *,
        limits: Iterable[str] = (),
        no_effects: bool = False,
        start: Patch | None = None,
    ) -> Self:
        """Read ``NAME`` and ``NAME=VALUE`` locks, and ``NAME=LOW..HIGH`` limits.

            >>> from render.noisemaker.table import TABLE
            >>> Constraints.parse(TABLE, ["cutoff=0.3", "osc1waveform=pulse"]).locked
            {'cutoff': 0.3, 'osc1waveform': 0.5}
            >>> Constraints.parse(TABLE, limits=["resonance=..0.5"]).limits
            {'resonance': (0.0, 0.5)}

        Args:
            table: parameter table of the instrument.
            locks: locks of the user. A bare name keeps the value of ``start`` (or the default). A value is a knob in
                0..1, a number with its unit (``cutoff=1.2kHz``), or the name of a choice (``osc1waveform=pulse``).
            limits: limits of the user; an end that is left out is that of the parameter.
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
        return cls(locked, _parsed_limits(table, limits, locked))

    def replaced_by(self, others: Constraints) -> Constraints:
        """These constraints and others, of which the others count for a parameter that both name."""
        named = {*others.locked, *others.limits}
        locked = {name: knob for name, knob in self.locked.items() if name not in named}
        limits = {name: span for name, span in self.limits.items() if name not in named}
        return Constraints({**locked, **others.locked}, {**limits, **others.limits})

    def for_keys(self, instrument: Instrument, n_keys: int, start: Patch | None = None) -> Constraints:
        """These constraints with enough voices for keys that are pressed together.

        Args:
            instrument: synth of the patches.
            n_keys: number of keys; for a single one nothing changes.
            start: patch whose voices are kept if they are enough.

        Raises:
            OutOfRange: if the synth cannot play chords, or there are more keys than voices.
        """
        if n_keys == 1:
            return self
        if not instrument.chords:
            raise OutOfRange(f"number of keys for {instrument.title}", n_keys, "1, because its engine plays no chords")
        row = instrument.table.voices
        if row is None:
            return self
        voices = self.apply((start or instrument.table.default).with_voices_for(n_keys))
        if (most := voices.index(row.name) + 1) < n_keys:
            raise OutOfRange("number of keys of the chord", n_keys, f"at most {most}, as many as there are voices")
        return Constraints({**self.locked, row.name: voices[row.name]}, self.limits)

    def apply(self, patch: Patch) -> Patch:
        """The patch with every locked knob at its value, and every other one within its limits."""
        changed = dict(self.locked)
        for name, (low, high) in self.limits.items():
            if name in changed or low <= patch[name] <= high:
                continue
            row = patch.table.parameter(name)
            if not row.discrete:
                changed[name] = min(max(patch[name], low), high)
            elif (index := patch.index(name)) not in (allowed := self.choices(row)):
                changed[name] = row.choice_knobs[min(max(index, allowed[0]), allowed[-1])]
        return patch.with_knobs(changed) if changed else patch

    def span(self, row: Parameter) -> tuple[float, float]:
        """Lowest and highest knob that a continuous parameter may have."""
        return self.limits.get(row.name, (0.0, 1.0))

    def choices(self, row: Parameter) -> range:
        """Positions of the choices that a discrete parameter may have."""
        if row.name not in self.limits:
            return range(len(row.choices))
        low, high = self.limits[row.name]
        return range(row.index(low), row.index(high) + 1)

    def free(self, table: Table) -> tuple[str, ...]:
        """Parameters that may be changed and are audible with these locks, in the table's order."""
        default = self.apply(table.default)
        return tuple(
            row.name
            for row in table.parameters
            if row.name not in self.locked
            and not row.silent
            and self.apply(default.where_sounding(row.name)).sounds(row.name)
        )


def _parsed_limits(table: Table, limits: Iterable[str], locked: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    parsed = {}
    for limit in limits:
        name, equals, text = limit.partition("=")
        name, (low_text, dots, high_text) = name.strip().lower(), text.partition("..")
        row = table.parameter(name)
        if not (equals and dots):
            raise OutOfRange(f"limit {name}", text.strip(), "LOW..HIGH, such as 0.2..0.6 or ..2kHz")
        if row is table.level:
            raise OutOfRange(f"limit {name}", text.strip(), "--lock, because the level is set to match the clip")
        if name in locked or name in parsed:
            raise OutOfRange(f"limit {name}", text.strip(), "one limit or lock for each parameter")
        low = parse_value(table, name, low_text.strip()) if low_text.strip() else row.snap(0.0)
        high = parse_value(table, name, high_text.strip()) if high_text.strip() else row.snap(1.0)
        if low > high:
            raise OutOfRange(f"limit {name}", text.strip(), "LOW..HIGH with LOW below HIGH")
        parsed[name] = low, high
    return parsed


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
