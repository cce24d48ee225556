"""Stage 2: rounds of gradient descent through a differentiable proxy, until the stage's share is used."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from inference.candidate import Candidate
from inference.judge import different
from inference.lines.line_search import polish
from inference.ports import Descender, DescentJob
from inference.run import LATEST, Run
from inference.stages.explore import audible, explore, in_turn, pruned, read_off, reduced, screened

_WIDE_SECONDS = 15.0  # with less time left, only a third of the batch can descend far enough
_READING_SECONDS = 10.0  # with less time left, descents bring more than pitches and modulations read off the clip
_CROSSED = 6  # number of good candidates for crossovers with the answer
_REDUCED = 3  # number of good candidates that are reduced to a plain voice at first
_FEWEST_LEFT = 0.5  # of a batch, for a round of their own
_ALTERNATIVES = 4  # number of good candidates whose changes are looked for, one after the other
_CONTINUED = 2  # number of the closest candidates that descend again in the next round, and half as many sparse ones
_EXPLORE_UNTIL = 0.6  # of the stage's share: a new structure needs several rounds to come close
_PROMISING = 1.2  # loss, relative to the answer's, up to which an alternative, or later a sparse candidate, goes on
_STRUCTURAL = 1 / 3  # largest share of a round for changes of the structure
_DEEPLY, _CLOSER = 3, 0.85
"""Number of candidates for whose changes the clip is compared with renders of their parts and variants, and loss of a
later one, relative to the closest of them, from which it is compared too."""
_CHANGES = 120  # neighbours and crossovers that are evaluated on the proxy in a round
_CLOSING, _CLOSING_SHARE = 8, 0.1  # candidates that descend on the judging measure, and their share of the stage
_CONFIRMED = 4  # of their ends


def descend(run: Run, descender: Descender) -> None:
    """Descend in rounds.

    The first round starts from the best candidates that differ, from some of them reduced to a plain voice, and, if
    there is time, from plain voices with the clip's pitches and from the best candidate with modulations that are read
    off the clip. The later ones of odd number continue from the closest ones, and also start from audible changes of
    the answer, of the closest sparse candidate or, when those are known, of another good one: neighbours, which are one
    choice away, crossovers, which take a section of the panel from another good candidate, and changes of the structure
    (``inference.stages.explore``). These are farther from the clip at first, but a descent from them may end closer.

    All of these lead to answers that resemble the first one. Rounds of even number therefore start from what the
    library and the network proposed and no descent has started from, until 60 % of the stage is used: several sections
    of a patch must be right at once for it to come closer (``docs/blame.md``).

    At the end the closest ones descend on a loss that includes the judging measure, MSS at equal loudness, beside the
    distance.

    Of a budget in seconds, a step begins only if it and the measurement of the results are expected to end in time.
    """
    end, pace = run.descend_until(), _Pace(run)
    _Rounds(run, descender, (1.0 - _CLOSING_SHARE) * end, pace).descend()
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


class _Rounds:
    """The rounds of ``descend``, until a share of the budget is used.

    Args:
        run: the run, with its clip and budget.
        descender: the proxy.
        until: share of the budget.
        pace: counts the steps.
    """

    def __init__(self, run: Run, descender: Descender, until: float, pace: _Pace) -> None:
        self._run, self._descender, self._until, self._pace = run, descender, until, pace
        self._rng = np.random.default_rng(run.options.draws)
        self._size = descender.batch_size
        budget = run.budget
        left_seconds = math.inf if budget.seconds is None else (until - budget.used()) * budget.seconds
        self._wide = left_seconds >= _WIDE_SECONDS
        if not self._wide:
            self._size = -(-self._size // 3)
        self._tried, self._explored = set[Candidate](), set[Candidate]()
        self._compared = math.inf  # loss of the closest candidate that was compared deeply
        self._continued: list[Candidate] = []
        self._sparse: list[Candidate] = []
        self._untried = list(run.board.best)
        reads = left_seconds >= _READING_SECONDS
        self._changed = reduced(run, descender, different(run.board.best, _REDUCED), until, from_clip=reads)
        if reads:
            for closest in run.board.best[:1]:
                self._changed += read_off(run, descender, closest, until)

    def descend(self) -> None:
        """Improve the closest candidates; every second round starts from proposals that are left instead.

        The latter rounds end when few proposals are left, or when too little time would be left to improve their ends.
        """
        for number in itertools.count(1):
            exploring = self._wide and number % 2 == 0 and self._used() < _EXPLORE_UNTIL
            left = self._left() if exploring else []
            again = self._improve() if len(left) < _FEWEST_LEFT * self._size else self._descend(left) is not None
            if not again:
                return
            closest = [*different(self._run.board.best, _CONTINUED), *different(self._sparse, _CONTINUED // 2)]
            self._continued = [c for c in dict.fromkeys(closest) if c not in self._tried]

    def _left(self) -> list[Candidate]:
        """The closest of the library's and the network's patches from which no descent has started."""
        left = [one for one in self._run.starts if one not in self._tried]
        return different(sorted(left, key=lambda one: one.loss), self._size)

    def _improve(self) -> bool:
        """A round from the closest candidates and from changes of them; returns whether another may follow."""
        run, board, used, sparse = self._run, self._run.board, self._used, self._sparse
        structural = in_turn([c for c in self._changed if c not in self._tried])[: round(_STRUCTURAL * self._size)]
        first = [*self._continued, *structural]
        untried = sorted((c for c in self._untried if c not in self._tried and c not in first), key=lambda c: c.loss)
        others = different([*structural, *untried], self._size - len(self._continued))
        self._untried = untried + [c for c in self._changed if c not in first]
        ends = self._descend([*self._continued, *others], len(self._continued))
        if ends is None:
            return False
        if used() >= _EXPLORE_UNTIL and sparse and sparse[0].loss > _PROMISING * board.best[0].loss:
            sparse = []
        sparse = sorted([*sparse, *(c for c in ends if c.sparse)], key=lambda c: c.loss)
        to_polish = dict.fromkeys([board.best[0], *sparse[:1]])
        polished = [
            polish(run, one, self._rng, until=self._until, also=self._descender.steep_knobs(one.patch))
            for one in to_polish
        ]
        if used() >= 1.0:
            return False
        self._sparse = sorted([*sparse, *(c for c in polished if c.sparse)], key=lambda c: c.loss)
        self._change()
        return True

    def _change(self) -> None:
        """Look for audible changes of the first good candidate whose changes have not been looked for."""
        run, descender, best = self._run, self._descender, self._run.board.best
        good = [c for c in different(best, _ALTERNATIVES) if c.loss <= _PROMISING * best[0].loss]
        bases = [c for c in dict.fromkeys([*self._sparse[:1], best[0], *good]) if c not in self._explored]
        self._changed = []
        if not bases:
            return
        base = bases[0]
        self._explored.add(base)
        others = [*self._sparse[:1], *different(best, _CROSSED + 1)[1:]]
        changes = descender.changes(base, others, run.options.constraints, self._rng, gate=run.moves_gate())
        self._rng.shuffle(changes)
        (measured,) = descender.screen([base], run.targets) or [base]
        self._untried += _audible(measured, screened(run, descender, changes[:_CHANGES], self._until))
        if self._used() < _EXPLORE_UNTIL:
            simpler = base if base.sparse else pruned(run, descender, base, self._until)
            deeply = self._wide and (len(self._explored) <= _DEEPLY or base.loss < _CLOSER * self._compared)
            if deeply:
                self._compared = min(self._compared, base.loss)
            likely, found = explore(run, descender, simpler, self._rng, until=self._until, deeply=deeply)
            self._changed = [*likely, *_audible(measured, found)]

    def _descend(self, starts: list[Candidate], n_continued: int = 0) -> list[Candidate] | None:
        """The measured ends of descents from some starts; None if there are none, or once the share is used."""
        run, size = self._run, self._size
        if not starts or self._used(self._pace.step_share(len(starts))) >= 1.0:
            return None
        self._tried.update(starts)
        self._pace.begin(len(starts))

        def used_after_step() -> float:
            return self._used(self._pace.step_share() + run.measuring_share(size))

        job = DescentJob(
            starts, run.targets, run.options.constraints, n_continued, used_after_step, on_step=self._pace.on_step
        )
        descent = self._descender.descend(job)
        run.notices += descent.notices
        count = run.afford(min(len(descent.candidates), size), self._until)
        ends = run.measure_until(descent.candidates[:count], self._until)
        return ends if self._used() < 1.0 else None

    def _used(self, ahead: float = 0.0) -> float:
        """Used fraction of the share, or of the descent steps; ``ahead`` is a share of the budget that is coming."""
        budget = self._run.budget
        return max((budget.used() + ahead) / self._until, budget.steps_used() / (1.0 - _CLOSING_SHARE))


def _audible(base: Candidate, changed: Sequence[Candidate]) -> list[Candidate]:
    """The candidates whose change is audible."""
    return [c for c in changed if audible(base, c)]
