"""Compare renders of the prior with golden factory renders: how well they cover them, and how similar they are.

Draws of the prior are played with the golden rows' note, accepted or refused, and compared with held-out rows, to which
the prior was not fitted: **coverage** is the MSS (levels matched by energy) between each of them and the closest of all
draws. Level, brightness, attack and decay are compared with all golden rows. Writes a table and a plot.
"""

from __future__ import annotations

import argparse
import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.rows import judging
from render.audio import Audio
from render.data.accept import REASONS, refusal
from render.errors import HostError
from render.files import replacing, write_csv
from render.hosts.pool import Pool
from render.measures.fingerprint import Steps, distances, fingerprint, to_steps
from render.measures.golden import read_rows
from render.measures.metrics import MssTarget
from render.noisemaker.hosts import open_host
from render.noisemaker.prior import draw
from render.note import SAMPLE_RATE, Note

SEED = 2
"""Differs from the seeds of the library and the data sets."""
COVERAGE_BAR_DB = 5.0
ENVELOPE_SECONDS = 0.01
DECAY_DB = 20.0
CANDIDATES = 16
"""Number of draws whose MSS from a golden render is computed; the true coverage may be better."""
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Features:
    """Features of a render.

    Attributes:
        peak_db: peak in dB of full scale.
        centroid_hz: spectral centroid, weighted by power.
        attack_seconds: time until the envelope is within 3 dB of its maximum.
        decay_seconds: time from there until it stays ``DECAY_DB`` below; the rest of the render if it never does.
        side_db: level of left minus right relative to their sum; -100 for a mono render.
    """

    peak_db: float
    centroid_hz: float
    attack_seconds: float
    decay_seconds: float
    side_db: float


def features(audio: Audio) -> Features:
    """Features of a render.

    Shape:
        audio: ``(2, samples)``.
    """
    mono = audio.mean(axis=0, dtype=np.float64)
    hop = round(ENVELOPE_SECONDS * SAMPLE_RATE)
    envelope = np.sqrt(np.square(mono[: len(mono) // hop * hop].reshape(-1, hop)).mean(axis=1))
    loud = np.flatnonzero(envelope >= envelope.max() * 10.0 ** (-3.0 / 20.0))[0]
    sounding = np.flatnonzero(envelope >= envelope.max() * 10.0 ** (-DECAY_DB / 20.0))[-1] + 1
    power = np.square(np.abs(np.fft.rfft(mono)))
    hz = np.fft.rfftfreq(len(mono), 1.0 / SAMPLE_RATE)
    side = float(np.square(audio[0] - audio[1]).sum() / max(np.square(audio[0] + audio[1]).sum(), 1e-20))
    return Features(
        peak_db=20.0 * float(np.log10(max(np.abs(audio).max(), 1e-6))),
        centroid_hz=float((power * hz).sum() / max(power.sum(), 1e-20)),
        attack_seconds=float(loud * ENVELOPE_SECONDS),
        decay_seconds=float((sounding - loud) * ENVELOPE_SECONDS),
        side_db=10.0 * float(np.log10(max(side, 1e-10))),
    )


class LevelMatchedMss:
    """MSS from a clip of shape ``(2, samples)``, after scaling the other sound to its energy."""

    def __init__(self, clip: Audio) -> None:
        self._target = MssTarget(clip, SAMPLE_RATE)
        self._energy = _energy(clip)

    def distance(self, other: Audio) -> float:
        """MSS in dB."""
        gain = (self._energy / max(_energy(other), 1e-20)) ** 0.5
        return self._target.distance(other * np.float32(gain))


def _energy(audio: Audio) -> float:
    return float(np.square(audio.mean(axis=0, dtype=np.float64)).sum())


@dataclass(frozen=True, slots=True)
class Job:
    """Asks a worker to measure a draw or, with a target (a position among the golden rows), its MSS from it."""

    index: int
    target: int | None = None


Result = str | float | tuple[Features, Steps]
"""The reason why a draw was refused, or an MSS in dB, or features and fingerprint."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, default=10_000, metavar="N", help="number of draws of the prior")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--host", default="embedded", metavar="embedded|PATH")
    parser.add_argument(
        "--out", type=Path, default=Path("docs"), metavar="DIR", help="folder for prior.csv and prior.png"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    rows = read_rows(arguments.golden)
    targets = judging(rows, len(rows))
    clips = [row.audio() for row in targets]
    with Pool(functools.partial(_make_worker, arguments.host, targets[0].note, clips), arguments.workers) as pool:
        refused, indices, drawn, sounds = _draw(pool, arguments.count)
        coverage = _coverage(pool, clips, indices, sounds, targets[0].note)
    golden = [features(row.audio()) for row in rows if row.group == "factory" and row.audible]
    table = _table(drawn, golden)
    table.append(["refused " + ", ".join(REASONS), *(f"{refused[reason] / arguments.count:.1%}" for reason in REASONS)])
    table.append(["coverage: MSS of the nearest, dB", *_quantiles(coverage)])
    for line in table:
        print(f"{line[0]:40}" + "".join(f"{cell:>9}" for cell in line[1:]))
    write_csv(arguments.out / "prior.csv", table)
    with replacing(arguments.out / "prior.png") as temporary:
        _plot(temporary, drawn, golden, coverage)
    median = float(np.median(coverage))
    print(f"coverage by {len(indices)} draws: median {median:.2f} dB (bar: {COVERAGE_BAR_DB:g})")
    return int(median > COVERAGE_BAR_DB)


def _draw(pool: Pool[Job, Result], count: int) -> tuple[Counter[str], list[int], list[Features], Steps]:
    """Measure the first draws: reasons of refusals, and indices, features and fingerprints of the others."""
    refused: Counter[str] = Counter()
    indices, drawn, sounds = [], [], []
    for index, result in enumerate(pool.map(map(Job, range(count)))):
        if isinstance(result, HostError):
            raise result
        if isinstance(result, str):
            refused[result] += 1
        elif isinstance(result, tuple):
            indices.append(index)
            drawn.append(result[0])
            sounds.append(result[1])
        if (index + 1) % 1000 == 0:
            print(f"{index + 1} of {count} draws", flush=True)
    return refused, indices, drawn, np.stack(sounds)


def _coverage(pool: Pool[Job, Result], clips: list[Audio], indices: list[int], sounds: Steps, note: Note) -> Column:
    """MSS in dB between each clip and the closest draw, of the ``CANDIDATES`` with the closest fingerprints."""
    jobs = []
    for position, clip in enumerate(clips):
        target = fingerprint(clip, note.gate_seconds)
        assert target is not None
        nearest = np.argsort(distances(target, sounds), kind="stable")[:CANDIDATES]
        jobs += [Job(indices[k], position) for k in nearest]
    found = np.array([result for result in pool.map(jobs) if isinstance(result, float)])
    return np.asarray(found.reshape(len(clips), -1).min(axis=1))


def _make_worker(where: str, note: Note, clips: list[Audio]) -> Callable[[Job], Result]:
    host = open_host(where)
    targets = [LevelMatchedMss(clip) for clip in clips]

    def work(job: Job) -> Result:
        audio = host.render(draw(SEED, job.index)[0], note, clean=False)
        if job.target is not None:
            return targets[job.target].distance(audio)
        reason = refusal(audio)
        sound = fingerprint(audio, note.gate_seconds) if reason is None else None
        return (features(audio), to_steps(sound)) if sound is not None else reason or "silent"

    return work


def _table(drawn: list[Features], golden: list[Features]) -> list[list[str]]:
    """A row of quantiles of each feature for the prior and for the golden renders."""
    table = [["", *(f"{level:.0%}" for level in LEVELS)]]
    for name in Features.__slots__:
        for what, measured in (("prior", drawn), ("golden", golden)):
            table.append([f"{name}, {what}", *_quantiles([getattr(one, name) for one in measured])])
    return table


def _quantiles(values: Sequence[float] | Column) -> list[str]:
    return [f"{value:.4g}" for value in np.quantile(values, LEVELS)]


def _plot(path: Path, drawn: list[Features], golden: list[Features], coverage: Column) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(12, 6), layout="constrained")
    for name, axis in zip(Features.__slots__, axes.flat, strict=False):
        both = [[getattr(one, name) for one in measured] for measured in (drawn, golden)]
        if name == "centroid_hz":
            both = [list(np.log2(values)) for values in both]
        axis.hist(both, bins=25, density=True, label=["prior", "golden factory"])
        axis.set_xlabel("log2 of centroid_hz" if name == "centroid_hz" else name)
        axis.set_yticks([])
    axes.flat[0].legend()
    axis = axes.flat[-1]
    axis.plot(np.sort(coverage), np.linspace(0.0, 1.0, len(coverage)))
    axis.axvline(COVERAGE_BAR_DB, color="grey", linestyle=":")
    axis.set_xlabel("MSS of the nearest draw, dB")
    axis.set_ylabel("share of golden renders")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
