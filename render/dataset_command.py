"""``python -m render dataset`` makes a data set; ``python -m render summary`` checks and describes one."""

from __future__ import annotations

import argparse
import functools
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from render.dataset import SHARD_SIZE, Progress, make_dataset, make_worker, on_executor, plan
from render.errors import HostError, ReconstructError
from render.host import Host, open_host
from render.patch import Patch
from render.pool import Pool
from render.shards import Dataset, Manifest

DEFAULT_SEED = 1
"""Not the library's."""
_ROWS_AHEAD = 4
"""In flight on a cluster, per thread of it."""
_SECONDS_BETWEEN_LINES = 10.0
"""Of progress, where it is not a terminal."""
_SECONDS_TO_CONNECT = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m render dataset``."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder; continued if it is interrupted")
    parser.add_argument("--count", type=int, required=True, metavar="N", help="number of renders")
    parser.add_argument("--host", default="embedded", metavar="embedded|PATH")
    parser.add_argument("--workers", type=int, default=2, metavar="W", help="processes (default: 2)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, metavar="S", help=f"default: {DEFAULT_SEED}")
    parser.add_argument("--shard-size", type=int, default=SHARD_SIZE, metavar="N", help=f"default: {SHARD_SIZE}")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="render on a Dask cluster instead (needs the package 'distributed')"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(arguments: argparse.Namespace) -> int:
    """Make a data set, or what is missing of it."""
    make_host = functools.partial(open_host, arguments.host)
    host = make_host()
    manifest = plan(host.info, seed=arguments.seed, count=arguments.count, shard_size=arguments.shard_size)
    host.close()
    progress = None if arguments.quiet else _ProgressLine()
    try:
        if arguments.scheduler is not None:
            complete = _on_dask(arguments.scheduler, arguments.out, manifest, make_host, progress)
        else:
            with Pool(functools.partial(make_worker, make_host, manifest.seed), arguments.workers) as pool:
                complete = make_dataset(arguments.out, manifest, pool.map, progress)
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
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
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise ReconstructError("--scheduler needs the package 'distributed' (pip install distributed)") from error
    try:
        client = distributed.Client(address, timeout=_SECONDS_TO_CONNECT)
    except (OSError, ValueError) as error:
        raise HostError(f"no Dask scheduler answers at {address!r}: {error}") from error
    with client:
        ahead = max(_ROWS_AHEAD * sum(client.nthreads().values()), 1)
        render_all = on_executor(client.get_executor(), make_host, manifest.seed, ahead)
        return make_dataset(folder, manifest, render_all, progress)


def add_summary_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m render summary``."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--verify", action="store_true", help="read every byte and compare with the manifest")


def run_summary(arguments: argparse.Namespace) -> int:
    """Print what a data set holds."""
    dataset = Dataset(arguments.folder)
    if arguments.verify:
        for _ in dataset.verify():
            pass
        print("every shard is what was written")
    print(summary(dataset))
    return 0


def summary(dataset: Dataset) -> str:
    """What a data set holds, as lines of text."""
    manifest = dataset.manifest
    refused = manifest.refused or {}
    n_draws = len(dataset) + sum(refused.values())
    n_bytes = sum(shard.path.stat().st_size for shard in dataset.shards)
    lines = [
        f"{len(dataset)} renders, {dataset.seconds.sum() / 3600:.2f} hours, {n_bytes / 1e6:.0f} MB",
        f"host {manifest.host['name']} {manifest.host['version']}, seed {manifest.seed}, prior {manifest.prior_hash}",
        f"refused of {n_draws} draws: " + ", ".join(f"{n / n_draws:.1%} {reason}" for reason, n in refused.items()),
    ]
    columns = {
        "note": dataset.numbers,
        "velocity": dataset.velocities,
        "gate / s": dataset.gate_seconds,
        "length / s": dataset.seconds,
        "peak / dB": 20.0 * np.log10(dataset.gains),
    }
    lines.append(f"{'':12}" + "".join(f"{name:>9}" for name in ("5 %", "25 %", "median", "75 %", "95 %")))
    for name, values in columns.items():
        quantiles = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
        lines.append(f"{name:12}" + "".join(f"{value:9.2f}" for value in quantiles))
    patches = [shard.patch(k) for shard in dataset.shards for k in range(len(shard))]
    shares = {name: np.mean([condition(patch) for patch in patches]) for name, condition in _SHARES.items()}
    lines.append("share with " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()))
    return "\n".join(lines)


_SHARES: dict[str, Callable[[Patch], bool]] = {
    "osc 1": lambda patch: patch["osc1volume"] > 0.0,
    "osc 2": lambda patch: patch["osc2volume"] > 0.0,
    "sub": lambda patch: patch["osc3volume"] > 0.0,
    "noise": lambda patch: "noise" in (patch.choice("osc1waveform"), patch.choice("osc2waveform")),
    "sync": lambda patch: patch.choice("oscsync") == "on",
    "FM": lambda patch: patch["osc2fm"] > 0.0,
    "ring modulation": lambda patch: patch["ringmodulation"] > 0.0,
    "LFO 1": lambda patch: patch.sounds("lfo1rate"),
    "LFO 2": lambda patch: patch.sounds("lfo2rate"),
    "AD": lambda patch: patch.sounds("freeaddecay"),
    "envelope editor": lambda patch: patch.sounds("envelopeeditorspeed"),
    "drive": lambda patch: patch["filterdrive"] > 0.0,
    "delay": lambda patch: patch["delaywet"] > 0.0,
    "chorus": lambda patch: "on" in (patch.choice("chorus1enable"), patch.choice("chorus2enable")),
    "reverb": lambda patch: patch["reverbwet"] > 0.0,
}


class _ProgressLine:
    """One line on stderr: rows, renders per second of this run, time left; rewritten in place on a terminal."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._first: tuple[float, int] | None = None
        self._shown = -np.inf

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
        """Leave the line."""
        if self._terminal and self._first is not None:
            print(file=sys.stderr)
