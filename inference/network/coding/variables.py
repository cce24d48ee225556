"""What a guess network predicts of a sound: categories in a fixed order, and how patches become such codes.

A ``Coding`` is a list of variables with the way from a patch to their categories and back. There are two: ``knobs``
(``knob_variables.py``) has a variable per parameter of the table and belongs to weights that were trained on it;
``sound`` (``sound_variables.py``) gives patches that sound the same the same code. Weights name theirs.

A choice is a category each. Everything continuous (``unit`` below, 0 to 1) is ``N_BINS`` equal bins and three more
categories for exactly 0, 0.5 and 1, which is where people leave knobs and where the table's conditions switch parts
off. What a variable's sounding depends on comes before it, so that a sampler knows, when it reaches a variable, whether
it can be heard. What cannot is ``SILENT``: it is not learnt, and decodes to the default.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from inference.network.features.heard_note import UNKNOWN_NOTE
from render.instruments.parameter import Condition, Parameter
from render.instruments.patch import Patch
from render.note import Note

N_BINS = 24
EXACT = (0.0, 0.5, 1.0)
N_UNIT = N_BINS + len(EXACT)
SILENT = -1

GATE_RANGE = (0.02, 4.0)
"""Seconds; on a logarithmic scale."""

Codes = NDArray[np.int64]
"""A category or ``SILENT`` per variable: shape ``(rows, variables)``."""

Units = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Variable:
    """One thing to predict.

    Attributes:
        name: A parameter of the table, or a name that the coding gives.
        size: Number of categories.
        unit: Whether the categories are bins of a quantity from 0 to 1.
        needs: As in the table, with conditions on variables that come earlier.
        default: Category that silence stands for in other variables' conditions.
        row: The table's row, where the variable is one.
    """

    name: str
    size: int
    unit: bool
    needs: tuple[tuple[Condition, ...], ...] = ()
    default: int = 0
    row: Parameter | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a row of categories stands for.

    Attributes:
        patch: Its volume knob is at the default.
        number: MIDI note number of the key.
        gate_seconds: How long the key is held.
    """

    patch: Patch
    number: int
    gate_seconds: float


class Coding(ABC):
    """Variables in their order, and the way from patches to their categories and back.

    Args:
        name: What weights call it.
        variables: In the order in which they are predicted.
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
        """Whether variable ``k`` can be heard, given the earlier ones: shape ``(rows, variables)`` to ``(rows,)``."""
        result = np.ones(len(codes), np.bool_)
        for clause in self.variables[k].needs:
            any_of = np.zeros(len(codes), np.bool_)
            for condition in clause:
                any_of |= self._holds[condition][codes[:, self.index(condition.name)]]
            result &= any_of
        return result

    def silence(self, codes: Codes) -> None:
        """Set what cannot be heard to ``SILENT``, in place; shape ``(rows, variables)``."""
        for k in range(len(self)):
            codes[~self.sounding(k, codes), k] = SILENT

    @abstractmethod
    def encode(
        self, patches: Sequence[Patch], notes: Sequence[Note], onsets_seconds: Sequence[float] | None = None
    ) -> Codes:
        """The categories of patches and notes, before it is known which note is heard.

        Args:
            patches: One per row.
            notes: One per row.
            onsets_seconds: How long after the key press each clip begins; at once where missing.

        Returns:
            Shape ``(rows, variables)``.
        """

    def relative(self, codes: Codes, heard: NDArray[np.int64]) -> Codes:
        """The categories once it is known which note is heard.

        Args:
            codes: From ``encode``, shape ``(rows, variables)``.
            heard: MIDI note numbers or ``UNKNOWN_NOTE``, shape ``(rows,)``.
        """
        return codes

    @abstractmethod
    def decode(
        self, codes: Sequence[int], fractions: Sequence[float], heard: int = UNKNOWN_NOTE, key: int | None = None
    ) -> Decoded:
        """The patch and key press that a row stands for.

        Args:
            codes: Per variable, as ``relative`` gives them.
            fractions: Per variable the position inside its bin, 0 to 1.
            heard: MIDI note number that was heard, or ``UNKNOWN_NOTE``.
            key: The key, where the caller knows it.
        """

    @abstractmethod
    def given(self, note: Note, *, gate: bool, key: bool) -> dict[int, int]:
        """Categories that a caller fixes, by variable.

        Args:
            note: The key press that is known, at least in part.
            gate: Whether its gate is to be kept.
            key: Whether its number is the key.
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
    """The categories of gates; never an exact one, as a gate has no place where people leave it."""
    low, high = GATE_RANGE
    bins: Codes = (N_BINS * np.log(np.maximum(seconds, low) / low) / math.log(high / low)).astype(np.int64)
    return bins.clip(0, N_BINS - 1)


def gate_seconds(code: int, fraction: float = 0.5) -> float:
    """The gate of a category."""
    low, high = GATE_RANGE
    return float(low * (high / low) ** unit_value(code, fraction))
