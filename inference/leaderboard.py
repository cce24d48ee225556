"""The best candidates so far, and how the best came down: all that a stage leaves behind."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field

from inference.evaluate import Candidate


@dataclass(frozen=True, slots=True)
class Improvement:
    """A point of the progress curve: the loss of the best after this long and this many renders."""

    stage: str
    seconds: float
    renders: int
    loss: float


@dataclass
class Board:
    """Keeps the best candidates and the progress curve.

    Args:
        size: how many candidates are kept.
        on_candidate: called after every candidate (and step of a descent), for a progress line.
    """

    size: int = 64
    on_candidate: Callable[[Board], None] | None = None
    stage: str = ""
    best: list[Candidate] = field(default_factory=list)
    history: list[Improvement] = field(default_factory=list)

    def offer(self, candidate: Candidate, *, seconds: float, renders: int) -> None:
        """Take a measured candidate into account."""
        if not self.best or candidate.loss < self.best[0].loss:
            self.history.append(Improvement(self.stage, seconds, renders, candidate.loss))
        if len(self.best) < self.size or candidate.loss < self.best[-1].loss:
            insort(self.best, candidate, key=lambda c: c.loss)
            del self.best[self.size :]
        self.announce()

    def announce(self) -> None:
        """Call ``on_candidate``: also after work that offers nothing yet."""
        if self.on_candidate is not None:
            self.on_candidate(self)
