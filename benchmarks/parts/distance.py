"""How well settings of the search distance order patches as MSS does, and which matching of levels suits MSS best.

Both are measured against golden renders, for patches around the golden ones (30 % of the continuous knobs moved by
normal steps of 0.03, 0.08, 0.2 or 0.4).
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks.common.rows import judging
from render.audio import Audio
from render.instruments.patch import Patch
from render.measures.distance import DEFAULT_WEIGHTS, TargetDistance, Weights, rms_envelope
from render.measures.golden import GoldenRow, read_rows
from render.measures.metrics import MssTarget
from render.noisemaker.hosts import open_host
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE

WINDOWS = ((2048, 512), (2048, 256), (1024, 256))
TERMS = ((0.0, 0.0), (0.15, 0.15), (0.3, 0.5), (1.0, 0.5))
STEPS = (0.03, 0.08, 0.2, 0.4)
SHARE_MOVED = 0.3
GAIN_STEPS_DB = (-6.0, -3.0, -1.5, 0.0, 1.5, 3.0, 6.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR")
    parser.add_argument("--plugin", default="embedded", metavar="PATH|embedded")
    parser.add_argument("--targets", type=int, default=10)
    parser.add_argument("--patches", type=int, default=24, help="patches around each target")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    settings = [Weights(1.0, linear, envelope, w) for w, (linear, envelope) in itertools.product(WINDOWS, TERMS)]
    correlations: dict[Weights, list[float]] = {weights: [] for weights in settings}
    gains: list[tuple[float, float, float]] = []
    host = open_host(arguments.plugin)
    for row in judging(read_rows(arguments.golden), arguments.targets):
        target = row.audio().mean(axis=0, keepdims=True)
        renders = [host.render(patch, row.note) for patch in _near(row, arguments.patches)]
        renders = [render for render in renders if np.abs(render).max() > 1e-4]
        mss = MssTarget(target, SAMPLE_RATE)
        chosen = TargetDistance(target)
        by_median = [chosen.measure(render)[1] for render in renders]
        judged = [mss.distance(render * np.float32(gain)) for render, gain in zip(renders, by_median, strict=True)]
        for weights in settings:
            distance = TargetDistance(target, weights)
            losses = [distance(render, gain) for render, gain in zip(renders, by_median, strict=True)]
            correlations[weights].append(float(spearmanr(losses, judged).statistic))
        by_energy = [mss.distance(render * np.float32(_energy_gain(target, render))) for render in renders]
        best = [
            min(mss.distance(render * np.float32(gain * 10.0 ** (step / 20.0))) for step in GAIN_STEPS_DB)
            for render, gain in zip(renders, by_median, strict=True)
        ]
        gains.append((float(np.mean(by_energy)), float(np.mean(judged)), float(np.mean(best))))
    print("rank correlation with MSS over", len(gains), "targets")
    print(f"{'windows':12} linear envelope  mean worst")
    for weights, values in correlations.items():
        windows = ", ".join(map(str, weights.windows))
        mark = "  <- in use" if weights == DEFAULT_WEIGHTS else ""
        print(
            f"{windows:12} {weights.linear:6.2f} {weights.envelope:8.2f}  {np.mean(values):.2f}"
            f"  {min(values):.2f}{mark}"
        )
    energy, median, oracle = np.mean(gains, axis=0)
    print(
        f"mean MSS, level by energy {energy:.2f}, by the median of log magnitudes {median:.2f}, best gain {oracle:.2f}"
    )
    return 0


def _near(row: GoldenRow, count: int) -> list[Patch]:
    rng = np.random.default_rng(0)
    patches = []
    for number in range(count):
        moved = (
            (rng.random(len(TABLE.parameters)) < SHARE_MOVED)
            * rng.normal(size=len(TABLE.parameters))
            * STEPS[number % 4]
        )
        knobs = [
            knob if p.discrete or p is TABLE.level else min(max(knob + move, 0.0), 1.0)
            for p, knob, move in zip(TABLE.parameters, row.patch.knobs, moved.tolist(), strict=True)
        ]
        patches.append(Patch(TABLE, tuple(knobs), row.patch.extra))
    return patches


def _energy_gain(target: Audio, render: Audio) -> float:
    mono = render.mean(axis=0, keepdims=True)
    return float(np.sqrt(np.square(rms_envelope(target)).sum() / np.square(rms_envelope(mono)).sum()))
