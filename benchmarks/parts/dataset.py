"""The cost of making a data set, relative to bare renders of the same patches, and the memory of its workers.

The same rows are made as a data set (with refused draws, FLAC files and shards) and rendered by bare hosts, one per
worker, that discard the audio. Both start warm, in one run.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from render.data.dataset import make_dataset, make_worker, plan
from render.data.rows import EncodedRow
from render.data.shards import Dataset
from render.hosts.pool import Pool
from render.instruments.host import Host
from render.instruments.patch import Patch
from render.noisemaker.hosts import open_host
from render.note import Note

WARM_UP_SEED = 10**6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--plugin", default="embedded", metavar="PATH|embedded")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--shard-size", type=int, default=25, help="renders per shard (default: 25, as in the tests)")
    parser.add_argument("--workers", type=int, default=2)


class _Worker:
    """Makes a row of the set; or renders a list of patches and returns the seconds that it took."""

    def __init__(self, where: str, seed: int) -> None:
        self._host: Host = open_host(where)
        self._make_row = make_worker(lambda: self._host, seed)

    def __call__(self, job: int | list[tuple[Patch, Note]]) -> EncodedRow | float:
        if isinstance(job, int):
            return self._make_row(job)
        began = time.perf_counter()
        for patch, note in job:
            self._host.render(patch, note)
        return time.perf_counter() - began


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    workers, seed = arguments.workers, 3
    manifest = plan(open_host(arguments.plugin).info, seed=seed, count=arguments.count, shard_size=arguments.shard_size)
    worker: Callable[[], _Worker] = functools.partial(_Worker, arguments.plugin, seed)
    with tempfile.TemporaryDirectory() as folder, Pool(worker, workers, seconds_per_job=3600.0) as pool:
        pool.wait_ready()
        list(pool.map(range(WARM_UP_SEED, WARM_UP_SEED + 200)))  # compiles every program in every worker
        before = [_resident_megabytes(pid) for pid in pool.pids]
        began = time.perf_counter()
        complete = make_dataset(Path(folder), manifest, pool.map)  # type: ignore[arg-type]
        seconds = time.perf_counter() - began
        after = [_resident_megabytes(pid) for pid in pool.pids]
        shards = Dataset(Path(folder)).shards
        rows = [(shard.patch(k), shard.note(k)) for shard in shards for k in range(len(shard))]
        parts = [pool.submit(rows[k::workers]) for k in range(workers)]
        bare = max(float(part.result()) for part in parts)  # type: ignore[arg-type]
    refused = sum((complete.refused or {}).values())
    count = arguments.count
    print(f"data set: {count} rows and {refused} refused draws in {seconds:.1f} s, {count / seconds:.1f} rows/s")
    print(f"bare renders of its {count} patches, {workers} workers: {bare:.1f} s, {count / bare:.1f} renders/s")
    print(
        f"ratio {seconds / bare:.2f}   (bar: 1.30); per draw {seconds / bare * count / (count + refused):.2f}   (1.25)"
    )
    print(f"memory of the workers: {before} MB before, {after} MB after")
    return 0


def _resident_megabytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return round(pages * 4096 / 1e6)
