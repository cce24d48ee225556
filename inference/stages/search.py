"""Stage 3: nevergrad against a host. The only module that knows nevergrad.

The space is derived from the parameter table. nevergrad has discrete parameters, but with them one ask and tell take
longer than the render in between (``python -m benchmarks speed``); with one array they take less than a millisecond.
The level is not part of the space: it is solved in closed form for every render (``inference.evaluate``).
"""

from __future__ import annotations

import itertools
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import nevergrad as ng
import numpy as np
from numpy.typing import NDArray

from inference.candidate import Candidate
from inference.constraints import Constraints
from inference.evaluate import Evaluator, Measurer
from inference.lines.line_search import ORIGIN, SHORTEST_GATE
from inference.methods import DEFAULT_METHOD, METHODS, Phase
from inference.run import GOOD_ENOUGH_LOSS, Run
from render.errors import UnknownName
from render.instruments.instrument import ExtraCodes, ExtraState
from render.instruments.parameter import Parameter

Code = NDArray[np.float64]

_WIDEST_NEAR, _FEWEST_FOR_CMA = 0.05, 2  # standard deviation of the first draws; number of knobs
_FAILED_LOSS = 1e3  # loss of a failed render: worse than silence, and finite for the optimisers


@dataclass(frozen=True)
class Space:
    """The search space of one optimiser, around a base candidate that supplies everything else.

    A point is one array in the unit cube: a continuous knob is its own code, or its place between its limits, and each
    of ``n`` allowed choices has one of ``n`` equal parts. The codes of ``Patch.extra`` follow, if it may change. The
    last code is the gate as a fraction of the clip's length, if the gate may change. ``sigma`` is the standard
    deviation of an optimiser's first draws, for all codes or for each.
    """

    base: Candidate
    rows: tuple[Parameter, ...]
    gate: bool
    sigma: float | Code
    extra: ExtraCodes | None = None
    constraints: Constraints = field(default_factory=Constraints)

    @property
    def size(self) -> int:
        """Number of codes of a point."""
        return len(self.rows) + (self.extra.count if self.extra is not None else 0) + self.gate

    def parametrization(self) -> ng.p.Array:
        """The space as a nevergrad parameter that starts at the base."""
        array = ng.p.Array(init=self.encode(self.base)).set_mutation(sigma=self.sigma)
        return array.set_bounds(0.0, 1.0, method="bouncing")  # reflects, so that a knob that starts at an end moves

    def encode(self, candidate: Candidate) -> Code:
        """A candidate as a point of the space, shape ``(codes,)``."""
        patch = candidate.patch
        code = [self._code(row, patch[row.name]) for row in self.rows]
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
            if row.discrete:
                choices = self.constraints.choices(row)
                knobs[row.name] = row.choice_knobs[choices[_part(value, len(choices))]]
            else:
                low, high = self.constraints.span(row)
                knobs[row.name] = low + value * (high - low)
        patch = self.base.patch.with_knobs(knobs)
        if self.extra is not None:
            patch = self.extra.decode(patch, list(itertools.islice(values, self.extra.count)))
        note = self.base.note
        if self.gate:
            note = replace(note, gate_seconds=max(next(values), SHORTEST_GATE) * note.seconds)
        return Candidate(patch, note, origin=ORIGIN)

    def _code(self, row: Parameter, knob: float) -> float:
        if row.discrete:
            choices = self.constraints.choices(row)
            return min(max((row.index(knob) - choices[0] + 0.5) / len(choices), 0.0), 1.0)
        low, high = self.constraints.span(row)
        return min(max((knob - low) / (high - low), 0.0), 1.0) if high > low else 0.5


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
    return Space(base, tuple(rows), gate, phase.sigma, codes, constraints)


def search(run: Run, until: float) -> None:
    """Refine the candidates of the leaderboard against the host, until a share of the budget is used."""
    search_around(
        run.evaluator,
        run.options.constraints,
        extra=run.options.instrument.extra,
        until=until,
        method=run.options.method,
        gate=run.moves_gate(),
        seed=run.options.draws,
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
            end = begin + (until - begin) * passed

            def spent(end: float = end) -> bool:
                return evaluator.budget.used() >= end or board.best[0].loss <= good_enough

            _ask_and_tell(optimizer, space, evaluator, spent)


def search_near(
    by: Measurer,
    base: Candidate,
    scales: Mapping[str, float],
    constraints: Constraints,
    spent: Callable[[], bool],
    seed: int,
) -> Candidate:
    """Search a few continuous knobs close to a candidate with CMA-ES.

    Args:
        by: what is minimised.
        base: measured candidate to start from.
        scales: knobs that may change, each with the standard deviation of the first draws.
        constraints: limits of the knobs.
        spent: asked before every render; once it is true, no other begins.
        seed: seed of the optimiser.

    Returns:
        The best candidate.
    """
    rows = tuple(base.patch.table.parameter(name) for name in scales)
    spans = [high - low for low, high in map(constraints.span, rows)]
    sigma = np.array([min(scales[row.name], _WIDEST_NEAR) / span for row, span in zip(rows, spans, strict=True)])
    space = Space(base, rows, False, sigma, None, constraints)
    if space.size < _FEWEST_FOR_CMA:
        return base
    best = base

    def learn(candidate: Candidate | None) -> None:
        nonlocal best
        if candidate is not None and candidate.loss < best.loss:
            best = candidate

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(nevergrad|cma)\b")
        optimizer = _optimizer(METHODS["CMA near"][0], space, by.slots, seed)
        _tell_starts(optimizer, space, [base])
        _ask_and_tell(optimizer, space, by, spent, learn)
    return best


def _optimizer(phase: Phase, space: Space, slots: int, seed: int) -> Any:
    parametrization = space.parametrization()
    parametrization.random_state.seed(seed)
    name = phase.optimizer if space.size > 1 else "OnePlusOne"  # neither CMA nor a crossover works with one code
    # A budget in seconds has no known number of renders; only NGOpt uses it.
    return ng.optimizers.registry[name](parametrization, budget=4000, num_workers=slots)


def _tell_starts(optimizer: Any, space: Space, starts: Iterable[Candidate]) -> None:
    for start in starts:
        point = optimizer.parametrization.spawn_child(new_value=space.encode(start))
        optimizer.tell(point, start.loss)


def _ask_and_tell(
    optimizer: Any,
    space: Space,
    by: Measurer,
    spent: Callable[[], bool],
    learn: Callable[[Candidate | None], None] = lambda candidate: None,
) -> None:
    pending = deque[tuple[Any, Candidate, Future[Any]]]()
    try:
        while pending or not spent():
            while len(pending) < by.slots and not spent():
                point = optimizer.ask()
                candidate = space.decode(point.value)
                pending.append((point, candidate, by.submit(candidate)))
            # The oldest first, whichever is done: runs with the same seed and budget in renders are equal.
            point, candidate, future = pending.popleft()
            measured = by.take(candidate, future)
            learn(measured)
            optimizer.tell(point, _FAILED_LOSS if measured is None else measured.loss)
    finally:
        for _, _, future in pending:
            future.cancel()
