"""The row of a run, as the benchmarks that make runs write it."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.common.table import OK


@dataclass(frozen=True)
class Row:
    """One run. Distances are those of ``render.measures.metrics``; what is not known is None.

    Attributes:
        budget: seconds that the run was given.
        workers: of the run.
        side_by_side: how many such runs shared the machine.
        parameter_error: see ``targets.parameter_error``.
        floor: MSS of a perfect answer.
        after_start, after_guess, after_descend, after_search: MSS of the best clean render once that stage had ended.
        note_error: semitones from the key that was pressed to the one that was assumed.
        origin: what the best candidate came from.
        curve: ``seconds:renders:loss:MSS`` of the best so far, in the course of the run, joined by blanks.
    """

    set: str
    target: str
    method: str
    budget: float
    seed: int
    host: str
    workers: int
    side_by_side: int
    machine: str
    mss: float | None = None
    lsd: float | None = None
    sot: float | None = None
    wmfcc: float | None = None
    rms_cosine: float | None = None
    mrstft: float | None = None
    side_mss: float | None = None
    parameter_error: float | None = None
    seconds: float | None = None
    renders: int | None = None
    floor: float | None = None
    after_start: float | None = None
    after_guess: float | None = None
    after_descend: float | None = None
    after_search: float | None = None
    note_error: int | None = None
    origin: str = ""
    curve: str = ""
    status: str = OK

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two rows the same run."""
        return (self.set, self.target, self.method, self.budget, self.seed, self.host)
