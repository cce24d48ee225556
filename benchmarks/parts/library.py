"""The MSS between golden factory renders and the library's closest patches.

The closest patches by fingerprint are rendered with the golden row's note and compared with it, with levels matched by
energy: the median over rows of the best of the first 1, 8 and 64.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.common.rows import judging
from benchmarks.parts.prior import LevelMatchedMss
from render.data.library import read_library
from render.errors import FormatError
from render.hosts.pool import Pool
from render.instruments.host import Host
from render.instruments.patch import Patch
from render.measures.golden import GoldenRow, read_rows
from render.noisemaker.hosts import open_host
from render.noisemaker.instrument import NOISEMAKER

RANKS = (1, 8, 64)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, default=40, metavar="N", help="number of golden rows")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--host", default="embedded", metavar="embedded|PATH")
    parser.add_argument("--file", type=Path, default=NOISEMAKER.library, help="library (default: the project's own)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    rows = judging(read_rows(arguments.golden), arguments.count)
    make_host = functools.partial(open_host, arguments.host)
    started = time.monotonic()
    assert NOISEMAKER.prior is not None
    library = read_library(arguments.file, NOISEMAKER.table, NOISEMAKER.prior)
    if library is None:
        raise FormatError(f"{arguments.file} is not a library of this table and prior")
    print(f"{len(library)} patches at notes {library.notes}, opened in {time.monotonic() - started:.1f} s")
    started = time.monotonic()
    nearest = [library.nearest(row.audio(), row.note, RANKS[-1]) for row in rows]
    print(f"{(time.monotonic() - started) / len(rows) * 1000:.0f} ms per clip for its {RANKS[-1]} closest patches")
    jobs = [(k, patch) for k, patches in enumerate(nearest) for patch in patches]
    with Pool(functools.partial(_make_worker, make_host, rows), arguments.workers) as pool:
        found = [result for result in pool.map(jobs) if isinstance(result, float)]
    distances = np.array(found).reshape(len(rows), -1)
    for rank in RANKS:
        best = distances[:, :rank].min(axis=1)
        low, median, high = np.quantile(best, (0.25, 0.5, 0.75))
        print(f"best of the closest {rank:2}: median MSS {median:.2f} dB (quartiles {low:.2f}, {high:.2f})")
    return 0


def _make_worker(make_host: Callable[[], Host], rows: list[GoldenRow]) -> Callable[[tuple[int, Patch]], float]:
    host = make_host()
    targets = [LevelMatchedMss(row.audio()) for row in rows]

    def distance(job: tuple[int, Patch]) -> float:
        k, patch = job
        return targets[k].distance(host.render(patch, rows[k].note, clean=False))

    return distance
