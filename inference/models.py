"""What the first two stages need: a network that proposes and a proxy to descend on, loaded when they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from numpy.random import Generator

from inference.constraints import Constraints
from inference.evaluate import Candidate
from inference.target import Target
from render.errors import FileError, FormatError

if TYPE_CHECKING:
    from inference.guess import Guess


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
        """Changes of the answer that a descent cannot make, some borrowed from others; see ``inference.neighbours``."""


@dataclass(frozen=True)
class Models:
    """What could be loaded; a stage without its model is left out, and ``notices`` say why."""

    guesser: Guess | None = None
    descender: Descender | None = None
    notices: tuple[str, ...] = ()


def load_models(stages: Sequence[str], guess: str, threads: int) -> Models:
    """Load what the stages need.

    Args:
        stages: their names.
        guess: ``network`` or ``regression``.
        threads: that may compute: the workers rest meanwhile, so as many as there are workers.
    """
    guesser: Guess | None = None
    descender: Descender | None = None
    notices = []
    if {"guess", "descend"} & set(stages):
        import torch

        torch.set_num_threads(1)  # a descent divides its batch among threads, which is faster than dividing its sums
    if "guess" in stages:
        from inference.guess import load_guesser

        try:
            guesser = load_guesser(guess)
        except (FileError, FormatError) as error:
            notices.append(f"the guess is left out: {error}")
    if "descend" in stages:
        from inference.descend import ProxyDescender

        try:
            descender = ProxyDescender.load(threads)
        except (FileError, FormatError) as error:
            notices.append(f"the descent is left out: {error}")
    return Models(guesser, descender, tuple(notices))
