"""What the studio's server and its run process tell each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference.candidate import Candidate
from inference.clip.target import Target
from render.instruments.patch import Patch


@dataclass(frozen=True)
class Wish:
    """A run that is wanted.

    Attributes:
        name: name of the session.
        clip: the clip's file.
        folder: folder of the results.
        target: the analysed clip, with the user's corrections.
        instrument: name of the synth.
        where: host to search on.
        seconds: budget.
        candidates: number of different matches.
        start: patch to start from.
        resumed: candidates that the run begins with.
        locked: knobs that stay, by name.
        rounds: how often the clip was matched before: the same draws would find the same again.
        workers: number of processes that render.
    """

    name: str
    clip: Path
    folder: Path
    target: Target
    instrument: str
    where: str
    seconds: float
    candidates: int = 4
    start: Patch | None = None
    resumed: tuple[Candidate, ...] = ()
    locked: Mapping[str, float] = field(default_factory=dict)
    rounds: int = 0
    workers: int = 2


@dataclass(frozen=True)
class Stop:
    """Ends the run that is going on; its best so far is kept."""


@dataclass(frozen=True)
class Ready:
    """The run process has loaded its models."""


@dataclass(frozen=True)
class Progress:
    """Where a run is.

    Attributes:
        stage: name of the stage.
        seconds: time since the budget began to count.
        left_seconds: time that is left of it.
        renders: renders so far.
        loss: distance of the best that the stages minimise; None before the first render.
    """

    stage: str
    seconds: float
    left_seconds: float
    renders: int
    loss: float | None


@dataclass(frozen=True)
class Found:
    """The best different candidates so far, closest first.

    Attributes:
        candidates: the candidates.
        at: when the first of them became the best, in seconds of ``time.time``; 0 if it was the best before.
    """

    candidates: tuple[Candidate, ...]
    at: float = 0.0


@dataclass(frozen=True)
class Judged:
    """A stage has been judged: the distance of the answer after it, in dB."""

    stage: str
    mss: float


@dataclass(frozen=True)
class Notice:
    """One line that the user should read."""

    text: str


@dataclass(frozen=True)
class Over:
    """A run has ended.

    Attributes:
        record: what was written; None if there is no match.
        error: why there is none, or what ended the run early.
    """

    record: dict[str, Any] | None
    error: str = ""


Event = Ready | Progress | Found | Judged | Notice | Over
