"""The best candidates so far and the progress curve: everything that one stage passes to the next."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field

from inference.budget import Budget
from inference.candidate import Candidate


@dataclass(frozen=True, slots=True)
class Improvement:
    """A point of the progress curve: loss of the best candidate after some seconds, renders and descent steps."""

    stage: str
    seconds: float
    renders: int
    steps: int
    loss: float


@dataclass
class Leaderboard:
    """Keeps the best candidates and the progress curve.

    ``Evaluator`` offers every candidate that it measures; nothing else does.

    Args:
        budget: budget of the run, for the progress curve.
        size: number of candidates that are kept.
        on_progress: called after every candidate and descent step, for a progress line.

    Attributes:
        stage: name of the current stage.
        best: the best candidates, closest first.
        history: the progress curve.
    """

    budget: Budget
    size: int = 64
    on_progress: Callable[[Leaderboard], None] | None = None
    stage: str = ""
    best: list[Candidate] = field(default_factory=list)
    history: list[Improvement] = field(default_factory=list)

    def offer(self, candidate: Candidate) -> None:
        """Add a measured candidate."""
        if not self.best or candidate.loss < self.best[0].loss:
            budget = self.budget
            self.history.append(
                Improvement(self.stage, budget.elapsed(), budget.n_renders, budget.n_steps, candidate.loss)
            )
        if len(self.best) < self.size or candidate.loss < self.best[-1].loss:
            insort(self.best, candidate, key=lambda c: c.loss)
            del self.best[self.size :]
        self.announce()

    def announce(self) -> None:
        """Call ``on_progress``, also after work that has no candidate yet."""
        if self.on_progress is not None:
            self.on_progress(self)
