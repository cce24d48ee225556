"""The last part of stage 3: what judges the answer, minimised on the host.

Most of a descent minimises a distance that is cheap and has a smooth gradient (``docs/distance.md``). Its minimum lies
beside that of MSS at equal loudness, which judges the answer, and a few renders of small steps go from one to the
other: line searches of every knob, choice and the key press first, then CMA-ES over the knobs that gained most.

A host whose renders of one patch differ is noisy in this measure as well. What is less than that noise counts for
nothing, so the steps stop early there.
"""

from __future__ import annotations

import numpy as np

from inference.evaluate import Judging
from inference.run import Run
from inference.stages.lines import LineSearch

_STEP = 0.03  # first step of the line searches, in knob units
_LINES_SHARE = 0.7  # of the time or the renders
_CMA_KNOBS = 12
_LEAST_GAIN = 1e-4  # relative
_GOOD_ENOUGH_DB = 0.01
_SEED = 11


def finish(run: Run, until: float) -> None:
    """Go from the answer so far to a better one close by.

    Args:
        run: the run, with its judge and its workers.
        until: share of the budget at which it ends.
    """
    answer, budget = run.judge.best, run.budget
    if answer is None or answer.mss <= max(_GOOD_ENOUGH_DB, run.judge.rerender_mss) or budget.used() >= until:
        return
    by, rng = Judging(run.evaluator), np.random.default_rng(run.options.draws + _SEED)
    start = by.take(answer.candidate, by.submit(answer.candidate))
    if start is None:
        return
    least_gain = max(_LEAST_GAIN, run.judge.rerender_mss / start.loss)
    lines = LineSearch(run, start, rng, step=_STEP, by=by, least_gain=least_gain, good_enough=_GOOD_ENOUGH_DB)
    best, begin = start, budget.used()
    try:
        lines.run_until(lambda: budget.used() >= begin + _LINES_SHARE * (until - begin))
        active = lines.active(_CMA_KNOBS)
        if active and budget.used() < until:
            from inference.stages.search import search_near

            constraints, seed = run.options.constraints, run.options.draws
            best = search_near(by, lines.best, active, constraints, lambda: budget.used() >= until, seed)
    finally:
        best = min(best, lines.best, key=lambda one: one.loss)
        if best.loss < start.loss:
            run.judge.confirm([best], run.evaluator)
