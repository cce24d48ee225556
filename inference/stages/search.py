"""Stage 3: nevergrad against a host. The only module that knows nevergrad.

The space is derived from the parameter table. nevergrad's native choices would say more plainly what is discrete, but
with them one ask and tell cost more than the render that they ask for (``python -m benchmarks speed``); as one array
they cost under a millisecond. The level is no part of the space: it is solved in closed form for every render
(``inference.evaluate``).
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from typing import Any

import nevergrad as ng
import numpy as np
from numpy.typing import NDArray

from inference.candidate import Candidate
from inference.constraints import Constraints
from inference.evaluate import Evaluator, Measurement
from inference.methods import DEFAULT_METHOD, METHODS, Phase
from inference.run import GOOD_ENOUGH_LOSS, Run
from render.errors import UnknownName
from render.instruments.instrument import ExtraCodes, ExtraState
from render.instruments.parameter import Parameter

Code = NDArray[np.float64]

ORIGIN = "search"
_SHORTEST_GATE = 0.01  # share of the clip
_FAILED_LOSS = 1e3  # of a candidate whose render failed: worse than silence, and finite for the optimisers


@dataclass(frozen=True)
class Space:
    """What one optimiser moves, around a base candidate that gives all the rest.

    A point is one array in the unit cube: a continuous knob is its own code, a choice of ``n`` owns one of ``n`` equal
    parts. Then come the codes of what the instrument's patches hold beside the knobs, where it may change. The last
    code is the gate over the clip's length, where the gate may move.
    """

    base: Candidate
    rows: tuple[Parameter, ...]
    gate: bool
    sigma: float
    extra: ExtraCodes | None = None

    @property
    def size(self) -> int:
        """How many codes a point has."""
        return len(self.rows) + (self.extra.count if self.extra is not None else 0) + self.gate

    def parametrization(self) -> ng.p.Array:
        """Nevergrad's view of the space, starting at the base."""
        array = ng.p.Array(init=self.encode(self.base)).set_mutation(sigma=self.sigma)
        return array.set_bounds(0.0, 1.0, method="bouncing")  # reflects: a knob that starts at an end still moves

    def encode(self, candidate: Candidate) -> Code:
        """A candidate as a point of the space, shape ``(codes,)``; what the space does not move is lost."""
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
        return Candidate(patch, note, origin=ORIGIN)


def _choice_code(index: int, row: Parameter) -> float:
    return (index + 0.5) / len(row.choices)


def _part(value: float, n_parts: int) -> int:
    return min(int(value * n_parts), n_parts - 1)


def space_of(
    base: Candidate, constraints: Constraints, phase: Phase, *, gate: bool, extra: ExtraState | None = None
) -> Space:
    """The space of one phase around a base candidate.

    Args:
        base: gives everything that the space does not move.
        constraints: knobs that must not move.
        phase: whether choices are in the space.
        gate: whether the length of the key press may be moved.
        extra: what the instrument's patches hold beside the knobs.
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


def search(run: Run) -> None:
    """Refine the candidates of the leaderboard against the host, until what is left is needed to judge the result."""
    search_around(
        run.evaluator,
        run.options.constraints,
        extra=run.options.instrument.extra,
        until=run.before_judging(),
        method=run.options.method,
        gate=run.moves_gate(),
        seed=run.options.seed,
        good_enough=GOOD_ENOUGH_LOSS,
    )


def search_around(
    evaluator: Evaluator,
    constraints: Constraints,
    *,
    extra: ExtraState | None = None,
    until: float = 1.0,
    method: str = DEFAULT_METHOD,
    gate: bool = True,
    seed: int = 0,
    good_enough: float = 0.0,
) -> None:
    """Refine the candidates of an evaluator's leaderboard against its host.

    Args:
        evaluator: measures candidates; its leaderboard holds those to start from.
        constraints: knobs that must not move.
        extra: what the instrument's patches hold beside the knobs.
        until: share of the whole budget at which this stage ends.
        method: name in ``METHODS``.
        gate: whether the length of the key press may be moved.
        seed: seeds the optimisers.
        good_enough: loss at which there is nothing left to gain.

    Raises:
        UnknownName: for an unknown method.
        HostError: if no worker can render any more.
    """
    if method not in METHODS:
        raise UnknownName("search method", method, METHODS)
    board, begin, passed = evaluator.board, evaluator.budget.used(), 0.0
    with warnings.catch_warnings():
        # The optimisers have opinions on budgets, bounds and points that they did not ask for; a user can do nothing.
        warnings.filterwarnings("ignore", module=r"(nevergrad|cma)\b")
        for number, phase in enumerate(METHODS[method]):
            passed += phase.share
            space = space_of(board.best[0], constraints, phase, gate=gate, extra=extra)
            if space.size == 0:
                continue
            optimizer = _optimizer(phase, space, evaluator.slots, seed + number)
            same_key = [start for start in board.best if start.note.number == space.base.note.number]
            _tell_starts(optimizer, space, same_key[: phase.starts])
            _ask_and_tell(optimizer, space, evaluator, begin + (until - begin) * passed, good_enough)


def _optimizer(phase: Phase, space: Space, slots: int, seed: int) -> Any:
    parametrization = space.parametrization()
    parametrization.random_state.seed(seed)
    name = phase.optimizer if space.size > 1 else "OnePlusOne"  # neither CMA nor a crossover works on one number
    # The budget in renders is not known when it is given in seconds; NGOpt alone looks at it.
    return ng.optimizers.registry[name](parametrization, budget=4000, num_workers=slots)


def _tell_starts(optimizer: Any, space: Space, starts: Iterable[Candidate]) -> None:
    for start in starts:
        point = optimizer.parametrization.spawn_child(new_value=space.encode(start))
        optimizer.tell(point, start.loss)


def _ask_and_tell(optimizer: Any, space: Space, evaluator: Evaluator, until: float, good_enough: float) -> None:
    pending: dict[Future[Measurement], tuple[Any, Candidate]] = {}

    def spent() -> bool:
        return evaluator.budget.used() >= until or evaluator.board.best[0].loss <= good_enough

    try:
        while pending or not spent():
            while len(pending) < evaluator.slots and not spent():
                point = optimizer.ask()
                candidate = space.decode(point.value)
                pending[evaluator.submit(candidate)] = (point, candidate)
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            # Results are taken in the order of asking, so that one worker and one seed give one history.
            for future in [future for future in pending if future in done]:
                point, candidate = pending.pop(future)
                measured = evaluator.take(candidate, future)
                optimizer.tell(point, _FAILED_LOSS if measured is None else measured.loss)
    finally:
        for future in pending:
            future.cancel()
