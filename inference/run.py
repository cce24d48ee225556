"""The state that the stages of a run share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from inference.budget import Budget
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.evaluate import Evaluator
from inference.judge import Judge
from inference.leaderboard import Leaderboard
from inference.match import Tidied
from inference.options import Options
from inference.ports import Models
from render.instruments.hints import Hints

TIDY_SHARE = 0.05
"""Share of the budget that tidying may take; of a long one three seconds."""
GOOD_ENOUGH_LOSS = 0.004  # search distance: some 0.05 dB of MSS, which is inaudible

_FINISH_FACTOR = 1.5  # time for judging the last stage, relative to that of the last judgement
_LONGEST_FINISH = 0.3  # share of the budget, for judging and writing
_ONCE_SECONDS = 10.0  # what takes longer is rendered or compiled, not read
_FEWEST_RENDERS = 2
_FEWEST_SECONDS = {"guess": 0.3, "descend": 2.0, "search": 0.3}  # a stage needs at least this much
_SEARCH_SECONDS, _SEARCH_RENDERS = 2.5, 150  # what descend leaves for search in a small budget
_SEARCH_JUDGEMENTS = 25  # of the duration of one judgement, each of some eight renders: what search gains most with
_MOST_FOR_SEARCH = 0.25  # share of the budget
_TIDY_SECONDS, _TIDY_RENDERS = 3.0, 4  # that tidying takes at most, and at least


T = TypeVar("T")


@dataclass
class Run:
    """The state that the stages of one run share.

    Attributes:
        targets: one clip, or several that one patch must match.
        options: options of the run.
        models: the network and the proxy.
        evaluator: measures candidates, with the leaderboard and the budget.
        judge: holds the answer so far.
        finishing: returns an estimate of the seconds that are needed after the last stage.
        judging_seconds: duration of the last judgement.
        prepared_seconds: time that the budget does not count.
        notices: notices for the user.
        tidied: effect of tidying; None before it.
    """

    targets: tuple[Target, ...]
    options: Options
    models: Models
    evaluator: Evaluator
    judge: Judge
    finishing: Callable[[], float] = lambda: 0.0
    judging_seconds: float = 0.0
    prepared_seconds: float = 0.0
    notices: list[str] = field(default_factory=list)
    tidied: Tidied | None = None

    @property
    def target(self) -> Target:
        """The clip, or the first of several."""
        return self.targets[0]

    @cached_property
    def hints(self) -> Hints:
        """Values estimated from the clip, or from the first of several."""
        from inference.clip.hints import estimate_hints

        return estimate_hints(self.target.audio, self.target.note.gate_seconds)

    @property
    def board(self) -> Leaderboard:
        """The best candidates so far."""
        return self.evaluator.board

    @property
    def budget(self) -> Budget:
        """The budget of the run."""
        return self.evaluator.budget

    def measure(self, found: Sequence[Candidate], meanwhile: Callable[[], None] | None = None) -> list[Candidate]:
        """Render candidates; returns those whose render succeeded, with their losses. See ``Evaluator.measure``."""
        return self.evaluator.measure(found, meanwhile)

    def once(self, work: Callable[[], T], *, longer_than: float = _ONCE_SECONDS) -> T:
        """Do work that takes long only the first time on a machine, when the budget does not count it.

        Args:
            work: rendering or compiling.
            longer_than: duration in seconds above which it counts as the first time.
        """
        began = self.budget.elapsed()
        result = work()
        took = self.budget.elapsed() - began
        if took > longer_than:
            self.prepared_seconds += took
            self.budget.restart(began)
        return result

    def afford(self, wanted: int, until: float = 1.0) -> int:
        """A number of renders, limited to a fifth of a budget in renders and to a stage's share of it.

        Args:
            wanted: requested number of renders.
            until: share of the budget at which the stage ends.
        """
        if self.budget.renders is None:
            return wanted
        left = int(until * self.budget.renders) - self.budget.n_renders
        return min(wanted, max(1, min(self.budget.renders // 5, left)))

    def moves_gate(self) -> bool:
        """Whether the length of the key press may be changed."""
        return not self.target.gate_fixed and len(self.targets) == 1

    def reached(self) -> bool:
        """Whether the answer is as close as two renders of one patch are to each other."""
        loss = self.board.best[0].loss if self.board.best else 1.0
        best = self.judge.best
        return loss <= GOOD_ENOUGH_LOSS or (best is not None and best.mss <= self.judge.rerender_mss)

    def too_little_for(self, stage: str) -> bool:
        """Whether the rest of the budget is too little for a stage."""
        budget = self.budget
        if budget.renders is not None:
            return budget.renders - budget.n_renders < _FEWEST_RENDERS
        assert budget.seconds is not None
        return budget.seconds - budget.elapsed() < _FEWEST_SECONDS[stage]

    def descend_until(self) -> float:
        """Share of the budget at which descend ends, which leaves the search a minimum number of renders."""
        if "search" not in self.options.stages:
            return self.before_judging()
        seconds, renders = self.budget.seconds, self.budget.renders
        wanted = max(_SEARCH_SECONDS, _SEARCH_JUDGEMENTS * self.judging_seconds)
        left = wanted / seconds if seconds is not None else _SEARCH_RENDERS / (renders or 1)
        return min(self.options.descend_until, 1.0 - min(left, _MOST_FOR_SEARCH))

    def before_judging(self) -> float:
        """Share of the budget after which the rest is reserved for judging, tidying and writing."""
        end = 1.0 - self._tidy_share()
        if self.budget.seconds is None:
            return end
        seconds = _FINISH_FACTOR * self.judging_seconds + self.finishing()
        return end - min(seconds / self.budget.seconds, _LONGEST_FINISH)

    def tidying(self) -> Callable[[], float]:
        """Returns a function for the used share of tidying's budget, counted from now on."""
        budget = self.budget
        if budget.renders is not None:
            n_before, most_renders = budget.n_renders, max(self._tidy_share() * budget.renders, _TIDY_RENDERS)
            return lambda: (budget.n_renders - n_before) / most_renders
        assert budget.seconds is not None
        began, most_seconds = budget.elapsed(), self._tidy_share() * budget.seconds
        return lambda: (budget.elapsed() - began) / most_seconds

    def _tidy_share(self) -> float:
        """Share of the budget that tidying may take."""
        if not self.options.tidy:
            return 0.0
        seconds = self.budget.seconds
        return TIDY_SHARE if seconds is None else min(TIDY_SHARE, _TIDY_SECONDS / seconds)
