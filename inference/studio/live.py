"""A session while the studio is open: the analysed clip, the run that goes on, and its candidates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from inference.candidate import Candidate
from inference.studio.jobs import ClipAnalysis
from inference.studio.messages import Event, Found, Judged, Notice, Over, Progress
from inference.studio.sessions import SessionFiles
from render.instruments.instrument import Program
from render.note import Note

IDLE, WAITING, STARTING, RUNNING = "idle", "waiting", "starting", "running"
"""States of a session: no run; a run that waits for others; one that opens its hosts; one that searches."""

PLAIN_NOTE = Note(60, 100, 1.0, 2.0)
"""What a preset without a clip is played with."""


@dataclass
class Live:
    """The state of a session, which every tab that shows it reads.

    Attributes:
        files: its files.
        programs: the programs of a session that began with a preset file.
        analysis: the analysed clip; None before it was analysed, or where there is no clip.
        times_analysed: how often it was analysed, as corrections change what is compared.
        problem: why the clip cannot be used.
        state: one of the states above.
        stage: name of the stage that runs.
        progress: where the run is.
        curve: progress curve: seconds and loss of the best.
        stages: seconds at which each stage began, by name.
        judged: distance in dB after each stage.
        candidates: the best different candidates so far, closest first.
        improved_at: when the best of them became the best, in seconds of ``time.time``; 0 before there was one.
        record: the newest result.
        message: what the user should read.
        analysing: whether the clip is being analysed.
        version: changes with everything else.
    """

    files: SessionFiles
    programs: tuple[Program, ...] = ()
    analysis: ClipAnalysis | None = None
    times_analysed: int = 0
    problem: str = ""
    state: str = IDLE
    stage: str = ""
    progress: Progress | None = None
    curve: list[tuple[float, float]] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)
    judged: dict[str, float] = field(default_factory=dict)
    candidates: tuple[Candidate, ...] = ()
    improved_at: float = 0.0
    record: dict[str, Any] | None = None
    message: str = ""
    analysing: bool = False
    version: int = 0

    @property
    def note(self) -> Note:
        """The key press of the clip."""
        return self.analysis.target.note if self.analysis is not None else PLAIN_NOTE

    @property
    def active(self) -> bool:
        """Whether a run is wanted or goes on."""
        return self.state != IDLE

    def changed(self) -> None:
        """Let every tab know that something is different."""
        self.version += 1

    def begin(self, *, waits: bool) -> None:
        """A run was asked for."""
        self.state = WAITING if waits else STARTING
        self.stage, self.message, self.progress = "", "", None
        self.curve.clear()
        self.stages.clear()
        self.judged.clear()
        self.changed()

    def take(self, event: Event) -> None:
        """Something happened in the run."""
        match event:
            case Progress(stage, seconds, _, _, loss):
                self.state, self.progress = RUNNING, event
                if stage and stage != self.stage:
                    self.stage = stage
                    self.stages.setdefault(stage, seconds)
                if loss is not None and (not self.curve or loss < self.curve[-1][1]):
                    self.curve.append((seconds, loss))
            case Found(candidates, at):
                self.candidates, self.improved_at = candidates, at or self.improved_at
            case Judged(stage, mss):
                self.judged[stage] = mss
            case Notice(text):
                self.message = text
            case Over(record, error):
                self.state, self.stage, self.message = IDLE, "", error
                if record is not None:
                    self.record = record
        self.changed()
