"""The state that the stages of a run share."""

from __future__ import annotations

from collections import deque
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
LATEST = 3
"""Number of the latest steps or measurements, the slowest of which predicts the next one: a machine's load changes."""
GOOD_ENOUGH_LOSS = 0.004  # search distance: some 0.05 dB of MSS, which is inaudible

_FINISH_FACTOR = 1.5  # time for judging the last stage, relative to that of the last judgement
_LONGEST_FINISH = 0.3  # share of the budget, for judging and writing
_ONCE_SECONDS = 10.0  # what takes longer is rendered or compiled, not read
_FEWEST_RENDERS = 2
_FEWEST_SECONDS = {"guess": 0.3, "descend": 2.0, "search": 0.3}  # a stage needs at least this much
_SEARCH_SECONDS, _SEARCH_RENDERS = 2.5, 150  # what descend leaves for search in a small budget
_SEARCH_JUDGEMENTS = 25  # of the duration of one judgement, each of some eight renders: what search gains most with
_MOST_FOR_SEARCH, _LEAST_FOR_SEARCH = 0.25, 0.05  # shares of the budget
_PARTS = 2  # renders for each slot of the workers between two looks at the clock
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
        render_seconds: duration of a render in each of the latest measurements, by all workers together.
        prepared_seconds: time that the budget does not count.
        notices: notices for the user.
        starts: measured candidates of the start and of guess.
        tidied: effect of tidying; None before it.
    """

    targets: tuple[Target, ...]
    options: Options
    models: Models
    evaluator: Evaluator
    judge: Judge
    finishing: Callable[[], float] = lambda: 0.0
    judging_seconds: float = 0.0
    render_seconds: deque[float] = field(default_factory=lambda: deque([0.0], LATEST))
    prepared_seconds: float = 0.0
    notices: list[str] = field(default_factory=list)
    starts: list[Candidate] = field(default_factory=list)
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
        began = self.budget.elapsed()
        measured = self.evaluator.measure(found, meanwhile)
        if found and meanwhile is None:
            self.render_seconds.append((self.budget.elapsed() - began) / len(found))
        return measured

    def measure_until(self, found: Sequence[Candidate], until: float) -> list[Candidate]:
        """Render the first of some candidates, as many as a share of a budget in seconds is expected to allow."""
        if self.budget.seconds is None:
            return self.measure(found)
        measured: list[Candidate] = []
        size = _PARTS * self.evaluator.slots
        for first in range(0, len(found), size):
            part = found[first : first + size]
            if self.budget.used() + self.measuring_share(len(part)) >= until:
                break
            measured += self.measure(part)
        return measured

    def measuring_share(self, count: int) -> float:
        """Share of a budget in seconds that it takes to measure some candidates, as slowly as it took lately."""
        return self.budget.share(count * max(self.render_seconds))

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
        end = self.descend_until() if stage == "descend" else 1.0
        return end * budget.seconds - budget.elapsed() < _FEWEST_SECONDS[stage]

    def descend_until(self) -> float:
        """Share of the budget at which descend ends, which leaves the search a minimum number of renders.

        Of a budget in seconds, at least a twentieth lies between the judgement of the descent and the time that is
        reserved after the search.
        """
        if "search" not in self.options.stages:
            return self.before_judging()
        seconds, renders = self.budget.seconds, self.budget.renders
        if seconds is None:
            left = _SEARCH_RENDERS / (renders or 1)
            return min(self.options.descend_until, 1.0 - min(left, _MOST_FOR_SEARCH))
        wanted = max(_SEARCH_SECONDS, _SEARCH_JUDGEMENTS * self.judging_seconds)
        latest = self.before_judging() - _LEAST_FOR_SEARCH - self.budget.share(self.judging_seconds)
        return min(self.options.descend_until, 1.0 - min(wanted / seconds, _MOST_FOR_SEARCH), latest)

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
