"""``python -m render dataset``: make a data set, or complete one."""

from __future__ import annotations

import argparse
import functools
import math
import sys
import time
from pathlib import Path

from render.data.dataset import SHARD_SIZE, Progress, make_dataset, make_worker, on_executor, plan
from render.data.manifest import Manifest
from render.hosts.cluster import dask_client
from render.hosts.pool import Pool
from render.instruments.host import Host
from render.synths import DEFAULT_SYNTH, SYNTHS, synth

DEFAULT_SEED = 1
"""Differs from the library's."""
_ROWS_AHEAD = 4
"""Rows in flight for each thread of a cluster."""
_SECONDS_BETWEEN_LINES = 10.0
"""Time between lines of progress if the output is not a terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder to write; an interrupted run is continued"
    )
    parser.add_argument("--count", type=int, required=True, metavar="N", help="number of renders")
    parser.add_argument("--synth", choices=SYNTHS, default=DEFAULT_SYNTH, help=f"default: {DEFAULT_SYNTH}")
    parser.add_argument("--host", default="embedded", metavar="embedded|PATH")
    parser.add_argument("--workers", type=int, default=2, metavar="W", help="processes (default: 2)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, metavar="S", help=f"default: {DEFAULT_SEED}")
    parser.add_argument("--shard-size", type=int, default=SHARD_SIZE, metavar="N", help=f"default: {SHARD_SIZE}")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="render on a Dask cluster instead (needs the package 'distributed')"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def run(arguments: argparse.Namespace) -> int:
    """Make a data set, or complete one; returns the exit code."""
    instrument = synth(arguments.synth)
    make_host = functools.partial(instrument.hosts.open_host, arguments.host)
    host = make_host()
    size = {"count": arguments.count, "shard_size": arguments.shard_size}
    manifest = plan(host.info, seed=arguments.seed, **size, instrument=instrument)
    host.close()
    progress = None if arguments.quiet else _ProgressLine()
    try:
        if arguments.scheduler is not None:
            complete = _on_dask(arguments.scheduler, arguments.out, manifest, make_host, progress)
        else:
            with Pool(
                functools.partial(make_worker, make_host, manifest.seed, instrument.name), arguments.workers
            ) as pool:
                complete = make_dataset(arguments.out, manifest, pool.map, progress)
    except KeyboardInterrupt:
        print("\nstopped; run the same command to continue", file=sys.stderr)
        return 130
    finally:
        if progress is not None:
            progress.end()
    refused = complete.refused or {}
    print(
        f"{arguments.out}: {complete.count} renders in {complete.n_shards} shards; refused draws: {refused or 'none'}"
    )
    return 0


def _on_dask(
    address: str, folder: Path, manifest: Manifest, make_host: functools.partial[Host], progress: Progress | None
) -> Manifest:
    with dask_client(address) as client:
        ahead = max(_ROWS_AHEAD * sum(client.nthreads().values()), 1)
        render_all = on_executor(client.get_executor(), make_host, manifest.seed, ahead, manifest.instrument.name)
        return make_dataset(folder, manifest, render_all, progress)


class _ProgressLine:
    """Progress on stderr: rows, renders per second, time left; on a terminal one line that is rewritten."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._first: tuple[float, int] | None = None
        self._shown = -math.inf

    def __call__(self, done: int, count: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now, done
        if now - self._shown < (0.2 if self._terminal else _SECONDS_BETWEEN_LINES) and done < count:
            return
        self._shown = now
        rate = (done - self._first[1]) / max(now - self._first[0], 1e-9)
        left = f"{(count - done) / rate / 60.0:.1f} min left" if rate > 0.0 else "..."
        line = f"{done} of {count} renders, {rate:.1f} per second, {left}"
        print(
            f"\r{line:60}" if self._terminal else line, end="" if self._terminal else "\n", file=sys.stderr, flush=True
        )

    def end(self) -> None:
        """Finish the line."""
        if self._terminal and self._first is not None:
            print(file=sys.stderr)
