"""Stage 2: rounds of gradient descent through a differentiable proxy, until the stage's share is used."""

from __future__ import annotations

import numpy as np

from inference.candidate import Candidate
from inference.judge import different
from inference.ports import Descender, DescentJob
from inference.run import Run

_WIDE_SECONDS = 15.0  # with less time left, only a third of the batch can descend far enough
_CROSSED = 6  # number of good candidates for crossovers with the answer
_GOING_ON = 2  # number of the closest candidates that descend again in the next round
_HEARD_CHANGE = 0.02  # relative change of the loss below which a change of the answer is not a new start


def descend(run: Run, descender: Descender) -> None:
    """Descend in rounds.

    The first round starts from the best candidates that differ. Each later round continues from the closest ones, and
    also starts from audible changes of the answer: its neighbours, which are one choice away, and its crossovers, which
    take a section of the panel from another good candidate. These are farther from the clip at first, but a descent
    from them may end closer.
    """
    constraints, budget, board, size = run.options.constraints, run.budget, run.board, descender.batch_size
    until = run.descend_until()

    def used() -> float:
        return max(budget.used() / until, budget.steps_used())

    def on_step(n_candidates: int) -> None:
        budget.n_steps += n_candidates
        board.announce()

    rng = np.random.default_rng(run.options.draws)
    untried, tried, explored = list(board.best), set[Candidate](), set[Candidate]()
    going_on: list[Candidate] = []
    if budget.seconds is not None and (until - budget.used()) * budget.seconds < _WIDE_SECONDS:
        size = -(-size // 3)
    starts = different(untried, size)
    while starts:
        tried.update(starts)
        descent = descender.descend(DescentJob(starts, run.targets, constraints, len(going_on), used, on_step))
        run.notices += descent.notices
        run.measure(descent.candidates[: run.afford(len(descent.candidates), until)])
        if used() >= 1.0:
            return
        best = board.best[0]
        if best not in explored:
            explored.add(best)
            others = different(board.best, _CROSSED + 1)[1:]
            changes = descender.changes(best, others, constraints, rng, gate=run.moves_gate())
            rng.shuffle(changes)
            measured = run.measure(changes[: run.afford(len(changes), until)])
            untried += [c for c in measured if abs(c.loss - best.loss) > _HEARD_CHANGE * best.loss]
            if used() >= 1.0:
                return
        going_on = [c for c in different(board.best, _GOING_ON) if c not in tried]
        untried = sorted((c for c in untried if c not in tried and c not in going_on), key=lambda c: c.loss)
        starts = [*going_on, *different(untried, size - len(going_on))]
