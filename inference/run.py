"""A run: what its stages share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from inference.budget import Budget
from inference.candidate import Candidate
from inference.clip.hints import hear_hints
from inference.clip.target import Target
from inference.evaluate import Evaluator
from inference.judge import Judge
from inference.leaderboard import Leaderboard
from inference.options import Options
from inference.ports import Models
from render.instruments.hints import Hints

GOOD_ENOUGH_LOSS = 0.004  # search distance: some 0.05 dB of MSS, which is inaudible

_FINISH_FACTOR = 1.5  # time for judging the last stage, relative to that of the last judgement
_LONGEST_FINISH = 0.3  # share of the budget
_FEWEST_RENDERS = 2
_FEWEST_SECONDS = {"guess": 0.3, "descend": 2.0, "search": 0.3}  # a stage needs at least this much
_SEARCH_SECONDS, _SEARCH_RENDERS = 2.5, 40  # what descend leaves for search in a small budget
_MOST_FOR_SEARCH = 0.25  # share of the budget


@dataclass
class Run:
    """What the stages of one run share.

    Attributes:
        targets: one clip, or several that one patch must match.
        options: what the user chose.
        models: the network and the proxy.
        evaluator: measures candidates, with the leaderboard and the budget.
        judge: holds the answer so far.
        judging_seconds: time that the last judgement took.
        notices: what the user should know.
    """

    targets: tuple[Target, ...]
    options: Options
    models: Models
    evaluator: Evaluator
    judge: Judge
    judging_seconds: float = 0.0
    notices: list[str] = field(default_factory=list)

    @property
    def target(self) -> Target:
        """The clip, or the first of several."""
        return self.targets[0]

    @cached_property
    def hints(self) -> Hints:
        """What was heard in the clip, or in the first of several."""
        return hear_hints(self.target.audio, self.target.note.gate_seconds)

    @property
    def board(self) -> Leaderboard:
        """The best candidates so far."""
        return self.evaluator.board

    @property
    def budget(self) -> Budget:
        """The budget, with what was spent."""
        return self.evaluator.budget

    def measure(self, found: Sequence[Candidate]) -> list[Candidate]:
        """Render candidates; returns those whose render succeeded, with their losses."""
        return self.evaluator.measure(found)

    def afford(self, wanted: int, until: float = 1.0) -> int:
        """The number of renders that is wanted, limited to a fifth of a budget in renders and to a stage's share of it.

        Args:
            wanted: number of renders.
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
        """Share of the budget at which descend ends."""
        if "search" not in self.options.stages:
            return self.before_judging()
        seconds, renders = self.budget.seconds, self.budget.renders
        left = _SEARCH_SECONDS / seconds if seconds is not None else _SEARCH_RENDERS / (renders or 1)
        return min(self.options.descend_until, 1.0 - min(left, _MOST_FOR_SEARCH))

    def before_judging(self) -> float:
        """Share of the budget after which the rest is reserved for judging the last stage."""
        if self.budget.seconds is None:
            return 1.0
        return 1.0 - min(_FINISH_FACTOR * self.judging_seconds / self.budget.seconds, _LONGEST_FINISH)
