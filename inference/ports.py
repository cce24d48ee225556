"""What the first two stages ask of a network and of a differentiable proxy, whichever they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from numpy.random import Generator

from inference.candidate import Candidate
from inference.clip.target import Target
from inference.constraints import Constraints
from render.instruments.patch import Patch
from render.note import Note


@dataclass(frozen=True, slots=True)
class Proposal:
    """A patch that may have made the clip.

    Attributes:
        patch: the patch; its level knob is a guess too.
        note: the key press; its length and velocity are those of the target.
        log_prob: how likely the network finds it, in nats; 0 where it does not say.
    """

    patch: Patch
    note: Note
    log_prob: float


class Guess(Protocol):
    """A network that hears a clip and proposes patches."""

    def propose(self, target: Target, *, count: int, seed: int = 0) -> list[Proposal]:
        """Patches that may have made a clip.

        Args:
            target: the clip with what is known and estimated of its note.
            count: how many are wanted, 1 or more; fewer may come.
            seed: seeds what is drawn.

        Returns:
            Distinct proposals, the network's likeliest first.

        Raises:
            InvalidAudio: if the clip is silent, not finite or of the wrong shape.
            OutOfRange: if ``count`` is below 1.
        """
        ...


@dataclass(frozen=True)
class DescentJob:
    """What a descender is asked for.

    Attributes:
        starts: one batch of candidates.
        targets: the clip, or several clips that one patch must match.
        constraints: knobs that must not move.
        n_going_on: how many of the starts, the first ones, come from earlier descents or are as near.
        used: gives the share of the stage's budget that is gone; at 1 the descent ends.
        on_step: called after every step with the number of candidates that made it.
    """

    starts: Sequence[Candidate]
    targets: Sequence[Target]
    constraints: Constraints
    n_going_on: int = 0
    used: Callable[[], float] = lambda: 0.0
    on_step: Callable[[int], None] = lambda n: None


@dataclass(frozen=True)
class Descent:
    """Candidates that a descent visited, to be rendered, end points first; and what went wrong on the way."""

    candidates: tuple[Candidate, ...]
    notices: tuple[str, ...] = ()


class Descender(Protocol):
    """Refines a batch of candidates on a differentiable proxy."""

    @property
    def batch_size(self) -> int:
        """How many candidates it takes at once."""

    def descend(self, job: DescentJob) -> Descent:
        """Descend from every start."""

    def changes(
        self, answer: Candidate, others: Sequence[Candidate], constraints: Constraints, rng: Generator, *, gate: bool
    ) -> list[Candidate]:
        """Changes of the answer that a descent cannot make, some borrowed from others."""


@dataclass(frozen=True)
class Models:
    """What could be loaded; a stage without its model is left out, and ``notices`` say why."""

    guesser: Guess | None = None
    descender: Descender | None = None
    notices: tuple[str, ...] = ()
