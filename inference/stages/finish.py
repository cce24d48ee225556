"""The last part of stage 3: minimises the judging measure on the host.

Most of a descent minimises a distance that is cheap and has a smooth gradient (``docs/distance.md``). Its minimum is
close to that of MSS at equal loudness, by which the answer is judged, and small steps lead from one to the other: line
searches of every knob, choice and the gate first, then CMA-ES over the knobs that gained most.

If the renders of one patch differ on a host, this measure is noisy as well. Gains below the noise do not count, so the
search stops early there.
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
    """Search for a better candidate close to the answer.

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
            run.judge.confirm(run.measure([best]), run.evaluator)  # measured, so that its loss is the distance
