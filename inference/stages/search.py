"""Stage 3: nevergrad against a host. The only module that knows nevergrad.

The space is derived from the parameter table. nevergrad's native choices would say more plainly what is discrete, but
with them one ask and tell cost more than the render that they ask for (``python -m benchmarks speed``); as one array
they cost under a millisecond. Volume is no part of the space: the level is solved in closed form for every render
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

from inference.budget import Budget
from inference.constraints import Constraints
from inference.evaluate import Candidate, Evaluator, Measurement
from inference.leaderboard import Board
from inference.stages.editor_curves import N_HEIGHTS, SHAPES, lines, sampled, steps, with_heights
from render.errors import UnknownName
from render.noisemaker.table import PARAMETERS, Parameter

Code = NDArray[np.float64]

_SHORTEST_GATE = 0.01  # of the clip
_FAILED_LOSS = 1e3  # of a candidate whose render failed: worse than silence, and finite for the optimisers


@dataclass(frozen=True)
class Phase:
    """One optimiser for a share of the budget.

    Attributes:
        optimizer: name in nevergrad's registry.
        share: of the stage's budget.
        discrete: whether discrete knobs, and knobs that cannot be heard in the best candidate, are in its space.
        sigma: standard deviation of a first step in knob units.
        starts: how many of the best candidates it is told at its start.
    """

    optimizer: str
    share: float = 1.0
    discrete: bool = True
    sigma: float = 0.1
    starts: int = 40


METHODS: dict[str, tuple[Phase, ...]] = {
    "NGOpt": (Phase("NGOpt"),),
    "DE": (Phase("TwoPointsDE"),),
    "CMA": (Phase("CMA", discrete=False, starts=1),),
    "OnePlusOne": (Phase("OnePlusOne", starts=1),),
    "portfolio": (
        Phase("TwoPointsDE", 0.5),
        Phase("CMA", 0.5, discrete=False, sigma=0.05, starts=1),
    ),
}
DEFAULT_METHOD = "portfolio"


@dataclass(frozen=True)
class Space:
    """What one optimiser moves, around a base candidate that gives all the rest.

    A point is one array in the unit cube: a continuous knob is its own code, a choice of ``n`` owns one of ``n`` equal
    parts. Then come the codes of the envelope editor's curve, if it is free: a shape and evenly spaced heights, or in a
    space without choices the heights of the base's own points. The last code is the gate over the clip's length, where
    the gate may move.
    """

    base: Candidate
    rows: tuple[Parameter, ...]
    gate: bool
    sigma: float
    shapes: bool = False
    heights: bool = False

    def parametrization(self) -> ng.p.Array:
        """Nevergrad's view of the space, starting at the base."""
        array = ng.p.Array(init=self.encode(self.base)).set_mutation(sigma=self.sigma)
        return array.set_bounds(0.0, 1.0, method="bouncing")  # reflects: a knob that starts at an end still moves

    def encode(self, candidate: Candidate) -> Code:
        """A candidate as a point of the space, shape ``(codes,)``; what the space does not move is lost."""
        patch = candidate.patch
        code = [_choice_code(row.index(patch[row.name]), row) if row.discrete else patch[row.name] for row in self.rows]
        if self.shapes:
            kept = patch.points == self.base.patch.points
            code += [0.5 / len(SHAPES) if kept else 1.5 / len(SHAPES), *sampled(patch.points).clip(0.0, 1.0)]
        if self.heights:
            code += [point.y for point in patch.points]
        if self.gate:
            code.append(min(candidate.note.gate_seconds / candidate.note.seconds, 1.0))
        return np.array(code)

    def decode(self, code: Code, origin: str) -> Candidate:
        """The candidate of a point of the space."""
        values = iter(np.clip(code, 0.0, 1.0).tolist())
        knobs = {}
        for row in self.rows:
            value = next(values)
            knobs[row.name] = row.choice_knobs[_part(value, len(row.choices))] if row.discrete else value
        patch = self.base.patch.with_knobs(knobs)
        if self.shapes:
            shape = SHAPES[_part(next(values), len(SHAPES))]
            heights = list(itertools.islice(values, N_HEIGHTS))
            if shape != "kept" and patch.sounds("envelopeeditorspeed"):
                patch = patch.with_points(lines(heights) if shape == "lines" else steps(heights))
        if self.heights:
            patch = patch.with_points(with_heights(patch.points, list(itertools.islice(values, len(patch.points)))))
        note = self.base.note
        if self.gate:
            note = replace(note, gate_seconds=max(next(values), _SHORTEST_GATE) * note.seconds)
        return Candidate(patch, note, origin=origin)


def _choice_code(index: int, row: Parameter) -> float:
    return (index + 0.5) / len(row.choices)


def _part(value: float, n_parts: int) -> int:
    return min(int(value * n_parts), n_parts - 1)


def space_of(base: Candidate, constraints: Constraints, phase: Phase, *, gate: bool) -> Space:
    """The space of one phase around a base candidate."""
    free = frozenset(constraints.free()) - {"volume"}
    rows = [row for row in PARAMETERS if row.name in free]
    editor = "envelopeeditoramount" in free
    if not phase.discrete:
        rows = [row for row in rows if not row.discrete and base.patch.sounds(row.name)]
        editor = editor and base.patch.sounds("envelopeeditorspeed")
    # Neighbours on the panel are neighbours in the vector, so a two-point crossover swaps whole modules.
    rows.sort(key=lambda row: row.group)
    return Space(
        base,
        tuple(rows),
        gate,
        phase.sigma,
        shapes=editor and phase.discrete,
        heights=editor and not phase.discrete and len(base.patch.points) > 1,
    )


def search(
    board: Board,
    evaluator: Evaluator,
    constraints: Constraints,
    budget: Budget,
    *,
    until: float = 1.0,
    method: str = DEFAULT_METHOD,
    gate: bool = True,
    seed: int = 0,
    good_enough: float = 0.0,
) -> None:
    """Refine the candidates of a board against the evaluator's host.

    Args:
        board: holds the measured candidates to start from, and receives all others.
        evaluator: measures candidates.
        constraints: knobs that must not move.
        budget: shared with the other stages.
        until: share of the whole budget at which this stage ends.
        method: name in ``METHODS``.
        gate: whether the length of the key press may be moved.
        seed: of the optimisers.
        good_enough: loss at which there is nothing left to gain.

    Raises:
        UnknownName: for an unknown method.
        HostError: if no worker can render any more.
    """
    if method not in METHODS:
        raise UnknownName("search method", method, METHODS)
    begin = budget.used(evaluator.renders)
    passed = 0.0
    with warnings.catch_warnings():
        # The optimisers have opinions on budgets, bounds and points that they did not ask for; a user can do nothing.
        warnings.filterwarnings("ignore", module=r"(nevergrad|cma)\b")
        for number, phase in enumerate(METHODS[method]):
            passed += phase.share
            space = space_of(board.best[0], constraints, phase, gate=gate)
            optimizer = _optimizer(phase, space, evaluator.slots, seed + number)
            same_key = [start for start in board.best if start.note.number == space.base.note.number]
            _tell_starts(optimizer, space, same_key[: phase.starts])
            _run(optimizer, space, board, evaluator, budget, begin + (until - begin) * passed, good_enough)


def _optimizer(phase: Phase, space: Space, slots: int, seed: int) -> Any:
    parametrization = space.parametrization()
    parametrization.random_state.seed(seed)
    # The budget in renders is not known when it is given in seconds; NGOpt alone looks at it.
    return ng.optimizers.registry[phase.optimizer](parametrization, budget=4000, num_workers=slots)


def _tell_starts(optimizer: Any, space: Space, starts: Iterable[Candidate]) -> None:
    for start in starts:
        point = optimizer.parametrization.spawn_child(new_value=space.encode(start))
        optimizer.tell(point, start.loss)


def _run(
    optimizer: Any,
    space: Space,
    board: Board,
    evaluator: Evaluator,
    budget: Budget,
    until: float,
    good_enough: float,
) -> None:
    pending: dict[Future[Measurement], tuple[Any, Candidate]] = {}

    def spent() -> bool:
        return budget.used(evaluator.renders) >= until or board.best[0].loss <= good_enough

    try:
        while pending or not spent():
            while len(pending) < evaluator.slots and not spent():
                point = optimizer.ask()
                candidate = space.decode(point.value, board.stage)
                pending[evaluator.submit(candidate)] = (point, candidate)
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            # Results are taken in the order of asking, so that one worker and one seed give one history.
            for future in [future for future in pending if future in done]:
                point, candidate = pending.pop(future)
                optimizer.tell(point, _take(future, candidate, board, evaluator, budget))
    finally:
        for future in pending:
            future.cancel()


def _take(
    future: Future[Measurement], candidate: Candidate, board: Board, evaluator: Evaluator, budget: Budget
) -> float:
    result = evaluator.take(candidate, future)
    if result is None:
        return _FAILED_LOSS
    board.offer(result, seconds=budget.elapsed(), renders=evaluator.renders)
    return result.loss
