"""The coding ``knobs``: a variable per parameter of the table, with key, velocity and gate.

It belongs to the shipped weights, which were trained with it, and can be removed with them. In the table destination
and amount of a modulator depend on each other. Here an amount without effect is encoded as the destination "off", and
the destination is always predicted, so that "off" is learnt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inference.network.coding.editor_heights import STEPS, height_codes, height_variables, points_of
from inference.network.coding.variables import (
    N_UNIT,
    SILENT,
    Codes,
    Coding,
    Decoded,
    Variable,
    gate_codes,
    gate_seconds,
    unit_codes,
    unit_value,
)
from inference.network.features.estimated_note import UNKNOWN_NOTE
from render.instruments.parameter import Parameter
from render.instruments.patch import Patch
from render.noisemaker.table import TABLE
from render.note import Note


class KnobCoding(Coding):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("knobs", _variables())

    def encode(
        self, patches: Sequence[Patch], notes: Sequence[Note], onsets_seconds: Sequence[float] | None = None
    ) -> Codes:
        """See ``Coding``."""
        codes = np.zeros((len(patches), len(self)), np.int64)
        onsets = np.zeros(len(notes)) if onsets_seconds is None else np.asarray(onsets_seconds, np.float64)
        numbers = np.array([note.number for note in notes])
        codes[:, self.index("velocity")] = unit_codes(np.array([note.velocity for note in notes]) / 127.0)
        codes[:, self.index("octave")], codes[:, self.index("pitch class")] = np.divmod(numbers, 12)
        codes[:, self.index("gate")] = gate_codes(np.array([note.gate_seconds for note in notes]) - onsets)
        knobs = np.array([patch.knobs for patch in patches], np.float64).reshape(len(patches), len(TABLE.parameters))
        columns = {row.name: knobs[:, k] for k, row in enumerate(TABLE.parameters)}
        for k, var in enumerate(self.variables):
            if var.row is None:
                continue
            if var.unit:
                codes[:, k] = unit_codes(columns[var.name])
                continue
            codes[:, k] = [var.row.index(knob) for knob in columns[var.name].tolist()]
            amount = _partner(var.row)
            if amount is not None:
                inert = next(c.inert for clause in var.row.needs for c in clause if c.name == amount.name)
                codes[columns[amount.name] == inert, k] = 0
        first = self.index(STEPS)
        for k, patch in enumerate(patches):
            codes[k, first:] = height_codes(patch)
        self.silence(codes)
        return codes

    def decode(
        self, codes: Sequence[int], fractions: Sequence[float], note_number: int = UNKNOWN_NOTE, key: int | None = None
    ) -> Decoded:
        """See ``Coding``."""
        knobs = {}
        for var, code, fraction in zip(self.variables, codes, fractions, strict=True):
            if var.row is not None and code != SILENT:
                knobs[var.name] = unit_value(code, fraction) if var.unit else var.row.choice_knobs[code]
        first, gate = self.index(STEPS), self.index("gate")
        patch = TABLE.patch(knobs, points_of(codes[first:], fractions[first:]))
        number = 12 * codes[self.index("octave")] + codes[self.index("pitch class")]
        return Decoded(patch, min(int(number), 127), gate_seconds(codes[gate], fractions[gate]))

    def given(self, note: Note, *, gate: bool, key: bool) -> dict[int, int]:
        """See ``Coding``; the velocity is always given."""
        result = {self.index("velocity"): int(unit_codes(np.array(note.velocity / 127.0)))}
        if gate:
            result[self.index("gate")] = int(gate_codes(np.array(note.gate_seconds)))
        if key:
            result[self.index("octave")], result[self.index("pitch class")] = divmod(note.number, 12)
        return result


def _partner(row: Parameter) -> Parameter | None:
    """The amount of a destination: a continuous row that ``row`` needs and that needs ``row``."""
    for clause in row.needs:
        other = TABLE.parameter(clause[0].name)
        if len(clause) == 1 and row.discrete and any(c.name == row.name for need in other.needs for c in need):
            return other
    return None


def _variables() -> tuple[Variable, ...]:
    notes = (
        Variable("velocity", N_UNIT, True),
        Variable("octave", 11, False),
        Variable("pitch class", 12, False),
        Variable("gate", N_UNIT, True),
    )
    rows: dict[str, Variable] = {}

    def add(row: Parameter) -> None:
        if row.name in rows or row.silent or row.name == "volume":
            return
        partner = _partner(row)
        needs = tuple(clause for clause in row.needs if partner is None or clause[0].name != partner.name)
        for clause in needs:
            for condition in clause:
                add(TABLE.parameter(condition.name))
        default = row.index(row.default) if row.discrete else int(unit_codes(np.array(row.default)))
        rows[row.name] = Variable(
            row.name, len(row.choices) if row.discrete else N_UNIT, not row.discrete, needs, default, row
        )

    for row in TABLE.parameters:
        add(row)
    return (*notes, *rows.values(), *height_variables(rows["envelopeeditorspeed"].needs))


KNOBS = KnobCoding()
