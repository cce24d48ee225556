"""Simpler patches: parts of the panel switched off, parameters at their default, settings at round values.

The same parts explain a patch: what is lost without each of them, and what a moved knob costs.

Everything is derived from the instrument's table: a section is a group of its rows; a switch is a parameter on which
it depends whether several others can be heard (``Parameter.needs``); the instrument adds its ``moves``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from inference.constraints import Constraints
from inference.match import KNOB_MOVE
from render.instruments.instrument import Instrument
from render.instruments.parameter import Parameter
from render.instruments.patch import Patch

_DIGITS = 2  # significant digits of a round setting
_NEAR = 0.01  # of a knob
_FEWEST_DEPENDENT = 2  # parameters whose audibility makes another one a switch


@dataclass(frozen=True)
class Simplification:
    """A change that makes a patch simpler.

    Attributes:
        name: what is switched off or set to its default, for people.
        knobs: the change.
    """

    name: str
    knobs: Mapping[str, float]


@dataclass(frozen=True)
class Simplifier:
    """Makes patches of an instrument simpler.

    Args:
        instrument: the instrument.
        reference: the patch that counts as plain: the default patch, or the one that the user started from.
        constraints: locked knobs, which stay.
    """

    instrument: Instrument
    reference: Patch
    constraints: Constraints

    @property
    def rows(self) -> tuple[Parameter, ...]:
        """Parameters that may be changed; the level is not one of them."""
        table = self.instrument.table
        return tuple(
            row for row in table.parameters if row is not table.level and row.name not in self.constraints.locked
        )

    def differing(self, patch: Patch) -> int:
        """Number of knobs and choices that differ from the reference, audible or not, except level and locked ones."""
        changed = self.reference.diff(patch)
        return sum(row.name in changed for row in self.rows)

    def bare(self, patch: Patch) -> Patch:
        """The patch with its inaudible parameters as in the reference."""
        for row in self.rows:  # one after the other: together they might switch each other on
            if not patch.sounds(row.name):
                patch = self._reset(patch, row)
        extra = self.instrument.extra
        if extra is not None and extra.KNOB and extra.KNOB not in self.constraints.locked:
            off, _ = self._switch(self.instrument.table.parameter(extra.KNOB))
            if not patch.sounds(extra.KNOB) or patch[extra.KNOB] == off:
                patch = patch.with_extra(self.reference.extra)
        return patch

    def applied(self, patch: Patch, simplification: Simplification) -> Patch:
        """The simpler patch."""
        return self.bare(patch.with_knobs(simplification.knobs))

    def simplifications(self, patch: Patch) -> list[Simplification]:
        """Changes after which fewer parameters differ: sections, then switches, then single ones, least change first.

        Of several that lead to the same patch there is the first one.
        """
        found: dict[Patch, Simplification] = {}
        before = self.differing(patch)
        for one in (*self._sections(), *self._switches(), *self._moves(), *self._singles(patch)):
            simpler = self.applied(patch, one)
            if self.differing(simpler) < before:
                found.setdefault(simpler, one)
        return list(found.values())

    def parts(self, patch: Patch) -> list[Simplification]:
        """Sections and switches that are on in a patch, each switched off.

        A section that is not off in the reference, such as one with oscillators, is represented by its switches.
        """
        switches = list(self._switches())
        never_off = {
            self.instrument.table.parameter(name).group
            for one in switches
            for name, off in one.knobs.items()
            if self.reference[name] != off
        }
        sections = [one for one in self._sections() if one.name not in never_off]
        found: dict[Patch, Simplification] = {}
        bare = self.bare(patch)
        before = self.differing(bare)
        for one in (*sections, *switches, *self._moves()):
            simpler = self.applied(bare, one)
            if simpler != bare and (one in switches or self.differing(simpler) < before):
                found.setdefault(simpler, one)
        return list(found.values())

    def roundings(self, patch: Patch) -> list[Simplification]:
        """Single knobs at round settings, or off where they are next to it; least change first."""
        found = []
        for row in self.rows:
            if row.discrete or not patch.sounds(row.name) or patch[row.name] == self.reference[row.name]:
                continue
            off, _ = self._switch(row)
            if off is not None and abs(patch[row.name] - off) < _NEAR:
                knob = off
            else:
                knob = round_knob(row, patch[row.name], synced=isinstance(patch.setting(row.name), str))
            if knob != patch[row.name]:
                found.append(Simplification(row.label, {row.name: knob}))
        return sorted(found, key=lambda one: _distance(patch, one))

    def _reset(self, patch: Patch, row: Parameter) -> Patch:
        plain = self.reference[row.name]
        return patch if patch[row.name] == plain else patch.with_knobs({row.name: plain})

    def _sections(self) -> Iterator[Simplification]:
        groups: dict[str, dict[str, float]] = {}
        for row in self.rows:
            groups.setdefault(row.group, {})[row.name] = self.reference[row.name]
        for group, knobs in groups.items():
            yield Simplification(group, knobs)

    def _switches(self) -> Iterator[Simplification]:
        for row in self.rows:
            off, n_dependent = self._switch(row)
            if off is not None and n_dependent >= _FEWEST_DEPENDENT:
                yield Simplification(row.label, {row.name: off})

    def _switch(self, row: Parameter) -> tuple[float | None, int]:
        """The knob at which others are inaudible, None if there is none; and the number of these others."""
        conditions = [
            condition
            for other in self.instrument.table.parameters
            for clause in other.needs
            for condition in clause
            if condition.name == row.name
        ]
        offs = [
            row.default if row.discrete else condition.inert
            for condition in conditions
            if not row.discrete or row.index(row.default) not in condition.indices
        ]
        return offs[0] if offs else None, len(conditions)

    def _moves(self) -> Iterator[Simplification]:
        table = self.instrument.table
        free = {row.name for row in self.rows}
        for move in self.instrument.moves:
            if all(name in free for name in move):
                yield Simplification(table.parameter(next(iter(move))).label, move)

    def _singles(self, patch: Patch) -> list[Simplification]:
        changed = self.reference.diff(patch)
        singles = [
            Simplification(row.label, {row.name: self.reference[row.name]}) for row in self.rows if row.name in changed
        ]
        return sorted(singles, key=lambda one: _distance(patch, one))


def without_each_part(instrument: Instrument, patch: Patch) -> dict[str, Patch]:
    """The patch with each of its sections and switches off, by the name of the part for people."""
    plain = Simplifier(instrument, instrument.table.default, Constraints())
    return {one.name: plain.applied(patch, one) for one in plain.parts(patch)}


def with_each_knob_moved(patch: Patch) -> dict[str, Patch]:
    """The patch with each audible knob but the level moved by ``KNOB_MOVE``, upwards where there is room, by its name.

    Knobs that differ from the default come first.
    """
    differing = patch.diff(patch.table.default)
    rows = [row for row in patch.table.parameters if not row.discrete and patch.sounds(row.name)]
    rows = sorted((row for row in rows if row is not patch.table.level), key=lambda row: row.name not in differing)
    moves = {row.name: KNOB_MOVE if patch[row.name] + KNOB_MOVE <= 1.0 else -KNOB_MOVE for row in rows}
    return {name: patch.with_knobs({name: patch[name] + move}) for name, move in moves.items()}


def farthest_first(distances: Mapping[str, float]) -> dict[str, float]:
    """Distances by name, the largest first: what matters most."""
    return dict(sorted(distances.items(), key=lambda item: -item[1]))


def round_knob(row: Parameter, knob: float, *, synced: bool = False) -> float:
    """The knob of the round setting next to that of a continuous knob: two significant digits, or a note value.

        >>> from render.noisemaker.table import TABLE
        >>> row = TABLE.parameter("cutoff")
        >>> round(row.setting(round_knob(row, 0.5)), 6)
        1500.0

    Args:
        row: the parameter.
        knob: its knob.
        synced: whether the knob picks a note value.
    """
    setting = row.setting(knob, synced=synced)
    if isinstance(setting, str):
        return row.knob(setting, synced=True)
    if setting == 0.0 or not math.isfinite(setting):
        return knob
    digits = _DIGITS - 1 - math.floor(math.log10(abs(setting)))
    low, high = row.curve.range
    return row.curve.knob(min(max(round(setting, digits), low), high))


def _distance(patch: Patch, one: Simplification) -> float:
    """How far a change moves the panel; a choice counts as much as a whole turn of a knob."""
    table = patch.table
    return sum(1.0 if table.parameter(name).discrete else abs(knob - patch[name]) for name, knob in one.knobs.items())
