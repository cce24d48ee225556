"""The variables that a guess network predicts: categories in a fixed order, and their conversion from and to patches.

A ``Coding`` is a list of variables that encodes patches as categories and decodes them. ``sound``
(``sound_variables.py``) gives patches that sound the same the same code. Weights name their coding.

Every choice is a category. A continuous variable (``unit`` below, 0 to 1) has ``N_BINS`` equal bins and three more
categories for exactly 0, 0.5 and 1, where people often leave knobs and where the table's conditions switch parts off. A
variable comes after those that decide whether it is audible, so that a sampler knows this when it reaches the variable.
Inaudible variables are ``SILENT``: they are not learnt, and decode to the default.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from inference.network.features.estimated_note import UNKNOWN_NOTE
from render.instruments.parameter import Condition, Parameter
from render.instruments.patch import Patch
from render.note import Note

N_BINS = 24
EXACT = (0.0, 0.5, 1.0)
N_UNIT = N_BINS + len(EXACT)
SILENT = -1

GATE_RANGE = (0.02, 4.0)
"""Range of gates in seconds; they are encoded on a logarithmic scale."""

Codes = NDArray[np.int64]
"""A category or ``SILENT`` per variable: shape ``(rows, variables)``."""

Units = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable to predict.

    Attributes:
        name: name of a parameter of the table, or a name of the coding's own.
        size: number of categories.
        unit: whether the categories are bins of a quantity from 0 to 1.
        needs: when it is audible, as in the table, with conditions on earlier variables.
        default: category that the conditions of other variables use if this one is silent.
        row: the parameter of the table, if the variable is one.
    """

    name: str
    size: int
    unit: bool
    needs: tuple[tuple[Condition, ...], ...] = ()
    default: int = 0
    row: Parameter | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded row of categories.

    Attributes:
        patch: the patch, with its volume knob at the default.
        number: MIDI note number of the key.
        gate_seconds: how long the key is held.
    """

    patch: Patch
    number: int
    gate_seconds: float


class Coding(ABC):
    """Variables in order, which encode patches as categories and decode them.

    Args:
        name: name of the coding in files of weights.
        variables: variables in the order in which they are predicted.
    """

    def __init__(self, name: str, variables: Sequence[Variable]) -> None:
        self.name = name
        self.variables = tuple(variables)
        self.sizes = tuple(variable.size for variable in self.variables)
        self._index = {variable.name: k for k, variable in enumerate(self.variables)}

    def __len__(self) -> int:
        return len(self.variables)

    def index(self, name: str) -> int:
        """Position of a variable."""
        return self._index[name]

    def sounding(self, k: int, codes: Codes) -> NDArray[np.bool_]:
        """Whether variable ``k`` is audible, given the earlier ones: shape ``(rows, variables)`` to ``(rows,)``."""
        result = np.ones(len(codes), np.bool_)
        for clause in self.variables[k].needs:
            any_of = np.zeros(len(codes), np.bool_)
            for condition in clause:
                any_of |= self._holds[condition][codes[:, self.index(condition.name)]]
            result &= any_of
        return result

    def silence(self, codes: Codes) -> None:
        """Set inaudible variables to ``SILENT``, in place; shape ``(rows, variables)``."""
        for k in range(len(self)):
            codes[~self.sounding(k, codes), k] = SILENT

    @abstractmethod
    def encode(
        self, patches: Sequence[Patch], notes: Sequence[Note], onsets_seconds: Sequence[float] | None = None
    ) -> Codes:
        """The categories of patches and notes, independent of the estimated note.

        Args:
            patches: one patch per row.
            notes: one key press per row.
            onsets_seconds: seconds from the key press to the beginning of each clip; 0 if missing.

        Returns:
            Shape ``(rows, variables)``.
        """

    @abstractmethod
    def relative(self, codes: Codes, notes: NDArray[np.int64]) -> Codes:
        """The categories relative to the estimated note.

        Args:
            codes: categories from ``encode``.
            notes: estimated MIDI note numbers, or ``UNKNOWN_NOTE``.

        Shape:
            codes: ``(rows, variables)``.
            notes: ``(rows,)``.
            Returns: ``(rows, variables)``.
        """

    @abstractmethod
    def decode(
        self, codes: Sequence[int], fractions: Sequence[float], note_number: int = UNKNOWN_NOTE, key: int | None = None
    ) -> Decoded:
        """The patch and key press that a row encodes.

        Args:
            codes: category of each variable, as ``relative`` returns them.
            fractions: position inside its bin of each variable, 0 to 1.
            note_number: estimated MIDI note number, or ``UNKNOWN_NOTE``.
            key: MIDI note number of the key, if the caller knows it.
        """

    @abstractmethod
    def given(self, note: Note, *, gate: bool, key: bool) -> dict[int, int]:
        """Categories that the caller fixes, by variable.

        Args:
            note: key press that is known, at least in part.
            gate: whether its gate is kept.
            key: whether its number is the key.
        """

    @cached_property
    def _holds(self) -> Mapping[Condition, NDArray[np.bool_]]:
        """Whether a condition holds, per category of its variable; the last entry is for ``SILENT``."""
        conditions = {c for variable in self.variables for clause in variable.needs for c in clause}
        result = {}
        for condition in conditions:
            on = self.variables[self.index(condition.name)]
            if condition.indices:
                holds = [k in condition.indices for k in range(on.size)]
            else:
                inert = int(unit_codes(np.array(condition.inert)))
                holds = [k != inert for k in range(on.size)]
            result[condition] = np.array([*holds, holds[on.default]])
        return result


def unit_codes(units: Units) -> Codes:
    """The categories of quantities 0 to 1, any shape."""
    codes = np.clip((units * N_BINS).astype(np.int64), 0, N_BINS - 1)
    for k, exact in enumerate(EXACT):
        codes = np.where(np.abs(units - exact) < 5e-5, N_BINS + k, codes)  # draws of the prior have 4 decimals
    return codes


def unit_value(code: int, fraction: float = 0.5) -> float:
    """The quantity of a category; ``fraction`` is the position inside a bin."""
    return EXACT[code - N_BINS] if code >= N_BINS else (code + fraction) / N_BINS


def gate_codes(seconds: NDArray[np.float64]) -> Codes:
    """The categories of gates; always bins, because no exact gate is more likely than others."""
    low, high = GATE_RANGE
    bins: Codes = (N_BINS * np.log(np.maximum(seconds, low) / low) / math.log(high / low)).astype(np.int64)
    return bins.clip(0, N_BINS - 1)


def gate_seconds(code: int, fraction: float = 0.5) -> float:
    """The gate of a category."""
    low, high = GATE_RANGE
    return float(low * (high / low) ** unit_value(code, fraction))
