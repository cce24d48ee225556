"""Stage 3 for synths without a gradient: line searches, jumps that are tuned before they are judged, and CMA-ES.

    the best starts that differ -> short line searches of each (successive halving)
    -> rounds of: line search of the best, jumps, CMA-ES around the best

A jump takes a section of the panel from another candidate or from a draw of the prior, or switches a part on or off.
Most jumps are worse at first, even right ones, because the knobs of the new part are wrong: many are rendered, and the
closest of them get a short line search of the knobs that the jump changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from inference.candidate import Candidate
from inference.constraints import Constraints
from inference.judge import different
from inference.lines.line_search import LineSearch
from inference.run import GOOD_ENOUGH_LOSS, Run
from inference.stages.neighbours import crossovers, neighbours
from inference.stages.search import search_around

_HALVINGS = ((8, 0.015), (3, 0.03))
"""Number of starts that get a line search, and the share of the budget for each, in the order of the rounds."""
_LINES_SHARE, _CMA_SHARE = 0.12, 0.08  # of the budget, in one round
_JUMPS, _TUNED, _TUNING_SHARE = 24, 3, 0.012
_PRIOR_DRAWS = 6
_CMA_KNOBS = 16
"""Number of knobs that CMA-ES moves: those that the line searches gained most with. With a hundred it learns nothing in
so few renders."""
_JUMP_SEED = 5
"""Seed of the draws of the prior for jumps; differs from those of the library, data sets and benchmarks."""


def climb(run: Run, end: float) -> None:
    """Refine the candidates of the leaderboard until a share of the budget is used."""
    rng = np.random.default_rng(run.options.seed)
    begin = run.budget.used()

    def spent(share: float) -> Callable[[], bool]:
        until = min(end, run.budget.used() + share * (end - begin))
        return lambda: run.budget.used() >= until

    starts = different(run.board.best, _HALVINGS[0][0])
    for count, share in _HALVINGS:
        for k, start in enumerate(starts[:count]):
            lines = LineSearch(run, start, rng)
            lines.run_until(spent(share))
            starts[k] = lines.best
        starts = different(sorted(starts, key=lambda one: one.loss), _HALVINGS[-1][0])
    number = 0
    lines = LineSearch(run, run.board.best[0], rng)
    while run.budget.used() < end and run.board.best[0].loss > GOOD_ENOUGH_LOSS:
        used = run.budget.used()
        if lines.best.loss > run.board.best[0].loss:
            lines = LineSearch(run, run.board.best[0], rng)
        lines.run_until(spent(_LINES_SHARE))
        _jumps(run, rng, number, spent)
        number += 1
        search_around(
            run.evaluator,
            _only(lines.active(_CMA_KNOBS), run),
            until=min(end, run.budget.used() + _CMA_SHARE * (end - begin)),
            method="CMA near",
            gate=False,
            seed=run.options.seed + number,
            good_enough=GOOD_ENOUGH_LOSS,
        )
        if run.budget.used() == used:  # nothing can be changed
            return


def _only(names: list[str], run: Run) -> Constraints:
    """Constraints that leave only some knobs of the best candidate free; no knob if there are no names."""
    constraints, best = run.options.constraints, run.board.best[0].patch
    free = constraints.free(best.table)
    return Constraints({**constraints.locked, **{name: best[name] for name in free if name not in names}})


def _jumps(run: Run, rng: Generator, number: int, spent: Callable[[float], Callable[[], bool]]) -> None:
    """Measure jumps from the best candidate, and tune the closest of them."""
    best = run.board.best[0]
    jumps = [*_sections(run, best, number), *_switched(run, best, rng)]
    chosen = [jumps[k] for k in rng.permutation(len(jumps))[: run.afford(_JUMPS)]]
    measured = sorted(run.measure(chosen), key=lambda one: one.loss)
    for jump in different(measured, _TUNED):
        brought = {name for name in best.patch.diff(jump.patch) if jump.patch.sounds(name)}
        groups = {jump.patch.table.parameter(name).group for name in brought}
        table, free = jump.patch.table, run.options.constraints.free(jump.patch.table)
        names = [name for name in free if table.parameter(name).group in groups]
        LineSearch(run, jump, rng, names).run_until(spent(_TUNING_SHARE))


def _sections(run: Run, best: Candidate, number: int) -> list[Candidate]:
    """The best candidate with one section of the panel taken from other candidates, or from draws of the prior."""
    instrument, constraints = run.options.instrument, run.options.constraints
    others = different(run.board.best, _PRIOR_DRAWS)[1:]
    if instrument.prior is not None:
        for k in range(_PRIOR_DRAWS):
            patch, _ = instrument.prior.draw(_JUMP_SEED, number * _PRIOR_DRAWS + k, 0)
            others.append(Candidate(constraints.apply(patch), best.note))
    return [replace(one, origin="search") for one in crossovers(instrument, best, others, constraints)]


def _switched(run: Run, best: Candidate, rng: Generator) -> list[Candidate]:
    """Neighbours of the best candidate that differ in a knob that decides whether others are audible."""
    rows = run.options.instrument.table.parameters
    needed = {condition.name for row in rows for clause in row.needs for condition in clause}
    found = neighbours(run.options.instrument, best, run.options.constraints, rng, gate=False)
    switched = [one for one in found if not needed.isdisjoint(best.patch.diff(one.patch))]
    return [replace(one, origin="search") for one in switched]
