"""The methods of ``refine`` at equal wall clock: is each stage worth its time?

See ``benchmarks.product.methods`` for the methods. Each is judged as ``refine`` judges itself: by clean renders of its
best candidates, by MSS at equal loudness. Rows are appended to a CSV file, and rows that exist are skipped, so a run
can be stopped, resumed and divided among machines. A method that cannot run gives a row that says why.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.clocks import WALL, add_clock_arguments
from benchmarks.common.runs import Row
from benchmarks.common.summary import summary, write_plot
from benchmarks.common.table import OK, Table, machine, run_jobs
from benchmarks.common.targets import (
    Sound,
    add_target_arguments,
    check_counts,
    chosen_sounds,
    host_label,
    library_of,
    names_of,
)
from benchmarks.product.methods import DEFAULT_METHODS, METHODS, Job, Method, do_job, failed_job
from render.noisemaker.hosts import open_host

SEEDED_TARGETS = 8
"""Number of targets of each set that are run with every seed; the others are run with one."""
SMALL: Mapping[str, Any] = {"sets": ("prior",), "count": 2, "seconds": (3.0,), "seeds": 1}
"""Values of the arguments with ``--small``."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_run_arguments(parser)
    parser.add_argument(
        "--methods", type=names_of(METHODS), default=DEFAULT_METHODS, metavar="A,B,C", help=f"of {', '.join(METHODS)}"
    )
    parser.add_argument("--plot", type=Path, metavar="SVG", help="plot the medians against the budget")
    parser.add_argument("--report-only", action="store_true", help="only summarise the rows of --csv")


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a benchmark that makes runs."""
    add_target_arguments(parser)
    parser.add_argument("--seconds", type=_budgets, default=(10.0, 30.0, 60.0), metavar="S,S", help="default: 10,30,60")
    parser.add_argument(
        "--seeds",
        type=int,
        default=3,
        help=f"number of seeds for the first {SEEDED_TARGETS} targets of each set (default: 3)",
    )
    parser.add_argument("--workers", type=int, default=2, help="workers of each run (default: 2)")
    parser.add_argument(
        "--side-by-side", type=int, default=1, metavar="N", help="number of runs at the same time (default: 1)"
    )
    add_clock_arguments(parser)
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="file that rows are appended to; rows in it are skipped"
    )
    parser.add_argument("--small", action="store_true", help="a quick run: two targets of the prior, 3 s, one seed")


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
    """Make the runs that the arguments of ``add_run_arguments`` ask for, unless the table has them."""
    if arguments.small:
        vars(arguments).update(SMALL)
    check_counts(arguments, "count", "seeds", "workers", "side_by_side", "cores")
    host = open_host(arguments.plugin)
    sounds = chosen_sounds(arguments, host)
    if any(method.library for method in methods.values()):
        library_of(arguments.plugin, arguments.workers)(host.info)  # rendered before the first run
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
            machine=machine() if arguments.clock == WALL else f"{machine()}; {arguments.cores} cores of processor time",
        )
        for seed in range(arguments.seeds)
        for budget in arguments.seconds
        for sound in _seeded(sounds, seed)
        for name in methods
    )
    by_name = {(sound.set, sound.name): sound for sound in sounds}
    jobs = [
        Job(
            by_name[blank.set, blank.target],
            methods[blank.method],
            blank,
            arguments.plugin,
            arguments.known_note,
            arguments.clock,
            arguments.cores,
        )
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
