"""The result of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cached_property

from inference.after.lesson import Lesson
from inference.after.play import Trial
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.leaderboard import Improvement
from inference.options import Options
from inference.worker import Audios
from render.audio import Audio
from render.instruments.host import HostInfo
from render.measures.loudness import amplified
from render.measures.metrics import Distances
from render.note import Note

KNOB_MOVE = 0.05
"""How far a knob is moved to see how sensitive it is, as a share of its travel."""


class Ended(StrEnum):
    """How a run ended."""

    RUNNING = "running"  # it goes on, this is the best so far
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True)
class Confirmed:
    """A candidate with its clean renders, judged at the loudness of the clips.

    Attributes:
        candidate: the candidate.
        audios: its own clean renders, one for each clip.
        gain_db: gain in dB that makes them as loud as the clips, beyond the reach of the volume knob; 0 if the level is
            locked.
        mss: mean MSS from the clips with that gain.
        targets: the clips.
    """

    candidate: Candidate
    audios: Audios
    gain_db: float
    mss: float
    targets: tuple[Target, ...]

    @cached_property
    def matches(self) -> Audios:
        """The renders with ``gain_db``: what is compared with the clips, and written."""
        return tuple(amplified(audio, self.gain_db) for audio in self.audios)

    @cached_property
    def distances(self) -> tuple[Distances, ...]:
        """Every metric of the matches, for each clip."""
        pairs = zip(self.targets, self.matches, strict=True)
        return tuple(target.distances(audio) for target, audio in pairs)

    @cached_property
    def own_mss(self) -> tuple[float, ...]:
        """MSS of the renders at their own level, for each clip."""
        if self.gain_db == 0.0:
            return tuple(one.mss for one in self.distances)
        pairs = zip(self.targets, self.audios, strict=True)
        return tuple(target.mss(audio) for target, audio in pairs)

    def mean_distances(self) -> Distances:
        """Mean of every metric over the clips; None for a metric that one of the clips does not have."""
        each = self.distances
        if len(each) == 1:
            return each[0]
        columns = [[getattr(one, column.name) for one in each] for column in fields(Distances)]
        return Distances(*(None if None in column else mean(column) for column in columns))  # type: ignore[arg-type]


@dataclass(frozen=True)
class StageRecord:
    """The cost of a stage, and the clean distance of the answer after it.

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
class Tidied:
    """The effect of tidying on the answer.

    Attributes:
        differing_before: knobs and choices, without the level, that differed from the default or start preset.
        differing_after: how many differ now.
        sections: MSS in dB of the answer with each of its sections and switches off, the most important first.
        knobs: MSS in dB of the answer with each audible knob moved by ``KNOB_MOVE``, the most sensitive
            first; by the names of the parameters, as far as there was time.
    """

    differing_before: int
    differing_after: int
    sections: Mapping[str, float]
    knobs: Mapping[str, float]


@dataclass(frozen=True)
class Answer:
    """A match for one clip.

    Attributes:
        candidate: the patch, with its origin and loss.
        note: key press that it is played with for this clip.
        audio: its clean render with ``gain_db``, shape ``(2, samples)``.
        gain_db: gain in dB that makes the preset as loud as the clip, beyond the reach of its volume knob.
        distance: every metric of ``audio``.
        own_mss: MSS without ``gain_db``.
    """

    candidate: Candidate
    note: Note
    audio: Audio
    gain_db: float
    distance: Distances
    own_mss: float


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
        options: options of the run.
        host: identity of the host that rendered.
        best: the answer, then the other matches.
        stages: cost and result of each stage.
        history: the progress curve.
        seconds: duration of the run, including reading the clips and loading.
        prepared_seconds: time for rendering a library and compiling, which is needed once per machine and not counted.
        renders: number of renders.
        steps: number of descent steps.
        ended: how the run ended.
        notices: what the user should know about the run; ``targets`` hold the notices of the clips.
        tidied: effect of tidying; None if it was left out.
        error: error that ended the run, if any.
        lesson: the steps to the match from the closest preset of ``options.bank``.
        trials: each match played on other keys and at other velocities, if requested.
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
    tidied: Tidied | None = None
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
                        one.candidate,
                        one.candidate.note if k == 0 else target.note,
                        one.matches[k],
                        one.gain_db,
                        one.distances[k],
                        one.own_mss[k],
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
