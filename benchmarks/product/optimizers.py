"""Optimisers at equal numbers of renders, in the space and with the loss of ``inference.stages.search``.

There are three starts: ``cold``, the default patch; ``warm``, the library's patches that sound most like the clip, as
in ``refine``; and ``near``, patches around the true one, as after good earlier stages. The renders of the start are
counted. ``MSS`` is that of a clean render of the candidate with the lowest loss, at equal loudness. ``pycma`` is plain
CMA-ES of the package ``cma``, as a reference.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.optimizer_rows import Row, summary
from benchmarks.common.table import Table, machine, one_line, run_jobs
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
    read_sound,
)
from inference.budget import Budget
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.constraints import Constraints
from inference.evaluate import Evaluator
from inference.leaderboard import Leaderboard
from inference.methods import METHODS, Phase
from inference.stages.search import search_around, space_of
from inference.stages.start import candidates
from render.data.library import Library
from render.instruments.patch import Patch
from render.measures.loudness import EqualLoudnessMss
from render.noisemaker.hosts import open_host
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE

RENDERS = (100, 300, 1000, 3000)
STARTS = ("cold", "warm", "near")
PYCMA = "pycma"
OTHERS = (
    *("DE", "LhsDE", "QODE", "OnePointDE", "PSO", "DiagonalCMA", "MultiCMA", "NaiveTBPSA"),
    *("DiscreteLenglerOnePlusOne", "LognormalDiscreteOnePlusOne", "RandomSearch"),
)
"""Optimisers of nevergrad's registry that run in the whole space, beside the search methods of the product."""
NEVERGRAD = "ng:"
"""Prefix of the names of nevergrad's optimisers, which the product's methods do not have."""
KNOWN = (*METHODS, *(NEVERGRAD + name for name in OTHERS), PYCMA)

SMALL: Mapping[str, Any] = {"sets": ("prior",), "count": 1, "renders": (60, 90), "seeds": 1}
"""Values of the arguments with ``--small``."""
WARM_STARTS = 40
"""Patches of the library in a warm start; every budget must be larger."""
NEAR_STARTS, NEAR_MOVED, NEAR_STEP = 8, 0.3, 0.15
"""Number of patches around the true one, share of their continuous knobs that move, and standard deviation."""
PYCMA_SIGMA = 0.2
_FAILED_LOSS = 1e3


@dataclass(frozen=True)
class Job:
    """One run to make, and the known parts of its rows, in order of their renders."""

    sound: Sound
    blanks: tuple[Row, ...]
    where: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_target_arguments(parser)
    parser.add_argument("--optimizers", type=names_of(KNOWN), default=KNOWN, metavar="A,B", help=", ".join(KNOWN))
    parser.add_argument("--starts", type=names_of(STARTS), default=STARTS, metavar="A,B", help=", ".join(STARTS))
    parser.add_argument("--renders", type=_numbers, default=RENDERS, metavar="N,N", help="default: 100,300,1000,3000")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--side-by-side", type=int, default=1, metavar="N", help="number of runs at the same time, with one worker each"
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="file that rows are appended to; rows in it are skipped"
    )
    parser.add_argument("--small", action="store_true", help="a quick run: one target of the prior, 60 and 90 renders")
    parser.add_argument("--report-only", action="store_true", help="only summarise the rows of --csv")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    table = Table(Row, arguments.csv)
    if not arguments.report_only:
        _make_runs(table, arguments)
    print(summary(table.rows))
    return 0


def _make_runs(table: Table[Row], arguments: argparse.Namespace) -> None:
    if arguments.small:
        vars(arguments).update(SMALL)
    check_counts(arguments, "count", "seeds", "side_by_side")
    host = open_host(arguments.plugin)
    sounds = chosen_sounds(arguments, host)
    if "warm" in arguments.starts:
        library_of(arguments.plugin, 1)(host.info)
    host.close()
    jobs = list(_jobs(sounds, table, arguments))
    print(f"{len(jobs)} runs of {len(sounds)} targets; {machine()}", flush=True)
    for number, rows in enumerate(run_jobs(jobs, do_job, failed_job, arguments.side_by_side), start=1):
        for row in rows:
            table.add(row)
        last = rows[-1]
        result = (
            last.status if last.mss is None else f"loss {last.loss:.4f}, MSS {last.mss:.2f} in {last.seconds:.1f} s"
        )
        print(
            f"{number:5d} {last.set:8} {last.target[:28]:28} {last.optimizer:20} {last.start:5} {last.renders:5d}  "
            f"{result}",
            flush=True,
        )


def _jobs(sounds: Sequence[Sound], table: Table[Row], arguments: argparse.Namespace) -> Iterator[Job]:
    """The runs that were asked for and are not done yet."""
    plan = itertools.product(range(arguments.seeds), sounds, arguments.starts, arguments.optimizers)
    for seed, sound, start, optimizer in plan:
        if start == "near" and sound.patch is None:
            continue
        blanks = [
            Row(sound.set, sound.name, optimizer, start, renders, seed, host_label(arguments.plugin), machine())
            for renders in sorted(arguments.renders)
        ]
        for together in [blanks] if anytime(optimizer) else [[blank] for blank in blanks]:
            if not all(table.done(blank.key) for blank in together):
                yield Job(sound, tuple(together), arguments.plugin)


def phases(optimizer: str) -> tuple[Phase, ...]:
    """The phases of a name in ``KNOWN``."""
    name = optimizer.removeprefix(NEVERGRAD)
    return (Phase(name),) if name != optimizer else METHODS[optimizer]


def anytime(optimizer: str) -> bool:
    """Whether a run begins in the same way for every budget, so that one run gives all rows."""
    return optimizer == PYCMA or len(phases(optimizer)) == 1


def do_job(job: Job) -> list[Row]:
    """Make one run and judge it; a run that fails gives rows that say why."""
    try:
        return _measured(job)
    except Exception as error:  # one failed run must not end a benchmark of hours
        return failed_job(job, f"{type(error).__name__}: {error}")


def failed_job(job: Job, why: str) -> list[Row]:
    """The rows of a run that failed."""
    return [replace(blank, status=one_line(why)) for blank in job.blanks]


@dataclass
class _Checkpoints(Leaderboard):
    """A leaderboard that keeps its best after given numbers of renders, as ``(candidate, seconds)``."""

    wanted: tuple[int, ...] = ()
    taken: list[tuple[Candidate, float]] = field(default_factory=list)

    def offer(self, candidate: Candidate) -> None:
        while self.best and len(self.taken) < len(self.wanted):
            if self.budget.n_renders <= self.wanted[len(self.taken)]:
                break
            self.taken.append((self.best[0], self.budget.elapsed()))
        super().offer(candidate)

    def finished(self, seconds: float) -> list[tuple[Candidate, float]]:
        """All of them, at the end of the run."""
        return self.taken + [(self.best[0], seconds)] * (len(self.wanted) - len(self.taken))


def _measured(job: Job) -> list[Row]:
    first = job.blanks[0]
    target, _ = read_sound(job.sound, known_note=True)
    wanted = tuple(blank.renders for blank in job.blanks)
    budget = Budget(None, wanted[-1])
    board = _Checkpoints(budget, wanted=wanted)
    with Evaluator([target], functools.partial(open_host, job.where), workers=1, board=board) as evaluator:
        info = evaluator.wait_ready()
        budget.restart()
        library = library_of(job.where, 1)(info) if first.start == "warm" else None
        starts = _starts(first.start, job.sound, target, library)
        evaluator.measure(candidates(starts, target.note, first.start, Constraints()))
        if first.optimizer == PYCMA:
            _pycma(evaluator, wanted[-1], first.seed)
        else:
            with _as_method(first.optimizer) as method:
                search_around(evaluator, Constraints(), extra=NOISEMAKER.extra, method=method, seed=first.seed)
        found = board.finished(budget.elapsed())
        rendered = list(evaluator.render([candidate for candidate, _ in found]))
    judged, floor = EqualLoudnessMss([target.audio], SAMPLE_RATE), floor_mss(job.sound, target, host_of(job.where))
    return [
        replace(
            blank,
            loss=candidate.loss,
            mss=None if audios is None else judged.measure(audios)[0],
            floor=floor,
            seconds=seconds,
        )
        for blank, (candidate, seconds), audios in zip(job.blanks, found, rendered, strict=True)
    ]


def _starts(start: str, sound: Sound, target: Target, library: Library | None) -> list[Patch]:
    if start == "near":
        assert sound.patch is not None
        return around(sound.patch)
    nearest = [] if library is None else library.nearest(target.audio, target.note, min(WARM_STARTS, len(library)))
    return [*nearest, TABLE.default]


def around(patch: Patch) -> list[Patch]:
    """The patch with some continuous knobs moved; always the same patches."""
    rng = np.random.default_rng(0)
    shape = (NEAR_STARTS, len(TABLE.parameters))
    moves = (rng.random(shape) < NEAR_MOVED) * rng.normal(0.0, NEAR_STEP, shape)
    moves[:, [row.discrete for row in TABLE.parameters]] = 0.0
    return [
        Patch(TABLE, tuple(np.clip(np.array(patch.knobs) + move, 0.0, 1.0).tolist()), patch.extra) for move in moves
    ]


@contextmanager
def _as_method(optimizer: str) -> Iterator[str]:
    """Add an optimiser to the search methods for a while; yields its name."""
    known = optimizer in METHODS
    METHODS[optimizer] = phases(optimizer)
    try:
        yield optimizer
    finally:
        if not known:
            del METHODS[optimizer]


def _pycma(evaluator: Evaluator, most: int, seed: int) -> None:
    """CMA-ES with its default settings in the whole space, from the best start."""
    cma = importlib.import_module("cma")  # has no type hints
    start, budget = evaluator.board.best[0], evaluator.budget
    space = space_of(start, Constraints(), Phase(PYCMA), gate=True, extra=NOISEMAKER.extra)
    options = {"bounds": [0.0, 1.0], "seed": seed + 1, "verbose": -9, "maxfevals": most}
    strategy = cma.CMAEvolutionStrategy(space.encode(space.base), PYCMA_SIGMA, options)
    while budget.n_renders < most:
        codes = strategy.ask()
        generation = [space.decode(code) for code in codes[: most - budget.n_renders]]
        futures = [evaluator.submit(candidate) for candidate in generation]
        losses = []
        for candidate, future in zip(generation, futures, strict=True):
            measured = evaluator.take(candidate, future)
            losses.append(_FAILED_LOSS if measured is None else measured.loss)
        if len(losses) == len(codes):
            strategy.tell(codes, losses)


def _numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(int(part) for part in text.split(","))
    if min(numbers) <= WARM_STARTS:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: numbers above {WARM_STARTS}, which a warm start takes")
    return numbers
