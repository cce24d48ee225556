"""What the first two stages ask of a network and of a proxy, whichever they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from numpy.random import Generator

from inference.clip.target import Target
from inference.constraints import Constraints
from inference.evaluate import Candidate

if TYPE_CHECKING:
    from inference.network.proposals import Guess


@dataclass(frozen=True)
class Descent:
    """Where a descent came by: candidates to be rendered, the ends first, and what went wrong on the way."""

    candidates: tuple[Candidate, ...]
    notices: tuple[str, ...] = ()


class Descender(Protocol):
    """Refines a batch of candidates on the proxy."""

    @property
    def batch_size(self) -> int:
        """How many candidates it takes at once."""

    def descend(
        self,
        starts: Sequence[Candidate],
        targets: Sequence[Target],
        constraints: Constraints,
        *,
        n_going_on: int,
        used: Callable[[], float],
        on_step: Callable[[], None],
    ) -> Descent:
        """Descend from every start; ``used`` is the share of the stage's budget that is gone."""

    def changes(
        self, answer: Candidate, others: Sequence[Candidate], constraints: Constraints, rng: Generator, *, gate: bool
    ) -> list[Candidate]:
        """Changes of the answer that a descent cannot make, some borrowed from others; see
        ``inference.stages.neighbours``.
        """


@dataclass(frozen=True)
class Models:
    """What could be loaded; a stage without its model is left out, and ``notices`` say why."""

    guesser: Guess | None = None
    descender: Descender | None = None
    notices: tuple[str, ...] = ()
