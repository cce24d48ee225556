"""The result of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cached_property

from inference.after.lesson import Lesson
from inference.after.play import Trial
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.evaluate import Audios
from inference.leaderboard import Improvement
from inference.options import Options
from render.audio import Audio
from render.instruments.host import HostInfo
from render.measures.metrics import Distances, distances
from render.note import SAMPLE_RATE, Note


class Ended(StrEnum):
    """How a run ended."""

    RUNNING = "running"  # it goes on, this is the best so far
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True)
class Confirmed:
    """A candidate with its clean renders, one for each clip, and their mean MSS from the clips."""

    candidate: Candidate
    audios: Audios
    mss: float
    targets: tuple[Target, ...]

    @cached_property
    def distances(self) -> tuple[Distances, ...]:
        """Every metric, for each clip."""
        pairs = zip(self.targets, self.audios, strict=True)
        return tuple(distances(target.audio, audio, SAMPLE_RATE) for target, audio in pairs)

    def mean_distances(self) -> Distances:
        """Mean of every metric over the clips; None for a metric that one of the clips does not have."""
        each = self.distances
        if len(each) == 1:
            return each[0]
        columns = [[getattr(one, column.name) for one in each] for column in fields(Distances)]
        return Distances(*(None if None in column else mean(column) for column in columns))  # type: ignore[arg-type]


@dataclass(frozen=True)
class StageRecord:
    """What a stage cost, and the clean distance of the answer after it.

    Attributes:
        name: name of the stage.
        seconds: time that it took, judging included.
        renders: number of its renders.
        steps: number of its descent steps.
        best: distance of the answer after it.
        rerender_mss: MSS between two clean renders of the answer; a smaller gain does not count.
        counted: whether the stage changed the answer.
    """

    name: str
    seconds: float
    renders: int
    steps: int
    best: Distances
    rerender_mss: float
    counted: bool


@dataclass(frozen=True)
class Answer:
    """A match for one clip.

    Attributes:
        candidate: the patch, with its origin and loss.
        note: key press that it is played with for this clip.
        audio: its clean render, shape ``(2, samples)``.
        distance: every metric.
    """

    candidate: Candidate
    note: Note
    audio: Audio
    distance: Distances


@dataclass(frozen=True)
class ClipMatch:
    """The matches of one clip, closest first."""

    target: Target
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Match:
    """The result of a run: its matches, and its history for the report.

    Attributes:
        targets: the clips.
        options: what the user chose.
        host: identity of the host that rendered.
        best: the answer, then the other matches.
        stages: cost and result of each stage.
        history: the progress curve.
        seconds: time that the run took.
        prepared_seconds: time before the budget began to count.
        renders: number of renders.
        steps: number of descent steps.
        ended: how the run ended.
        notices: what the user should know about the run; ``targets`` hold the notices of the clips.
        error: what failed, where a failure ended the run.
        lesson: the way to the match from the closest preset of ``options.bank``.
        trials: each match played on other keys and at other velocities, where that was asked for.
    """

    targets: tuple[Target, ...]
    options: Options
    host: HostInfo
    best: tuple[Confirmed, ...]
    stages: tuple[StageRecord, ...]
    history: tuple[Improvement, ...]
    seconds: float
    prepared_seconds: float
    renders: int
    steps: int
    ended: Ended
    notices: tuple[str, ...]
    error: str = ""
    trials: tuple[tuple[Trial, ...], ...] = ()
    lesson: Lesson | None = None

    @cached_property
    def clips(self) -> tuple[ClipMatch, ...]:
        """The matches of each clip. Only the first clip's key press may differ from the estimate."""
        return tuple(
            ClipMatch(
                target,
                tuple(
                    Answer(
                        one.candidate, one.candidate.note if k == 0 else target.note, one.audios[k], one.distances[k]
                    )
                    for one in self.best
                ),
            )
            for k, target in enumerate(self.targets)
        )


def mean(values: Iterable[float]) -> float:
    """Mean of at least one number, summed without rounding errors."""
    found: Sequence[float] = list(values)
    return math.fsum(found) / len(found)
