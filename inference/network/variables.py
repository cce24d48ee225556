"""What the guess network predicts of a sound, as categories in a fixed order, derived from the parameter table.

A choice is a category each. Everything continuous (``unit`` below, 0 to 1) is ``N_BINS`` equal bins and three more
categories for exactly 0, 0.5 and 1, which is where people leave knobs and where the table's conditions switch parts
off. The order is the table's, but what a variable's sounding depends on comes first, so that a sampler knows, when it
reaches a variable, whether it can be heard. What cannot is ``SILENT``: it is not learnt, and decodes to the default.

Destination and amount of a modulator need each other in the table. Here an amount that does nothing reads as the
destination "off", and the destination always counts, so that "off" is learnt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from inference.network.log_mel import HOP, N_FRAMES
from render.instruments.parameter import Condition, Parameter
from render.instruments.patch import Patch
from render.noisemaker.envelope_editor import INITIAL_POINTS, EnvelopePoint, spline
from render.noisemaker.facts import EDITOR_LOOP_SECONDS, EDITOR_SPEEDS
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note

N_BINS = 24
EXACT = (0.0, 0.5, 1.0)
N_UNIT = N_BINS + len(EXACT)
SILENT = -1

N_HEIGHTS = 16
"""Of the envelope editor's curve, at the middles of as many equal parts of the loop."""
GATE_RANGE = (0.02, 4.0)
"""Seconds; on a logarithmic scale."""

_HEARD_SECONDS = N_FRAMES * HOP / SAMPLE_RATE
_POSITIONS = (np.arange(N_HEIGHTS) + 0.5) / N_HEIGHTS
_STEP_EDGE = 0.005  # of the loop, between the end of a step and the next, as in the prior
_HANDLE = 0.1  # half width of an untouched point's handles (render/noisemaker/prior.py)

Codes = NDArray[np.int64]
"""A category or ``SILENT`` per variable: shape ``(rows, variables)``."""

Units = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Variable:
    """One thing to predict.

    Attributes:
        name: of the parameter, or one of the names below.
        size: number of categories.
        unit: whether the categories are bins of a quantity from 0 to 1.
        needs: as in the table, with conditions on variables that come earlier.
        default: category that silence stands for in other variables' conditions.
        row: of the table, where it is one.
    """

    name: str
    size: int
    unit: bool
    needs: tuple[tuple[Condition, ...], ...] = ()
    default: int = 0
    row: Parameter | None = None


def unit_codes(units: Units) -> Codes:
    """The categories of quantities 0 to 1, any shape."""
    codes = np.clip((units * N_BINS).astype(np.int64), 0, N_BINS - 1)
    for k, exact in enumerate(EXACT):
        codes = np.where(np.abs(units - exact) < 5e-5, N_BINS + k, codes)  # draws of the prior have 4 decimals
    return codes


def unit_value(code: int, fraction: float = 0.5) -> float:
    """The quantity of a category; ``fraction`` is the position inside a bin."""
    return EXACT[code - N_BINS] if code >= N_BINS else (code + fraction) / N_BINS


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
    editor = rows["envelopeeditorspeed"].needs
    curve = [Variable("steps", 2, False, editor)]
    for k, position in enumerate(_POSITIONS):
        seconds = position * EDITOR_LOOP_SECONDS
        heard = tuple(i for i, speed in enumerate(EDITOR_SPEEDS) if seconds / speed < _HEARD_SECONDS)
        curve.append(Variable(f"height {k}", N_UNIT, True, (*editor, (Condition("envelopeeditorspeed", heard),))))
    return (*notes, *rows.values(), *curve)


VARIABLES = _variables()
N_VARIABLES = len(VARIABLES)
SIZES = tuple(variable.size for variable in VARIABLES)
_INDEX = {variable.name: k for k, variable in enumerate(VARIABLES)}


def variable(name: str) -> int:
    """Position of a variable in ``VARIABLES``."""
    return _INDEX[name]


@cache
def _holds(condition: Condition) -> NDArray[np.bool_]:
    """Whether a condition holds, per category of its variable; the last entry is for ``SILENT``."""
    on = VARIABLES[variable(condition.name)]
    if condition.indices:
        holds = [k in condition.indices for k in range(on.size)]
    else:
        inert = int(unit_codes(np.array(condition.inert)))
        holds = [k != inert for k in range(on.size)]
    return np.array([*holds, holds[on.default]])


def sounding(k: int, codes: Codes) -> NDArray[np.bool_]:
    """Whether variable ``k`` can be heard, given the earlier ones: shape ``(rows, variables)`` to ``(rows,)``."""
    result = np.ones(len(codes), np.bool_)
    for clause in VARIABLES[k].needs:
        any_of = np.zeros(len(codes), np.bool_)
        for condition in clause:
            any_of |= _holds(condition)[codes[:, variable(condition.name)]]
        result &= any_of
    return result


def encode(patches: Sequence[Patch], notes: Sequence[Note], onsets_seconds: Sequence[float] | None = None) -> Codes:
    """The categories of patches and notes.

    Args:
        patches: one per row.
        notes: one per row.
        onsets_seconds: how long after the key press each clip begins; at once where missing.

    Returns:
        Shape ``(rows, variables)``.
    """
    codes = np.zeros((len(patches), N_VARIABLES), np.int64)
    onsets = np.zeros(len(notes)) if onsets_seconds is None else np.asarray(onsets_seconds, np.float64)
    numbers = np.array([note.number for note in notes])
    codes[:, variable("velocity")] = unit_codes(np.array([note.velocity for note in notes]) / 127.0)
    codes[:, variable("octave")], codes[:, variable("pitch class")] = np.divmod(numbers, 12)
    codes[:, variable("gate")] = gate_codes(np.array([note.gate_seconds for note in notes]) - onsets)
    knobs = np.array([patch.knobs for patch in patches], np.float64).reshape(len(patches), len(TABLE.parameters))
    columns = {row.name: knobs[:, k] for k, row in enumerate(TABLE.parameters)}
    for k, var in enumerate(VARIABLES):
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
    first = variable("steps")
    for k, patch in enumerate(patches):
        codes[k, first] = _is_steps(patch.extra)
        codes[k, first + 1 :] = unit_codes(spline(_points(patch), _POSITIONS))
    for k in range(N_VARIABLES):
        codes[~sounding(k, codes), k] = SILENT
    return codes


def gate_codes(seconds: NDArray[np.float64]) -> Codes:
    """The categories of gates; never an exact one, as a gate has no place where people leave it."""
    low, high = GATE_RANGE
    bins: Codes = (N_BINS * np.log(np.maximum(seconds, low) / low) / math.log(high / low)).astype(np.int64)
    return bins.clip(0, N_BINS - 1)


def decode(codes: Sequence[int], fractions: Sequence[float]) -> tuple[Patch, int, float]:
    """A patch (its volume knob at the default), a note number and a gate in seconds.

    Args:
        codes: per variable.
        fractions: per variable the position inside its bin, 0 to 1.
    """
    knobs = {}
    for var, code, fraction in zip(VARIABLES, codes, fractions, strict=True):
        if var.row is not None and code != SILENT:
            knobs[var.name] = unit_value(code, fraction) if var.unit else var.row.choice_knobs[code]
    patch = TABLE.patch(knobs)
    first = variable("steps")
    if codes[first] != SILENT:
        patch = patch.with_extra(_curve(codes[first] == 1, codes[first + 1 :], fractions[first + 1 :]))
    low, high = GATE_RANGE
    gate = variable("gate")
    gate_seconds = low * (high / low) ** unit_value(codes[gate], fractions[gate])
    number = 12 * codes[variable("octave")] + codes[variable("pitch class")]
    return patch, min(int(number), 127), gate_seconds


def _points(patch: Patch) -> Sequence[EnvelopePoint]:
    return patch.extra if len(patch.extra) > 1 else INITIAL_POINTS


def _is_steps(points: Sequence[EnvelopePoint]) -> bool:
    """Whether a curve is a sequence of level steps: pairs of points of one height."""
    return len(points) >= 4 and all(left.y == right.y for left, right in zip(points[::2], points[1::2], strict=False))


def _curve(steps: bool, codes: Sequence[int], fractions: Sequence[float]) -> list[EnvelopePoint]:
    """Points whose curve passes through the heights; what was not heard continues the last that was."""
    heights: list[float] = []
    for code, fraction in zip(codes, fractions, strict=True):
        heights.append(heights[-1] if code == SILENT else unit_value(code, fraction))
    if steps:
        edges = np.arange(N_HEIGHTS) / N_HEIGHTS
        xs = np.stack([edges, edges + 1.0 / N_HEIGHTS - _STEP_EDGE], axis=1).ravel()
        xs[-1] = 1.0
        ys = np.repeat(heights, 2)
    else:
        xs = np.concatenate([[0.0], _POSITIONS, [1.0]])
        ys = np.concatenate([heights[:1], heights, heights[-1:]])
    left, right = np.maximum(xs - _HANDLE, 0.0), np.minimum(xs + _HANDLE, 1.0)
    columns = np.stack([xs, ys, left, ys, right, ys], axis=1)
    return [EnvelopePoint(*point) for point in columns.tolist()]
