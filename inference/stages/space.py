"""The space of a search: some knobs and choices of a patch, and the length of the key press, as one array."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inference.candidate import Candidate
from inference.constraints import Constraints
from inference.methods import Phase
from render.instruments.instrument import ExtraCodes, ExtraState
from render.instruments.parameter import Parameter

Code = NDArray[np.float64]

ORIGIN = "search"
_SHORTEST_GATE = 0.01  # fraction of the clip


@dataclass(frozen=True)
class Space:
    """The search space of one optimiser, around a base candidate that supplies everything else.

    A point is one array in the unit cube: a continuous knob is its own code, and each of ``n`` choices has one of ``n``
    equal parts. The codes of ``Patch.extra`` follow, if it may change. The last code is the gate as a fraction of the
    clip's length, if the gate may change.
    """

    base: Candidate
    rows: tuple[Parameter, ...]
    gate: bool
    sigma: float
    extra: ExtraCodes | None = None

    @property
    def size(self) -> int:
        """Number of codes of a point."""
        return len(self.rows) + (self.extra.count if self.extra is not None else 0) + self.gate

    def encode(self, candidate: Candidate) -> Code:
        """A candidate as a point of the space, shape ``(codes,)``."""
        patch = candidate.patch
        code = [_choice_code(row.index(patch[row.name]), row) if row.discrete else patch[row.name] for row in self.rows]
        if self.extra is not None:
            code += self.extra.encode(patch)
        if self.gate:
            code.append(min(candidate.note.gate_seconds / candidate.note.seconds, 1.0))
        return np.array(code)

    def decode(self, code: Code) -> Candidate:
        """The candidate of a point of the space."""
        values = iter(np.clip(code, 0.0, 1.0).tolist())
        knobs = {}
        for row in self.rows:
            value = next(values)
            knobs[row.name] = row.choice_knobs[_part(value, len(row.choices))] if row.discrete else value
        patch = self.base.patch.with_knobs(knobs)
        if self.extra is not None:
            patch = self.extra.decode(patch, list(itertools.islice(values, self.extra.count)))
        note = self.base.note
        if self.gate:
            note = replace(note, gate_seconds=max(next(values), _SHORTEST_GATE) * note.seconds)
        return replace(self.base, patch=patch, note=note, loss=math.inf, origin=ORIGIN)


def _choice_code(index: int, row: Parameter) -> float:
    return (index + 0.5) / len(row.choices)


def _part(value: float, n_parts: int) -> int:
    return min(int(value * n_parts), n_parts - 1)


def space_of(
    base: Candidate, constraints: Constraints, phase: Phase, *, gate: bool, extra: ExtraState | None = None
) -> Space:
    """The space of one phase around a base candidate.

    Args:
        base: candidate that supplies everything that is not searched.
        constraints: locked knobs.
        phase: phase of the search method, which decides on choices.
        gate: whether the length of the key press may change.
        extra: state of the instrument's patches beside the knobs.
    """
    table = base.patch.table
    free = frozenset(constraints.free(table)) - ({table.level.name} if table.level is not None else set())
    rows = [row for row in table.parameters if row.name in free]
    codes = extra.codes(base.patch, free, discrete=phase.discrete) if extra is not None else None
    if not phase.discrete:
        rows = [row for row in rows if not row.discrete and base.patch.sounds(row.name)]
    # Neighbours on the panel are neighbours in the vector, so a two-point crossover swaps whole modules.
    rows.sort(key=lambda row: row.group)
    return Space(base, tuple(rows), gate, phase.sigma, codes)
