"""The MSS between golden factory renders and the library's closest patches.

The closest patches by fingerprint are rendered with the golden row's note and compared with it, with levels matched by
energy: the best of the first 1, 8 and 64. With ``--sizes`` libraries of the first patches are compared by the best of
the first 16.
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
from render.errors import FormatError, HostError, OutOfRange
from render.held_out import held_out
from render.hosts.pool import Pool
from render.instruments.host import Host
from render.instruments.patch import Patch
from render.measures.golden import GoldenRow, read_rows
from render.noisemaker.hosts import open_host
from render.noisemaker.instrument import NOISEMAKER

RANKS = (1, 8, 64)
SIZES_RANK = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, default=40, metavar="N", help="number of golden rows")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--host", default="embedded", metavar="embedded|PATH")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[], metavar="N", help="compare libraries of the first N patches as well"
    )
    parser.add_argument("--not-held-out", action="store_true", help="rows that are not held out, for choosing")
    parser.add_argument("--file", type=Path, default=NOISEMAKER.library, help="library (default: the project's own)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    rows = read_rows(arguments.golden)
    if arguments.not_held_out:
        rows = [row for row in rows if not held_out(row.name)]
    rows = judging(rows, arguments.count, held_out_only=not arguments.not_held_out)
    make_host = functools.partial(open_host, arguments.host)
    assert NOISEMAKER.prior is not None
    NOISEMAKER.prior.hash()  # it is needed once in a process
    started = time.monotonic()
    library = read_library(arguments.file, NOISEMAKER.table, NOISEMAKER.prior)
    if library is None:
        raise FormatError(f"{arguments.file} is not a library of this table and prior")
    sizes = sorted(arguments.sizes)
    if sizes and not SIZES_RANK <= sizes[0] <= sizes[-1] <= len(library):
        raise OutOfRange("library size", sizes, f"{SIZES_RANK} to {len(library)}")
    seconds = time.monotonic() - started
    print(f"{len(library)} patches at notes {', '.join(map(str, library.sounds))}, opened in {seconds * 1000:.0f} ms")
    started = time.process_time()
    nearest = [library.nearest(row.audio(), row.note, RANKS[-1]) for row in rows]
    seconds = (time.process_time() - started) / len(rows)
    print(f"{seconds * 1000:.0f} ms of one core per clip for its {RANKS[-1]} closest patches")
    found = {f"best of the closest {rank}": [patches[:rank] for patches in nearest] for rank in RANKS}
    for size in sizes:
        first = library.first(size)
        name = f"best of the closest {SIZES_RANK} among {size}"
        found[name] = [first.nearest(row.audio(), row.note, SIZES_RANK) for row in rows]
    jobs = [list(dict.fromkeys(p for lists in found.values() for p in lists[k])) for k in range(len(rows))]
    with Pool(functools.partial(_make_worker, make_host, rows), arguments.workers) as pool:
        results = pool.map((k, patch) for k, patches in enumerate(jobs) for patch in patches)
        distances = [{patch: _distance(next(results)) for patch in patches} for patches in jobs]
    for name, lists in found.items():
        best = [min(one[patch] for patch in patches) for one, patches in zip(distances, lists, strict=True)]
        low, median, high = np.quantile(best, (0.25, 0.5, 0.75))
        print(f"{name}: MSS mean {np.mean(best):.2f} dB, median {median:.2f} (quartiles {low:.2f}, {high:.2f})")
    return 0


def _distance(result: float | HostError) -> float:
    return result if isinstance(result, float) else np.inf


def _make_worker(make_host: Callable[[], Host], rows: list[GoldenRow]) -> Callable[[tuple[int, Patch]], float]:
    host = make_host()
    targets = [LevelMatchedMss(row.audio()) for row in rows]

    def distance(job: tuple[int, Patch]) -> float:
        k, patch = job
        return targets[k].distance(host.render(patch, rows[k].note, clean=False))

    return distance
