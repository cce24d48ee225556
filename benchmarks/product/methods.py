"""The methods that ``compare`` compares: making one run and judging it.

* ``random``: draws of the prior until the time is over.
* ``nearest``: the library's patches that sound most like the clip.
* ``regression``: one patch from the network that was trained to regress, nothing else.
* ``guess``: the candidates of the network and the library; ``search``: a search from the default patch.
* ``guess+search``, ``guess+descend``, ``all``: the stages combined. ``library+search``: a search without a network.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count, islice
from typing import Any

from benchmarks.common.clocks import CLOCKS, WALL
from benchmarks.common.runs import Row, refined
from benchmarks.common.table import one_line
from benchmarks.common.targets import Sound, floor_mss, host_of, parameter_error, read_sound
from inference.budget import Budget
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.evaluate import Evaluator
from inference.judge import Judge
from inference.leaderboard import Leaderboard
from inference.options import Options
from inference.ports import Models
from inference.stages.models import load_models
from render.errors import FileError, HostError
from render.instruments.host import Host
from render.measures.loudness import EqualLoudnessMss
from render.measures.metrics import Distances
from render.noisemaker.hosts import open_host
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.prior import draw
from render.note import SAMPLE_RATE

CHECKPOINTS = (1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0)
"""Seconds at which the best candidate of a run is kept, to be judged after the run."""
RANDOM_SEED = 41
"""``random`` with seed ``n`` draws from the set ``RANDOM_SEED + n`` of the prior."""
_BATCH, _JUDGING_SECONDS = 8, 0.5
"""Number of draws that ``random`` measures at a time, and seconds that it reserves for as many clean renders."""


@dataclass(frozen=True)
class Method:
    """A way to spend a budget.

    Attributes:
        stages: stages that run.
        library: whether the library's patches are among the starts.
        changes: fields of ``Options`` that differ from the defaults.
        draws: whether it draws from the prior instead of running the pipeline.
    """

    stages: tuple[str, ...]
    library: bool = True
    changes: Mapping[str, Any] = field(default_factory=dict)
    draws: bool = False


METHODS: Mapping[str, Method] = {
    "random": Method((), library=False, draws=True),
    "nearest": Method(()),
    "regression": Method(("guess",), library=False, changes={"guess": "regression"}),
    "guess": Method(("guess",)),
    "search": Method(("search",), library=False),
    "guess+search": Method(("guess", "search")),
    "guess+descend": Method(("guess", "descend")),
    "all": Method(("guess", "descend", "search")),
    "library+search": Method(("search",)),
}
DEFAULT_METHODS = tuple(name for name in METHODS if name != "library+search")


@dataclass(frozen=True)
class Job:
    """One run to make, and the known part of its row."""

    sound: Sound
    method: Method
    blank: Row
    where: str
    known_note: bool = False
    clock: str = WALL
    cores: int = 2


def do_job(job: Job) -> list[Row]:
    """Make one run and judge it; a run that fails gives a row that says why."""
    try:
        return [_measured(job)]
    except Exception as error:  # one failed run must not end a benchmark of hours
        return failed_job(job, f"{type(error).__name__}: {error}")


def failed_job(job: Job, why: str) -> list[Row]:
    """The row of a run that failed."""
    return [replace(job.blank, status=one_line(why))]


@dataclass(frozen=True)
class _Outcome:
    """The result of a method; ``after`` has the best MSS after each stage, ``own_mss`` is that at the own level."""

    candidate: Candidate
    distance: Distances
    own_mss: float
    seconds: float
    renders: int
    after: Mapping[str, float] = field(default_factory=dict)


class _Curve:
    """Keeps the best candidate at each checkpoint; called after every render."""

    def __init__(self) -> None:
        self.points: list[tuple[float, int, Candidate]] = []

    def __call__(self, board: Leaderboard) -> None:
        now = board.budget.elapsed()
        passed = sum(now >= checkpoint for checkpoint in CHECKPOINTS)
        if passed and (not self.points or passed > sum(self.points[-1][0] >= c for c in CHECKPOINTS)):
            self.points.append((now, board.budget.n_renders, board.best[0]))


def _measured(job: Job) -> Row:
    blank = job.blank
    target, analysis_seconds = read_sound(job.sound, known_note=job.known_note)
    curve = _Curve()
    clock = CLOCKS[job.clock](job.cores)
    method = _random if job.method.draws else functools.partial(_refine, job.method)
    options = Options(NOISEMAKER, where=job.where, seconds=blank.budget, seed=blank.seed, workers=blank.workers)
    outcome = method(target, options, clock, analysis_seconds, curve)
    host = host_of(job.where)
    found = outcome.candidate.patch
    known: dict[str, Any] = dict(outcome.distance.as_dict())
    known |= {f"after_{stage}": outcome.after.get(stage) for stage in ("start", "guess", "descend", "search")}
    return replace(
        blank,
        **known,
        own_mss=outcome.own_mss,
        parameter_error=None if job.sound.patch is None else parameter_error(job.sound.patch, found),
        seconds=outcome.seconds,
        renders=outcome.renders,
        floor=floor_mss(job.sound, target, host),
        note_error=target.note.number - job.sound.note.number,
        origin=outcome.candidate.origin,
        curve=_judged(curve, outcome, target, host),
    )


def _judged(curve: _Curve, outcome: _Outcome, target: Target, host: Host) -> str:
    """The curve as text; its candidates are rendered after the run, which does not count."""
    judged = EqualLoudnessMss([target.audio], SAMPLE_RATE)
    texts, best = [], float("inf")
    for seconds, renders, candidate in curve.points:
        best = min(best, judged.measure([host.render(candidate.patch, candidate.note)])[0])
        texts.append(f"{seconds:.2f}:{renders}:{candidate.loss:.4f}:{best:.3f}")
    end = f"{outcome.seconds:.2f}:{outcome.renders}:{outcome.candidate.loss:.4f}:{outcome.distance.mss:.3f}"
    return " ".join([*texts, end])


def _refine(
    method: Method,
    target: Target,
    options: Options,
    clock: Callable[[], float],
    analysis_seconds: float,
    curve: _Curve,
) -> _Outcome:
    options = replace(options, stages=method.stages, **method.changes)
    models = _models(options)
    if ("guess" in method.stages and models.guesser is None) or ("descend" in method.stages and not models.descender):
        raise FileError("; ".join(models.notices))
    match = refined(
        target,
        options,
        models,
        analysis_seconds=analysis_seconds,
        library=method.library,
        clock=clock,
        on_progress=curve,
    )
    after = {stage.name: stage.best.mss for stage in match.stages}
    best = match.best[0]
    return _Outcome(best.candidate, best.mean_distances(), best.own_mss[0], match.seconds, match.renders, after)


def _random(
    target: Target, options: Options, clock: Callable[[], float], analysis_seconds: float, curve: _Curve
) -> _Outcome:
    """Draw from the prior as long as the budget allows."""
    assert options.seconds is not None
    draws = (Candidate(draw(RANDOM_SEED + options.seed, k)[0], target.note, origin="random") for k in count())
    budget = Budget(options.seconds, clock=clock)
    board = Leaderboard(budget, on_progress=curve)
    make_host = functools.partial(open_host, options.where)
    with Evaluator([target], make_host, workers=options.workers, board=board) as evaluator:
        evaluator.wait_ready()
        budget.restart(analysis_seconds)
        while not board.best or budget.elapsed() < options.seconds - _JUDGING_SECONDS:
            evaluator.measure(islice(draws, _BATCH))
        judge = Judge([target], 1)
        judge.judge(evaluator)
        best = judge.best
        if best is None:
            raise HostError("no draw could be rendered")
        return _Outcome(best.candidate, best.mean_distances(), best.own_mss[0], budget.elapsed(), budget.n_renders)


@functools.cache
def _models_of(stages: tuple[str, ...], guess: str, workers: int) -> Models:
    return load_models(Options(NOISEMAKER, stages=stages, guess=guess, workers=workers))


def _models(options: Options) -> Models:
    """The network and the proxy, loaded once in a process."""
    return _models_of(options.stages, options.guess, options.workers)
