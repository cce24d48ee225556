"""Stage 3: nevergrad against a host. The only module that knows nevergrad.

The space is derived from the parameter table. nevergrad has discrete parameters, but with them one ask and tell take
longer than the render in between (``python -m benchmarks speed``); with one array they take less than a millisecond.
The level is not part of the space: it is solved in closed form for every render (``inference.evaluate``).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

import nevergrad as ng

from inference.candidate import Candidate
from inference.constraints import Constraints
from inference.evaluate import Evaluator, Measurement
from inference.methods import DEFAULT_METHOD, METHODS, Phase
from inference.run import GOOD_ENOUGH_LOSS, Run
from inference.stages.space import Space, space_of
from render.errors import UnknownName
from render.instruments.instrument import ExtraState

_FAILED_LOSS = 1e3  # loss of a failed render: worse than silence, and finite for the optimisers


def search(run: Run) -> None:
    """Refine the candidates of the leaderboard against the host, until the rest of the budget is needed for judging."""
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
        constraints: locked knobs.
        extra: state of the instrument's patches beside the knobs.
        until: share of the whole budget at which the search ends.
        method: name in ``METHODS``.
        gate: whether the length of the key press may change.
        seed: seed of the optimisers.
        good_enough: loss at which the search ends early.

    Raises:
        UnknownName: for an unknown method.
        HostError: if no worker can render.
    """
    if method not in METHODS:
        raise UnknownName("search method", method, METHODS)
    board, begin, passed = evaluator.board, evaluator.budget.used(), 0.0
    with warnings.catch_warnings():
        # The optimisers warn about budgets, bounds and points that they did not ask for; users can do nothing about it.
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
    array = ng.p.Array(init=space.encode(space.base)).set_mutation(sigma=space.sigma)
    # Bounds reflect, so that a knob that starts at an end moves.
    parametrization = array.set_bounds(0.0, 1.0, method="bouncing")
    parametrization.random_state.seed(seed)
    name = phase.optimizer if space.size > 1 else "OnePlusOne"  # neither CMA nor a crossover works with one code
    # A budget in seconds has no known number of renders; only NGOpt uses it.
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
            # Results are told in the order of asking, so that runs with one worker and the same seed are equal.
            for future in [future for future in pending if future in done]:
                point, candidate = pending.pop(future)
                measured = evaluator.take(candidate, future)
                optimizer.tell(point, _FAILED_LOSS if measured is None else measured.loss)
    finally:
        for future in pending:
            future.cancel()
