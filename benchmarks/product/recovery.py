"""Gradient descent on the proxy from perturbed golden patches, judged by renders of a host.

Each patch has eight starts, in which every audible descended knob is moved by up to a given distance, drawn uniformly.
The gap is that between the closest of the eight starts and the floor, the true patch on the same host, in MSS against
the golden render at equal loudness. ``Before any guard`` means the closest of the end points of the descent, even if
it is worse than the start. As in a run, a second descent on the judging measure goes on from the end points.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.common.rows import judging
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.constraints import Constraints
from inference.evaluate import Evaluator
from inference.ports import DescentJob
from inference.stages.descended import free_knobs
from inference.stages.descender import ProxyDescender
from inference.stages.proxy_descent import Path as Descended
from inference.stages.proxy_descent import Settings, descend
from proxy.synth.weights import load_corrections
from render.files import write_csv
from render.measures.golden import GoldenRow, read_rows
from render.measures.loudness import EqualLoudnessMss
from render.noisemaker.hosts import open_host
from render.note import SAMPLE_RATE

CANDIDATES = 8
CLOSED = 0.75
BARS = {0.15: 0.70, 0.3: 0.50}
COLUMNS = ("name", "distance", "start", "descended", "guarded", "closing", "floor", "closed", "steps", "seconds")


@dataclass(frozen=True)
class Row:
    """The recovery of one patch.

    Attributes:
        name: name of the golden render.
        distance: how far the knobs of the starts were moved at most.
        start: MSS in dB of the closest start.
        descended: of the closest end point of the descent.
        guarded: of the closest of all that was rendered until then.
        closing: of the closest after the descent on the judging measure.
        floor: of the true patch.
        steps: steps of the first descent.
        seconds: its duration.
    """

    name: str
    distance: float
    start: float
    descended: float
    guarded: float
    closing: float
    floor: float
    steps: int
    seconds: float

    @property
    def closed(self) -> float:
        """Share of the gap that is closed in the end."""
        return self._share(self.closing)

    @property
    def closed_first(self) -> float:
        """Share of the gap that the first descent closes."""
        return self._share(self.guarded)

    def _share(self, end: float) -> float:
        """Share of the gap; 1 if there is no gap."""
        gap = self.start - self.floor
        return (self.start - end) / gap if gap > 0.0 else 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR")
    parser.add_argument("--plugin", default="embedded", metavar="PATH|embedded")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--distances", type=float, nargs="+", default=list(BARS))
    parser.add_argument("--steps", type=int, default=Settings.steps)
    parser.add_argument("--rate", type=float, default=Settings.rate)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--csv", type=Path)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    torch.set_num_threads(1)
    corrections = load_corrections()
    settings = Settings(steps=arguments.steps, rate=arguments.rate)
    closer = ProxyDescender(corrections, threads=arguments.workers)
    found: list[Row] = []
    for row in judging(read_rows(arguments.golden), arguments.count):
        target = Target(row.name, _clip(row), row.note, pitched=True, gate_fixed=True, onset_seconds=0.0)
        make_host = functools.partial(open_host, arguments.plugin)
        with Evaluator([target], make_host, workers=arguments.workers) as evaluator:
            for distance in arguments.distances:
                starts = _starts(row, distance, evaluator)
                began = time.perf_counter()
                job = DescentJob(starts, [target], Constraints())
                paths = descend(job, corrections=corrections, settings=settings, threads=arguments.workers)
                seconds = time.perf_counter() - began
                ends = evaluator.measure(path.kept[-1] for path in paths if path.kept)
                closing = closer.descend(DescentJob(ends, [target], Constraints(), judged=True)).candidates
                found.append(_judged(row, distance, target, starts, paths, closing, seconds, evaluator))
                one = found[-1]
                print(
                    f"{one.name[:26]:26} {distance:4.2f}: start {one.start:5.2f}  descended {one.descended:5.2f}  "
                    f"guarded {one.guarded:5.2f}  closing {one.closing:5.2f}  floor {one.floor:5.2f}  "
                    f"closed {one.closed:5.0%}  {one.steps} steps, {seconds:.1f} s",
                    flush=True,
                )
    for distance in arguments.distances:
        _summary(distance, [row for row in found if row.distance == distance])
    if arguments.csv is not None:
        cells = ([f"{v:.4g}" if isinstance(v := getattr(row, c), float) else v for c in COLUMNS] for row in found)
        write_csv(arguments.csv, [COLUMNS, *cells])
    return 0


def _summary(distance: float, rows: list[Row]) -> None:
    closed = np.mean([row.closed >= CLOSED for row in rows])
    first = np.mean([row.closed_first >= CLOSED for row in rows])
    worse = np.mean([row.descended > row.start for row in rows])
    medians = [
        float(np.median([getattr(row, name) for row in rows])) for name in ("start", "guarded", "closing", "floor")
    ]
    bar = f" (bar {BARS[distance]:.0%})" if distance in BARS else ""
    print(
        f"knobs within {distance:g}, {len(rows)} patches: {CLOSED:.0%} of the gap closed on {closed:.0%}{bar}, "
        f"by the first descent on {first:.0%}; "
        f"worse than the start before any guard {worse:.0%} (bar 10%), after it "
        f"{np.mean([row.guarded > row.start for row in rows]):.0%}; median MSS {medians[0]:.2f} -> {medians[1]:.2f} -> "
        f"{medians[2]:.2f}, floor {medians[3]:.2f}; median {np.median([row.seconds for row in rows]):.1f} s"
    )


def _clip(row: GoldenRow) -> np.ndarray:
    audio = row.audio()
    return audio if row.stereo else audio[:1]


def _starts(row: GoldenRow, distance: float, evaluator: Evaluator) -> list[Candidate]:
    names = sorted(free_knobs(row.patch, Constraints()))
    rng = np.random.default_rng([round(1000 * distance), *row.name.encode()])
    starts = []
    for _ in range(CANDIDATES):
        moves = rng.uniform(-distance, distance, len(names))
        knobs = {
            name: float(np.clip(row.patch[name] + move, 0.0, 1.0)) for name, move in zip(names, moves, strict=True)
        }
        starts.append(Candidate(row.patch.with_knobs(knobs), row.note))
    return evaluator.measure(starts)


def _judged(
    row: GoldenRow,
    distance: float,
    target: Target,
    starts: list[Candidate],
    paths: list[Descended],
    closing: Sequence[Candidate],
    seconds: float,
    evaluator: Evaluator,
) -> Row:
    judged = EqualLoudnessMss([target.audio], SAMPLE_RATE)

    def closest(candidates: Sequence[Candidate]) -> float:
        levelled = evaluator.measure(candidates)
        return min(judged.measure(audios)[0] for audios in evaluator.render(levelled) if audios is not None)

    start = closest(starts)
    descended = closest([path.kept[-1] if path.kept else path.start for path in paths])
    on_the_way = [candidate for path in paths for candidate in path.kept]
    guarded = min(start, descended, closest(on_the_way) if on_the_way else start)
    closest_at_last = min(guarded, closest(closing) if closing else guarded)
    steps = max(len(path.losses) - 1 for path in paths)
    floor = closest([Candidate(row.patch, row.note)])
    return Row(row.name, distance, start, descended, guarded, closest_at_last, floor, steps, seconds)
