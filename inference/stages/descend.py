"""Stage 2: rounds of gradient descent through a differentiable proxy, until the stage's share is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from inference.candidate import Candidate
from inference.judge import different
from inference.ports import Descender, DescentJob
from inference.run import LATEST, Run
from inference.stages.explore import explore, in_turn, reduced, screened
from inference.stages.lines import polish

_WIDE_SECONDS = 15.0  # with less time left, only a third of the batch can descend far enough
_CROSSED = 6  # number of good candidates for crossovers with the answer
_REDUCED = 3  # number of good candidates that are reduced to a plain voice at first
_CONTINUED = 2  # number of the closest candidates that descend again in the next round, and half as many sparse ones
_EXPLORE_UNTIL = 0.6  # of the stage's share: a new structure needs several rounds to come close
_PROMISING = 1.2  # loss of a sparse candidate, relative to the answer's, up to which it is continued after that
_STRUCTURAL = 1 / 3  # largest share of a round for changes of the structure
_CHANGES = 120  # neighbours and crossovers that are evaluated on the proxy in a round
_CLOSING, _CLOSING_SHARE = 8, 0.1  # candidates that descend on the judging measure, and their share of the stage
_CONFIRMED = 4  # of their ends
_AUDIBLE_CHANGE = 0.02  # relative change of the loss below which a change of the answer is not a new start


def descend(run: Run, descender: Descender) -> None:
    """Descend in rounds.

    The first round starts from the best candidates that differ, and from some of them reduced to a plain voice. Each
    later round continues from the closest ones, and also starts from audible changes of the answer, and of the closest
    sparse candidate: neighbours, which are one choice away, crossovers, which take a section of the panel from another
    good candidate, and changes of the structure (``inference.stages.explore``). These are farther from the clip at
    first, but a descent from them may end closer.

    At the end the closest ones descend on a loss that includes the judging measure, MSS at equal loudness, beside the
    distance.

    Of a budget in seconds, a step begins only if it and the measurement of the results are expected to end in time.
    """
    end, pace = run.descend_until(), _Pace(run)
    _rounds(run, descender, (1.0 - _CLOSING_SHARE) * end, pace)
    _close(run, descender, end, pace)


class _Pace:
    """Counts the steps of descents, and expects the next one to be as slow as the slowest of the latest ones.

    Args:
        run: the run, with its budget.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._began, self._n_candidates = 0.0, 0
        self._seconds = deque([0.0], LATEST)  # per candidate

    def begin(self, n_candidates: int) -> None:
        """A descent of some candidates begins."""
        self._began, self._n_candidates = self._run.budget.elapsed(), n_candidates

    def on_step(self, n_candidates: int) -> None:
        """A step of some candidates has ended."""
        budget = self._run.budget
        budget.n_steps += n_candidates
        now = budget.elapsed()
        self._seconds.append((now - self._began) / self._n_candidates)
        self._began, self._n_candidates = now, n_candidates
        self._run.board.announce()

    def step_share(self, n_candidates: int | None = None) -> float:
        """Share of the budget that a step is expected to take, with as many candidates as the last one by default."""
        count = self._n_candidates if n_candidates is None else n_candidates
        return self._run.budget.share(count * max(self._seconds))


def _close(run: Run, descender: Descender, until: float, pace: _Pace) -> None:
    """Descend from the closest candidates on a loss that includes the judging measure."""
    budget, begin = run.budget, run.budget.used()
    starts = different(run.board.best, _CLOSING)
    until -= run.measuring_share(_CONFIRMED) + budget.share(run.judging_seconds)
    if begin + pace.step_share(len(starts)) >= until or budget.steps_used() >= 1.0 or not starts:
        return

    def used() -> float:
        return max((budget.used() + pace.step_share() - begin) / (until - begin), budget.steps_used())

    pace.begin(len(starts))
    job = DescentJob(starts, run.targets, run.options.constraints, 0, used, judged=True, on_step=pace.on_step)
    descent = descender.descend(job)
    run.notices += descent.notices
    ends = run.measure(descent.candidates[: run.afford(_CONFIRMED, until)])
    run.judge.confirm(ends, run.evaluator)


def _rounds(run: Run, descender: Descender, until: float, pace: _Pace) -> None:
    """The rounds of ``descend``, until a share of the budget is used."""
    constraints, budget, board, size = run.options.constraints, run.budget, run.board, descender.batch_size

    def used(ahead: float = 0.0) -> float:
        return max((budget.used() + ahead) / until, budget.steps_used() / (1.0 - _CLOSING_SHARE))

    def used_after_step() -> float:
        return used(pace.step_share() + run.measuring_share(size))

    rng = np.random.default_rng(run.options.draws)
    if budget.seconds is not None and (until - budget.used()) * budget.seconds < _WIDE_SECONDS:
        size = -(-size // 3)
    untried, tried, explored = list(board.best), set[Candidate](), set[Candidate]()
    changed = reduced(run, descender, different(board.best, _REDUCED), until)
    sparse: list[Candidate] = []
    continued: list[Candidate] = []
    while True:
        first = [*continued, *in_turn([c for c in changed if c not in tried])[: round(_STRUCTURAL * size)]]
        untried = sorted((c for c in untried if c not in tried and c not in first), key=lambda c: c.loss)
        starts = [*continued, *different([*first[len(continued) :], *untried], size - len(continued))]
        if not starts or used(pace.step_share(len(starts))) >= 1.0:
            return
        untried += [c for c in changed if c not in first]
        tried.update(starts)
        pace.begin(len(starts))
        descent = descender.descend(
            DescentJob(starts, run.targets, constraints, len(continued), used_after_step, on_step=pace.on_step)
        )
        run.notices += descent.notices
        ends = run.measure_until(descent.candidates[: run.afford(min(len(descent.candidates), size), until)], until)
        if used() >= 1.0:
            return
        if used() >= _EXPLORE_UNTIL and sparse and sparse[0].loss > _PROMISING * board.best[0].loss:
            sparse = []
        sparse = sorted([*sparse, *(c for c in ends if c.sparse)], key=lambda c: c.loss)
        polished = [polish(run, one, rng, until=until) for one in dict.fromkeys([board.best[0], *sparse[:1]])]
        if used() >= 1.0:
            return
        sparse = sorted([*sparse, *(c for c in polished if c.sparse)], key=lambda c: c.loss)
        changed = []
        bases = [c for c in dict.fromkeys([*sparse[:1], board.best[0]]) if c not in explored]
        if bases:
            base = bases[0]
            explored.add(base)
            others = [*sparse[:1], *different(board.best, _CROSSED + 1)[1:]]
            changes = descender.changes(base, others, constraints, rng, gate=run.moves_gate())
            rng.shuffle(changes)
            (measured,) = descender.screen([base], run.targets) or [base]
            untried += _audible(measured, screened(run, descender, changes[:_CHANGES], until))
            if used() < _EXPLORE_UNTIL:
                changed = _audible(measured, explore(run, descender, base, rng, until=until))
        closest = [*different(board.best, _CONTINUED), *different(sparse, _CONTINUED // 2)]
        continued = [c for c in dict.fromkeys(closest) if c not in tried]


def _audible(base: Candidate, changed: Sequence[Candidate]) -> list[Candidate]:
    """The candidates whose change is audible."""
    return [c for c in changed if abs(c.loss - base.loss) > _AUDIBLE_CHANGE * base.loss]
