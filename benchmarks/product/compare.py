"""The methods of ``refine`` at equal wall clock: is each stage worth its time?

* ``random``: draws of the prior until the time is over.
* ``nearest``: the library's patches that sound most like the clip.
* ``regression``: one patch from the network that was trained to regress, nothing else.
* ``guess``: the network's and the library's candidates; ``search``: a cold search from the default patch.
* ``guess+search``, ``guess+descend``, ``all``: the stages joined. ``library+search``: a search without a network.

Every method is judged as ``refine`` judges itself: clean renders of its best candidates, by a metric that nothing
minimises. Rows are appended to a CSV file; rows that are there already are skipped, so a run can be stopped, resumed
and shared. A method that cannot run is a row that says why.
"""

from __future__ import annotations

import argparse
import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

from benchmarks.common.runs import Row
from benchmarks.common.summary import summary, write_plot
from benchmarks.common.table import OK, Table, machine, one_line, run_jobs
from benchmarks.common.targets import (
    Sound,
    add_target_arguments,
    check_counts,
    chosen_sounds,
    floor_mss,
    host_label,
    host_of,
    library_of,
    names_of,
    parameter_error,
    read_sound,
)
from inference.budget import Budget
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.evaluate import Evaluator
from inference.leaderboard import Leaderboard
from inference.match import Ended
from inference.options import Options
from inference.pipeline import refine
from inference.ports import Models
from inference.stages.models import load_models
from render.audio import Audio
from render.errors import FileError, HostError
from render.instruments.host import Host
from render.measures.metrics import MssTarget, distances
from render.noisemaker.hosts import open_host
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.prior import draw
from render.note import SAMPLE_RATE

CHECKPOINTS = (1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0)
"""Seconds at which the best candidate of a run is kept, to be judged after it."""
RANDOM_SEED = 41
"""The set of the prior that ``random`` draws from: of seed ``n`` it is ``RANDOM_SEED + n``."""
SEEDED_TARGETS = 8
"""Of each set; the others are run with one seed only."""
SMALL: Mapping[str, Any] = {"sets": ("prior",), "count": 2, "seconds": (3.0,), "seeds": 1}
"""The arguments that ``--small`` stands for."""
_BATCH, _JUDGING_SECONDS = 8, 0.5
"""``random`` measures so many draws at a time, and leaves so much of the budget for as many clean renders."""


@dataclass(frozen=True)
class Method:
    """A way to spend a budget.

    Attributes:
        stages: that must run.
        library: whether the library's patches are among the starts.
        changes: fields of ``Options`` that differ from the defaults.
        draws: whether it is no run of the pipeline, but draws of the prior.
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
    """One run that is to be made, and its row as far as it is known."""

    sound: Sound
    method: Method
    blank: Row
    where: str
    known_note: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_run_arguments(parser)
    parser.add_argument("--methods", type=names_of(METHODS), default=DEFAULT_METHODS, metavar="A,B,C")
    parser.add_argument("--plot", type=Path, metavar="SVG", help="draw the medians against the budget")
    parser.add_argument("--report-only", action="store_true", help="run nothing, summarise the rows of --csv")


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a benchmark that makes runs."""
    add_target_arguments(parser)
    parser.add_argument("--seconds", type=_budgets, default=(10.0, 30.0, 60.0), metavar="S,S", help="default: 10,30,60")
    parser.add_argument("--seeds", type=int, default=3, help=f"on {SEEDED_TARGETS} targets of each set (default: 3)")
    parser.add_argument("--workers", type=int, default=2, help="of each run (default: 2)")
    parser.add_argument("--side-by-side", type=int, default=1, metavar="N", help="runs at once (default: 1)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="rows are appended; those in it are skipped")
    parser.add_argument("--small", action="store_true", help="two targets of the prior, 3 s, one seed")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    table = Table(Row, arguments.csv)
    if not arguments.report_only:
        make_runs({name: METHODS[name] for name in arguments.methods}, table, arguments)
    print(summary(table.rows))
    if arguments.plot is not None:
        write_plot(table.rows, arguments.plot)
    return 0


def make_runs(methods: Mapping[str, Method], table: Table[Row], arguments: argparse.Namespace) -> None:
    """Make the runs that the arguments of ``add_run_arguments`` ask for, as far as the table lacks them."""
    if arguments.small:
        vars(arguments).update(SMALL)
    check_counts(arguments, "count", "seeds", "workers", "side_by_side")
    host = open_host(arguments.plugin)
    sounds = chosen_sounds(arguments, host)
    if any(method.library for method in methods.values()):
        library_of(arguments.plugin, arguments.workers)(host.info)  # rendered once, before any run
    host.close()
    blanks = (
        Row(
            set=sound.set,
            target=sound.name,
            method=name,
            budget=budget,
            seed=seed,
            host=host_label(arguments.plugin),
            workers=arguments.workers,
            side_by_side=arguments.side_by_side,
            machine=machine(),
        )
        for seed in range(arguments.seeds)
        for budget in arguments.seconds
        for sound in _seeded(sounds, seed)
        for name in methods
    )
    by_name = {(sound.set, sound.name): sound for sound in sounds}
    jobs = [
        Job(by_name[blank.set, blank.target], methods[blank.method], blank, arguments.plugin, arguments.known_note)
        for blank in blanks
        if not table.done(blank.key)
    ]
    print(f"{len(jobs)} runs of {len(sounds)} targets; {machine()}", flush=True)
    for number, rows in enumerate(run_jobs(jobs, do_job, failed_job, arguments.side_by_side), start=1):
        for row in rows:
            table.add(row)
            good = row.status == OK
            result = f"{row.mss:6.2f} dB in {row.seconds:5.1f} s, {row.renders} renders" if good else row.status
            print(
                f"{number:5d} {row.set:8} {row.target[:28]:28} {row.method:14} {row.budget:3g} s  {result}",
                flush=True,
            )


def do_job(job: Job) -> list[Row]:
    """Make one run and judge it; a run that fails is a row that says why."""
    try:
        return [_measured(job)]
    except Exception as error:  # whatever it is: one run must not end a benchmark of hours
        return failed_job(job, f"{type(error).__name__}: {error}")


def failed_job(job: Job, why: str) -> list[Row]:
    """The row of a run that failed."""
    return [replace(job.blank, status=one_line(why))]


@dataclass(frozen=True)
class _Outcome:
    """What a method came to; ``after`` has the best MSS once each stage had ended."""

    candidate: Candidate
    audio: Audio
    mss: float
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
    method = _random if job.method.draws else functools.partial(_refine, job.method)
    options = Options(NOISEMAKER, where=job.where, seconds=blank.budget, seed=blank.seed, workers=blank.workers)
    outcome = method(target, options, analysis_seconds, curve)
    host = host_of(job.where)
    found = outcome.candidate.patch
    known: dict[str, Any] = dict(distances(target.audio, outcome.audio, SAMPLE_RATE).as_dict())
    known |= {f"after_{stage}": outcome.after.get(stage) for stage in ("start", "guess", "descend", "search")}
    return replace(
        blank,
        **known,
        parameter_error=None if job.sound.patch is None else parameter_error(job.sound.patch, found),
        seconds=outcome.seconds,
        renders=outcome.renders,
        floor=floor_mss(job.sound, target, host),
        note_error=target.note.number - job.sound.note.number,
        origin=outcome.candidate.origin,
        curve=_judged(curve, outcome, target, host),
    )


def _judged(curve: _Curve, outcome: _Outcome, target: Target, host: Host) -> str:
    """The curve as text: its candidates are rendered now, when that costs the run nothing."""
    mss = MssTarget(target.audio, SAMPLE_RATE)
    texts, best = [], float("inf")
    for seconds, renders, candidate in curve.points:
        best = min(best, mss.distance(host.render(candidate.patch, candidate.note)))
        texts.append(f"{seconds:.2f}:{renders}:{candidate.loss:.4f}:{best:.3f}")
    end = f"{outcome.seconds:.2f}:{outcome.renders}:{outcome.candidate.loss:.4f}:{outcome.mss:.3f}"
    return " ".join([*texts, end])


def _refine(method: Method, target: Target, options: Options, analysis_seconds: float, curve: _Curve) -> _Outcome:
    options = replace(options, stages=method.stages, **method.changes)
    models = _models(options)
    if ("guess" in method.stages and models.guesser is None) or ("descend" in method.stages and not models.descender):
        raise FileError("; ".join(models.notices))
    match = refine(
        [target],
        options,
        open_library=library_of(options.where, options.workers) if method.library else None,
        make_host=functools.partial(open_host, options.where),
        models=models,
        analysis_seconds=analysis_seconds,
        on_progress=curve,
    )
    if match.ended is Ended.INTERRUPTED:
        raise KeyboardInterrupt
    if match.ended is Ended.FAILED:
        raise HostError("; ".join(match.notices))
    after = {stage.name: stage.best.mss for stage in match.stages}
    best = match.best[0]
    return _Outcome(best.candidate, best.audios[0], best.mss, match.seconds, match.renders, after)


def _random(target: Target, options: Options, analysis_seconds: float, curve: _Curve) -> _Outcome:
    """Draws of the prior, as many as the budget allows."""
    assert options.seconds is not None
    draws = (Candidate(draw(RANDOM_SEED + options.seed, k)[0], target.note, origin="random") for k in count())
    budget = Budget(options.seconds)
    board = Leaderboard(budget, on_progress=curve)
    make_host = functools.partial(open_host, options.where)
    with Evaluator([target], make_host, workers=options.workers, board=board) as evaluator:
        evaluator.wait_ready()
        budget.restart(analysis_seconds)
        while not board.best or budget.elapsed() < options.seconds - _JUDGING_SECONDS:
            evaluator.measure(islice(draws, _BATCH))
        mss = MssTarget(target.audio, SAMPLE_RATE)
        finalists = board.best[:_BATCH]
        audios = zip(finalists, evaluator.render(finalists), strict=True)
        judged = [(mss.distance(audio[0]), candidate, audio[0]) for candidate, audio in audios if audio is not None]
        best_mss, best, audio = min(judged, key=lambda one: one[0])
        return _Outcome(best, audio, best_mss, budget.elapsed(), budget.n_renders)


@functools.cache
def _models_of(stages: tuple[str, ...], guess: str, workers: int) -> Models:
    return load_models(Options(NOISEMAKER, stages=stages, guess=guess, workers=workers))


def _models(options: Options) -> Models:
    """The network and the proxy, loaded once in a process."""
    return _models_of(options.stages, options.guess, options.workers)


def _seeded(sounds: Sequence[Sound], seed: int) -> list[Sound]:
    """All sounds for seed 0, the first of each set for the others."""
    numbers: Counter[str] = Counter()
    chosen = []
    for sound in sounds:
        numbers[sound.set] += 1
        if seed == 0 or numbers[sound.set] <= SEEDED_TARGETS:
            chosen.append(sound)
    return chosen


def _budgets(text: str) -> tuple[float, ...]:
    budgets = tuple(float(part) for part in text.split(","))
    if not all(math.isfinite(budget) and budget > 0.0 for budget in budgets):
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: seconds above 0")
    return budgets
