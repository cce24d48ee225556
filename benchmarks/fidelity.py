"""How close a host is to golden renders of the real plug-in: per group the distances, and the worst by name.

Every golden patch is played at its note, velocity and gate, and compared with the golden audio (times its ``gain``).
``docs/fidelity.md`` keeps the table that this prints.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.rows import GoldenRow, read_rows
from render.errors import UnknownName
from render.files import replacing
from render.host import Audio, open_host
from render.metrics import lsd, mss, side_mss, sot
from render.note import SAMPLE_RATE, Note
from render.patch import Patch

Renderer = Callable[[Patch, Note], Audio]
"""Plays a patch: shape ``(2, note.n_samples)``. A host's ``render`` is one, and so is anything that imitates a host."""

SILENT_PEAK = 0.001
"""Golden rows below it are left out (golden README)."""

FACTORY = "factory"
N_WORST = 5
N_PLOTS = 10


@dataclass(frozen=True, slots=True)
class Score:
    """Distances of one render from its golden one; ``side`` where the golden one has two different sides."""

    row: GoldenRow
    mss: float
    lsd: float
    sot: float
    side: float | None
    level_db: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--host", default="embedded", metavar="HOST", help="embedded, or the path of a plug-in")
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR", help="the folder of golden renders")
    parser.add_argument("--bank", type=Path, metavar="FILE", help="preset bank with the factory's envelope points")
    parser.add_argument("--group", action="append", metavar="G", help="only this group; may be repeated")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write every row's distances")
    parser.add_argument("--plot", type=Path, metavar="DIR", help=f"draw the {N_PLOTS} worst as pairs of spectrograms")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    rows = audible_rows(read_rows(arguments.golden, arguments.bank), arguments.group or ())
    host = open_host(arguments.host)
    try:
        scores = [score(row, host.render) for row in rows]
        print_table(scores)
        if arguments.csv is not None:
            write_csv(scores, arguments.csv)
        if arguments.plot is not None:
            for one in sorted(scores, key=lambda s: -s.mss)[:N_PLOTS]:
                _plot(one, host.render, arguments.plot)
    finally:
        host.close()
    return 0


def audible_rows(rows: Sequence[GoldenRow], groups: Sequence[str] = ()) -> list[GoldenRow]:
    """The rows that are loud enough to be compared, of some groups or of all; raises ``UnknownName``."""
    audible = [row for row in rows if row.peak >= SILENT_PEAK]
    known = list(dict.fromkeys(row.group for row in audible))
    for group in groups:
        if group not in known:
            raise UnknownName("group", group, known)
    return [row for row in audible if not groups or row.group in groups]


def score(row: GoldenRow, render: Renderer) -> Score:
    """Play one golden patch and measure how far the sound is off.

    Args:
        row: what to play, and the golden audio.
        render: who plays it.
    """
    target, audio = row.audio(), render(row.patch, row.note)
    energies = [float(np.mean(np.square(side.mean(0, dtype=np.float64)))) for side in (audio, target)]
    return Score(
        row=row,
        mss=mss(target, audio, SAMPLE_RATE),
        lsd=lsd(target, audio, SAMPLE_RATE),
        sot=sot(target, audio, SAMPLE_RATE),
        side=side_mss(target, audio, SAMPLE_RATE) if row.stereo else None,
        level_db=10.0 * float(np.log10((energies[0] + 1e-20) / (energies[1] + 1e-20))),
    )


def print_table(scores: Sequence[Score]) -> None:
    """One line per group, then all probes together; figures are medians and 90th percentiles, in dB (SOT in kHz)."""
    print(
        f"{'group':17s}{'count':>5s} {'MSS':>12s} {'floor':>6s} {'LSD':>12s} {'SOT':>12s} {'side MSS':>12s}"
        f" {'level':>12s}  worst"
    )
    for group in dict.fromkeys(one.row.group for one in scores):
        _print_line(group, [one for one in scores if one.row.group == group])
    blocks = [one for one in scores if one.row.group not in ("whole", FACTORY)]
    if blocks:
        _print_line("all blocks", blocks)


def _print_line(title: str, scores: Sequence[Score]) -> None:
    worst = sorted(scores, key=lambda one: -one.mss)[:N_WORST]
    figures = [
        _figures(one.mss for one in scores),
        f"{np.median([one.row.floor_mss or 0.0 for one in scores]):6.2f}",
        _figures(one.lsd for one in scores),
        _figures(one.sot for one in scores),
        _figures(one.side for one in scores if one.side is not None),
        _figures((abs(one.level_db) for one in scores), 0.95),
    ]
    names = ", ".join(f"{one.row.stem} {one.mss:.1f}" for one in worst)
    print(f"{title:17s}{len(scores):5d} {' '.join(figures)}  {names}", flush=True)


def _figures(values: Iterable[float], quantile: float = 0.9) -> str:
    """Median and a quantile."""
    listed = list(values)
    return f"{np.median(listed):5.2f} {np.quantile(listed, quantile):6.2f}" if listed else f"{'-':>12s}"


def write_csv(scores: Sequence[Score], path: Path) -> None:
    """One line per golden render."""
    with replacing(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["name", "group", "mss", "floor_mss", "lsd", "sot", "side_mss", "level_db"])
        for one in scores:
            side = "" if one.side is None else f"{one.side:.3f}"
            values = (one.mss, one.row.floor_mss or 0.0, one.lsd, one.sot)
            figures = [f"{value:.3f}" for value in values]
            writer.writerow([one.row.stem, one.row.group, *figures, side, f"{one.level_db:.3f}"])


def _plot(one: Score, render: Renderer, out: Path) -> None:
    """Spectrograms of the golden sound and the one that was measured, one above the other."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pair = (one.row.audio(), render(one.row.patch, one.row.note))
    figure, axes = pyplot.subplots(2, 1, figsize=(9, 7), sharex=True, sharey=True, layout="constrained")
    top = None
    for axis, audio, title in zip(axes, pair, (one.row.stem, f"rendered: MSS {one.mss:.1f} dB"), strict=True):
        mono = audio.mean(0)
        top = 20.0 * np.log10(np.abs(mono).max() + 1e-9) - 30.0 if top is None else top
        with np.errstate(divide="ignore"):  # digital silence
            axis.specgram(mono, NFFT=1024, Fs=SAMPLE_RATE, noverlap=768, vmin=top - 90.0, vmax=top)
        axis.set_title(title)
        axis.set_ylabel("Hz")
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / f"{one.row.stem}.png", dpi=90)
    pyplot.close(figure)
