"""The cost of an evaluation relative to the render in it.

The search runs for a number of renders; then bare hosts, one per worker, render the same patches without measuring
them.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.common.rows import judging
from benchmarks.common.step_cost import print_costs
from inference.budget import Budget
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.constraints import Constraints
from inference.evaluate import Evaluator
from inference.leaderboard import Leaderboard
from inference.stages.search import search_around
from render.audio import Audio
from render.errors import FileError
from render.files import write_text
from render.hosts.pool import Pool
from render.instruments.host import Host
from render.instruments.patch import Patch
from render.measures.distance import TargetDistance
from render.measures.golden import GoldenRow, read_rows
from render.measures.metrics import MssTarget
from render.noisemaker.hosts import open_host
from render.noisemaker.instrument import NOISEMAKER
from render.note import SAMPLE_RATE, Note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--golden", type=Path, metavar="DIR", help="folder of golden renders as targets (default: draws of the prior)"
    )
    parser.add_argument("--plugin", default="embedded", metavar="PATH|embedded")
    parser.add_argument("--renders", type=int, default=400, help="renders of each search")
    parser.add_argument("--targets", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--against",
        metavar="PATH",
        help="compare the cost of renders with this plug-in's, over the golden factory rows",
    )
    parser.add_argument("--csv", type=Path, help="write the rows of the comparison with --against")
    parser.add_argument(
        "--proxy", action="store_true", help="measure a step of the descent, compared with auraloss's loss"
    )


@dataclass
class _RecordingBoard(Leaderboard):
    seen: list[Candidate] = field(default_factory=list)

    def offer(self, candidate: Candidate) -> None:
        self.seen.append(candidate)
        super().offer(candidate)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if arguments.against is not None:
        return _compare_hosts(arguments)
    if arguments.proxy:
        if arguments.golden is None:
            raise FileError("--proxy needs --golden")
        print_costs(arguments.golden, arguments.plugin, arguments.workers)
        return 0
    evaluated = bare = 0.0
    count = 0
    print(f"{'target':28} evaluations/s  bare renders/s  ratio")
    for name, patch, note, audio in _targets(arguments):
        target = Target(name, audio, note, pitched=True, gate_fixed=False, onset_seconds=0.0)
        candidates, seconds = _search(target, patch, arguments)
        alone = _bare(candidates, arguments)
        print(
            f"{name[:28]:28} {len(candidates) / seconds:13.1f} {len(candidates) / alone:15.1f} {alone / seconds:6.2f}"
        )
        evaluated, bare, count = evaluated + seconds, bare + alone, count + len(candidates)
    print(f"{'all':28} {count / evaluated:13.1f} {count / bare:15.1f} {bare / evaluated:6.2f}   (bar: 0.70)")
    _distance_costs(audio)
    return 0


def _targets(arguments: argparse.Namespace) -> list[tuple[str, Patch, Note, Audio]]:
    if arguments.golden is not None:
        rows = judging(read_rows(arguments.golden), arguments.targets)
        return [(row.name, row.patch, row.note, row.audio().mean(axis=0, keepdims=True)) for row in rows]
    from render.noisemaker.prior import draw

    host = open_host(arguments.plugin)
    note = Note(60, 100, 1.0, 2.0)
    patches = [draw(17, index)[0] for index in range(arguments.targets)]
    return [
        (f"prior {index}", patch, note, host.render(patch, note).mean(axis=0, keepdims=True))
        for index, patch in enumerate(patches)
    ]


def _search(target: Target, patch: Patch, arguments: argparse.Namespace) -> tuple[list[Candidate], float]:
    budget = Budget(None, arguments.renders)
    board = _RecordingBoard(budget)
    make_host = functools.partial(open_host, arguments.plugin)
    with Evaluator([target], make_host, workers=arguments.workers, board=board) as evaluator:
        evaluator.wait_ready()
        evaluator.measure([Candidate(patch, target.note)] * arguments.workers)  # compiled, cached, warm
        board.seen.clear()
        budget.n_renders = 0
        began = time.perf_counter()
        search_around(evaluator, Constraints(), extra=NOISEMAKER.extra, good_enough=-1.0)  # it starts from the answer
        return board.seen, time.perf_counter() - began


class _BareWorker:
    def __init__(self, where: str) -> None:
        self._host = open_host(where)

    def __call__(self, candidates: list[Candidate]) -> float:
        began = time.perf_counter()
        for candidate in candidates:
            self._host.render(candidate.patch, candidate.note, clean=False)
        return time.perf_counter() - began


def _bare(candidates: list[Candidate], arguments: argparse.Namespace) -> float:
    """Seconds that bare hosts need for the candidates, in parallel."""
    make_worker: Callable[[], _BareWorker] = functools.partial(_BareWorker, arguments.plugin)
    workers = arguments.workers
    with Pool(make_worker, workers, seconds_per_job=600.0) as pool:
        pool.wait_ready()
        for future in [pool.submit(candidates[:1]) for _ in range(workers)]:
            future.result()
        parts = [pool.submit(candidates[number::workers]) for number in range(workers)]
        return max(part.result() for part in parts)


def _distance_costs(audio: Audio) -> None:
    other = np.repeat(np.roll(audio, 999, axis=1), 2, axis=0)
    search_distance, mss = TargetDistance(audio), MssTarget(audio, SAMPLE_RATE)
    for name, measure in (
        ("search distance", lambda: search_distance.measure(other)),
        ("MSS", lambda: mss.distance(other)),
    ):
        times = []
        for _ in range(20):
            began = time.perf_counter()
            measure()
            times.append(time.perf_counter() - began)
        print(
            f"{name}: median {1e3 * float(np.median(times)):.1f} ms for {audio.shape[1] / SAMPLE_RATE:.1f} s of audio"
        )


def _compare_hosts(arguments: argparse.Namespace) -> int:
    """Compare the processor time of warm, fast renders on two hosts, the better of two each."""
    if arguments.golden is None:
        raise FileError("--against needs --golden")
    rows = judging(read_rows(arguments.golden), 10**6, held_out_only=False)
    hosts = [open_host(arguments.plugin), open_host(arguments.against)]
    costs = np.array([[_cost(host, row) for host in hosts] for row in rows])  # (rows, 2), seconds
    if arguments.csv is not None:
        lines = [f"{row.name},{1e3 * a:.2f},{1e3 * b:.2f}" for row, (a, b) in zip(rows, costs, strict=True)]
        write_text(arguments.csv, "\n".join(["name,milliseconds,milliseconds_against", *lines]) + "\n")
    for host, values in zip(hosts, costs.T, strict=True):
        median, high = np.quantile(values, [0.5, 0.9])
        info = host.info
        print(
            f"{info.kind:9} {info.name} {info.version}: mean {1e3 * values.mean():.1f} ms, median {1e3 * median:.1f}, "
            f"90 % {1e3 * high:.1f}, {1.0 / values.mean():.0f} renders of 2 s per second and core"
        )
        host.close()
    means = costs.mean(axis=0)
    print(f"ratio of the means over {len(rows)} factory patches: {means[0] / means[1]:.2f}   (bar: 1.20)")
    return 0


def _cost(host: Host, row: GoldenRow) -> float:
    host.render(row.patch, row.note, clean=False)  # compiled, loaded, warm
    times = []
    for _ in range(2):
        began = time.process_time()
        host.render(row.patch, row.note, clean=False)
        times.append(time.process_time() - began)
    return min(times)
