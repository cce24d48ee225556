"""The result row of one run of ``compare`` and ``budgets``."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.common.table import OK


@dataclass(frozen=True)
class Row:
    """One run. Distances are those of ``render.measures.metrics`` at equal loudness; unknown values are None.

    Attributes:
        budget: seconds of the budget.
        workers: number of workers.
        side_by_side: number of runs that shared the machine.
        own_mss: MSS at the preset's own level, as MSS is defined. Rows that were made before it was a column of its own
            have it in ``mss`` too.
        parameter_error: see ``targets.parameter_error``.
        floor: MSS of a perfect answer.
        after_start, after_guess, after_descend, after_search: MSS of the best clean render after that stage.
        note_error: semitones from the true key to the estimated one.
        origin: origin of the best candidate.
        curve: points ``seconds:renders:loss:MSS`` at equal loudness of the best so far, separated by spaces.
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
    own_mss: float | None = None
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
        """Identifies the run: of two rows with the same key the later one counts."""
        return (self.set, self.target, self.method, self.budget, self.seed, self.host)
