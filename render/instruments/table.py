"""The parameter table of an instrument, from which everything about its parameters is derived."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from render.errors import UnknownName
from render.instruments.parameter import Parameter, Role
from render.instruments.patch import Patch


@dataclass(frozen=True, eq=False)
class Table:
    """An instrument's parameters, one row each.

    Two patches can be compared only if they share a table, so a table is compared by identity. It is pickled as its
    ``home``.

    Attributes:
        title: name of the instrument for people.
        home: where the table is defined, as ``module:VARIABLE``.
        parameters: its rows, in the order of a patch's knobs.
    """

    title: str
    home: str
    parameters: tuple[Parameter, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return _variable, (self.home,)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in the table's order."""
        return tuple(row.name for row in self.parameters)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.names)}

    def position(self, name: str) -> int:
        """Row number of a parameter; raises ``UnknownName`` if there is no such parameter."""
        try:
            return self._positions[name]
        except KeyError:
            raise UnknownName("parameter", name, self.names) from None

    def parameter(self, name: str) -> Parameter:
        """Row of a parameter; raises ``UnknownName`` if there is no such parameter."""
        return self.parameters[self.position(name)]

    def with_role(self, role: Role) -> tuple[Parameter, ...]:
        """Rows that have a role."""
        return tuple(row for row in self.parameters if row.role is role)

    @cached_property
    def level(self) -> Parameter | None:
        """The master volume, or None if the instrument has none."""
        return next(iter(self.with_role(Role.LEVEL)), None)

    @cached_property
    def transpose(self) -> Parameter | None:
        """The transposition by octaves, or None if the instrument has none."""
        return next(iter(self.with_role(Role.TRANSPOSE)), None)

    @cached_property
    def voices(self) -> Parameter | None:
        """How many keys sound at once, or None if that is no parameter."""
        return next(iter(self.with_role(Role.VOICES)), None)

    @cached_property
    def default(self) -> Patch:
        """The patch with every knob at its default."""
        return Patch(self, tuple(row.default for row in self.parameters))

    def patch(self, knobs: Mapping[str, float] | None = None, extra: Iterable[Any] = ()) -> Patch:
        """A default patch with some knobs set by name.

        Args:
            knobs: knobs in 0..1 by parameter name.
            extra: state that no knob sets; see ``Patch.extra``.

        Raises:
            UnknownName: if there is no such parameter.
            OutOfRange: if a knob is outside of 0..1.

        Example:
            >>> from render.noisemaker.table import TABLE
            >>> TABLE.patch({"cutoff": 0.5})["cutoff"]
            0.5
        """
        extra = tuple(extra)
        patch = self.default.with_extra(extra) if extra else self.default
        return patch.with_knobs(knobs) if knobs else patch

    @cached_property
    def hash(self) -> str:
        """Identifies the meaning of a knob vector: kept files carry it and are refused when it differs."""
        rows = [
            [row.name, row.kind, row.default, row.choices, row.curve.name, row.scale, row.offset, row.synced_by]
            for row in self.parameters
        ]
        return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()[:16]


def _variable(home: str) -> Any:
    module, _, name = home.partition(":")
    return getattr(importlib.import_module(module), name)
