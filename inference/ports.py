"""Interfaces of the network and of the differentiable proxy that the first two stages use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from numpy.random import Generator

from inference.candidate import Candidate
from inference.clip.target import Target
from inference.constraints import Constraints
from render.audio import Audio
from render.instruments.patch import Patch
from render.note import Note


@dataclass(frozen=True, slots=True)
class Proposal:
    """A patch that may have made the clip.

    Attributes:
        patch: the patch; its level knob is a guess too.
        note: key press, with the length and velocity of the target.
        log_prob: log-probability in nats, according to the network; 0 if the network has none.
    """

    patch: Patch
    note: Note
    log_prob: float


class Guess(Protocol):
    """A network that proposes patches for a clip."""

    def propose(self, target: Target, *, count: int, seed: int = 0) -> list[Proposal]:
        """Propose patches that may have made a clip.

        Args:
            target: the clip, with its known or estimated note.
            count: requested number of proposals, 1 or more; there may be fewer.
            seed: seed of the random draws.

        Returns:
            Distinct proposals, the most likely first.

        Raises:
            InvalidAudio: if the clip is silent, not finite or of the wrong shape.
            OutOfRange: if ``count`` is below 1.
        """
        ...


@dataclass(frozen=True)
class DescentJob:
    """A batch of candidates to descend from.

    Attributes:
        starts: candidates to start from.
        targets: one clip, or several that one patch must match.
        constraints: locked knobs.
        n_continued: how many of the starts, the first ones, continue earlier descents or are as close.
        used: returns the share of the stage's budget that is used; at 1 the descent ends.
        judged: whether to minimise the judging measure, MSS at equal loudness, beside the distance; all starts are
            close already then.
        on_step: called after every step with the number of candidates that were moved.
    """

    starts: Sequence[Candidate]
    targets: Sequence[Target]
    constraints: Constraints
    n_continued: int = 0
    used: Callable[[], float] = lambda: 0.0
    judged: bool = False
    on_step: Callable[[int], None] = lambda n: None


@dataclass(frozen=True)
class Descent:
    """Candidates that a descent visited, end points first, and notices about what went wrong."""

    candidates: tuple[Candidate, ...]
    notices: tuple[str, ...] = ()


class Descender(Protocol):
    """Refines a batch of candidates on a differentiable proxy."""

    @property
    def batch_size(self) -> int:
        """Number of candidates in a batch."""

    def descend(self, job: DescentJob) -> Descent:
        """Descend from every start."""

    def screen(self, candidates: Sequence[Candidate], targets: Sequence[Target]) -> list[Candidate]:
        """Candidates with their losses on the proxy, in order, without those whose loss is not finite.

        It costs less than half of the host's renders. The losses are the proxy's and not the host's, so such candidates
        are used only as starts of descents.
        """

    def steep_knobs(self, patch: Patch) -> frozenset[str]:
        """Names of the knobs that a descent moves by tiny steps only."""

    def play(self, candidate: Candidate, n_samples: int) -> Audio:
        """The sound of a candidate on the proxy, shape ``(2, n_samples)``."""

    def changes(
        self, answer: Candidate, others: Sequence[Candidate], constraints: Constraints, rng: Generator, *, gate: bool
    ) -> list[Candidate]:
        """Changes of the answer that a descent cannot make: its neighbours, and crossovers with others."""


@dataclass(frozen=True)
class Models:
    """The models that could be loaded. A stage without its model is left out, and ``notices`` say why."""

    guesser: Guess | None = None
    descender: Descender | None = None
    notices: tuple[str, ...] = ()
