"""The last part of stage 3: minimises the judging measure on the host.

Most of a descent minimises a distance that is cheap and has a smooth gradient (``docs/distance.md``). Its minimum is
close to that of MSS at equal loudness, by which the answer is judged, and small steps lead from one to the other: line
searches of every knob, choice and the gate, and, between them, CMA-ES over the few knobs to which the match is most
sensitive. Those are often coupled: rate, amount and phase of an LFO on a pitch, say, are only right together.

If the renders of one patch differ on a host, this measure is noisy as well. Gains below the noise do not count, so the
search stops early there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from inference.evaluate import Judging
from inference.lines.line_search import LineSearch
from inference.run import Run
from render.background import begin_loading

_STEP = 0.03  # first step of the line searches, in knob units
_ALTERNATING = ((0.4, 0.65), (0.8, 1.0))  # shares of the budget at which line searches, then CMA-ES, end
_LINES_ONLY = ((1.0, 1.0),)
_CMA_KNOBS = 5
_CMA_SECONDS = 3.0  # of a shorter search, nevergrad would take too much: loading it takes one second
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
    lines = LineSearch(
        run, start, rng, step=_STEP, precise=True, by=by, least_gain=least_gain, good_enough=_GOOD_ENOUGH_DB
    )
    begin, constraints, seed = budget.used(), run.options.constraints, run.options.draws
    alternates = budget.seconds is None or (until - begin) * budget.seconds >= _CMA_SECONDS
    if alternates:
        begin_loading("nevergrad")

    def passed(share: float) -> Callable[[], bool]:
        return lambda: budget.used() >= begin + share * (until - begin) or lines.best.loss <= _GOOD_ENOUGH_DB

    try:
        for lines_until, cma_until in _ALTERNATING if alternates else _LINES_ONLY:
            lines.run_until(passed(lines_until))
            scales = lines.scales(_CMA_KNOBS)
            if alternates and scales and not passed(cma_until)():
                from inference.stages.search import search_near

                lines.continue_from(search_near(by, lines.best, scales, constraints, passed(cma_until), seed))
    finally:
        if lines.best.loss < start.loss:
            # Measured, so that its loss is the distance.
            run.judge.confirm(run.measure([lines.best]), run.evaluator)
