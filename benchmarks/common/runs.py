"""One run of ``refine`` in a benchmark, and the result row of a run of ``compare`` and ``budgets``."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.common.table import OK
from benchmarks.common.targets import library_of
from inference.clip.target import Target
from inference.leaderboard import Leaderboard
from inference.match import Ended, Match
from inference.options import Options
from inference.pipeline import refine
from inference.ports import Models
from render.errors import HostError
from render.noisemaker.hosts import open_host


def refined(
    target: Target,
    options: Options,
    models: Models,
    *,
    analysis_seconds: float,
    library: bool = True,
    clock: Callable[[], float] = time.monotonic,
    on_progress: Callable[[Leaderboard], None] | None = None,
) -> Match:
    """Run ``refine`` to its end.

    Args:
        target: the clip.
        options: options of the run, NoiseMaker's.
        models: the network and the proxy.
        analysis_seconds: seconds of the budget that reading the clip took.
        library: whether the library's patches are among the starts.
        clock: returns the time in seconds by which the budget is counted.
        on_progress: called after every render and descent step.

    Raises:
        HostError: if the run failed.
        KeyboardInterrupt: if it was interrupted.
    """
    match = refine(
        [target],
        options,
        open_library=library_of(options.where, options.workers) if library else None,
        make_host=functools.partial(open_host, options.where),
        models=models,
        analysis_seconds=analysis_seconds,
        clock=clock,
        on_progress=on_progress,
    )
    if match.ended is Ended.INTERRUPTED:
        raise KeyboardInterrupt
    if match.ended is Ended.FAILED:
        raise HostError(match.error)
    return match


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
