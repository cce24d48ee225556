"""``python -m benchmarks faults``: damaged files, killed processes, full disks and odd machines, many times each.

Every line of the campaign is divided into parts. A part is determined by the seed and its number, and becomes a row of
the CSV file when it is done; a part with a failure is made again by the next run. The bars: no result is lost, no
traceback, nothing hangs, no process is left behind, nothing is printed by libraries, and 3 GB of memory for any input
of 200 MB.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.summary import markdown
from benchmarks.common.table import OK, Table
from benchmarks.faults import endings, limits, machines, reading
from benchmarks.faults.rows import Count, Row
from render.errors import UnknownName

CSV = Path("benchmarks/results/faults.csv")


@dataclass(frozen=True)
class Line:
    """A line of the campaign.

    Attributes:
        name: name in the CSV file and on the command line.
        title: what the table calls it.
        work: does a part: from its number, the seed and the number of cases to what it came to.
        cases: number of cases of a part.
        parts: number of parts by default.
        long_parts: number of parts with ``--long``.
    """

    name: str
    title: str
    work: Callable[[int, int, int], Count]
    cases: int
    parts: int
    long_parts: int


def _properties(part: int, seed: int, count: int) -> Count:
    from benchmarks.faults.properties import properties  # hypothesis comes with the extra "dev" only

    return properties(part, seed, count)


LINES = (
    Line("audio", "damaged audio files", reading.audio_files, 250, 4, 40),
    Line("presets", "damaged presets", reading.preset_files, 500, 2, 20),
    Line("properties", "examples of properties", _properties, 200, 1, 10),
    Line("folders", "damaged clips in folders, with a good one", machines.damaged_folders, 12, 1, 8),
    Line("pool", "killed workers of a pool", endings.killed_workers, 100, 1, 10),
    Line("workers", "killed workers of runs", endings.killed_workers_of_runs, 20, 1, 15),
    Line("killed", "runs ended by SIGKILL, and resumed", endings.killed_runs, 5, 1, 20),
    Line("polite", "runs that are asked to end", endings.polite_ends, 5, 1, 10),
    Line("disk", "full disks", limits.full_disks, 5, 1, 8),
    Line("memory", "capped memory", limits.little_memory, 6, 1, 5),
    Line("large", "files of 200 MB", limits.large_files, 4, 1, 3),
    Line("clock", "jumping clocks", machines.jumping_clocks, 4, 1, 5),
    Line("company", "two or ten runs in one folder", machines.company, 2, 1, 6),
    Line("users", "users on odd machines", machines.unusual_users, len(machines.USERS), 1, 2),
)
"""In the order in which they run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--long", action="store_true", help="every part, which takes hours")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the campaign (default: 0)")
    parser.add_argument("--only", action="append", metavar="LINE", help=", ".join(line.name for line in LINES))
    parser.add_argument("--csv", type=Path, default=CSV, help=f"rows, which are resumed (default: {CSV})")
    parser.add_argument("--table", action="store_true", help="print the table of the rows that are there, and no more")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code: 1 if something was found."""
    names = [line.name for line in LINES]
    for name in arguments.only or ():
        if name not in names:
            raise UnknownName("line", name, names)
    table: Table[Row] = Table(Row, arguments.csv)
    for line in LINES if not arguments.table else ():
        if arguments.only and line.name not in arguments.only:
            continue
        if line.name == "properties" and importlib.util.find_spec("hypothesis") is None:
            print("properties: hypothesis is not installed (pip install -e '.[dev]')")
            continue
        for part in range(line.long_parts if arguments.long else line.parts):
            if table.done((line.name, part, arguments.seed)):
                continue
            began = time.monotonic()
            row = line.work(part, arguments.seed, line.cases).row(
                line.name, part, arguments.seed, time.monotonic() - began
            )
            table.add(row)
            print(
                f"{line.name} {part}: {row.cases} cases, {row.lost} lost, {row.tracebacks} tracebacks, {row.hangs} "
                f"hangs, {row.orphans} orphans, {row.printed} printed, {row.peak_mib:.0f} MiB, {row.seconds:.0f} s"
                f"{'; ' * bool(row.note)}{row.note}",
                flush=True,
            )
    rows = [row for row in table.rows if row.seed == arguments.seed]
    print(as_markdown(rows))
    return int(any(row.status != OK for row in rows))


def as_markdown(rows: Sequence[Row]) -> str:
    """The table of ``docs/reliability.md``."""
    names = ("cases", "lost", "tracebacks", "hangs", "orphans", "printed")
    lines = [["what", "cases", "results lost", "tracebacks", "hangs", "orphans", "printed", "largest process, MiB"]]
    for line in LINES:
        of_line = [row for row in rows if row.line == line.name]
        if of_line:
            peak = max(row.peak_mib for row in of_line)
            sums = [sum(getattr(row, name) for row in of_line) for name in names]
            lines.append(
                [f"{line.title} (`{line.name}`)", *(f"{one:,}" for one in sums), f"{peak:.0f}" if peak else ""]
            )
    return markdown(lines)
