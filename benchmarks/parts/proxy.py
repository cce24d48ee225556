"""Plot spectrograms of a golden render of the real plug-in, the untrained proxy and the trained one."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.common.rows import judging
from proxy.synth.play import play
from proxy.synth.weights import load_corrections
from render.errors import UnknownName
from render.files import replacing
from render.measures.golden import GoldenRow, read_rows
from render.measures.metrics import mss
from render.note import SAMPLE_RATE

RANGE_DB = 80.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR", help="the folder of golden renders")
    parser.add_argument("--row", metavar="NAME", help="stem of the render's file (default: the first held-out one)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="PNG file to write")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    rows = read_rows(arguments.golden)
    row = _chosen(rows, arguments.row)
    sounds = {
        "the real plug-in": row.audio(),
        "untrained proxy": play(row.patch, row.note),
        "trained proxy": play(row.patch, row.note, load_corrections()),
    }
    _draw(row.name, sounds, arguments.out)
    return 0


def _chosen(rows: list[GoldenRow], stem: str | None) -> GoldenRow:
    if stem is None:
        return judging(rows, 1)[0]
    by_stem = {row.stem: row for row in rows}
    if stem not in by_stem:
        raise UnknownName("golden render", stem, by_stem)
    return by_stem[stem]


def _draw(name: str, sounds: dict[str, np.ndarray], out: Path) -> None:
    """Plot the spectrograms side by side with one scale, each with its distance from the first."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(sounds), figsize=(11, 3.6), sharey=True, layout="constrained")
    real = next(iter(sounds.values()))
    top = None
    for axis, (title, audio) in zip(axes, sounds.items(), strict=True):
        axis.set_facecolor("black")  # digital silence
        with np.errstate(divide="ignore"):
            power, _, _, image = axis.specgram(
                audio.mean(0), NFFT=1024, Fs=SAMPLE_RATE, noverlap=768, cmap="magma", vmin=-RANGE_DB, vmax=0.0
            )
        top = 10.0 * np.log10(power.max()) if top is None else top
        image.set_clim(top - RANGE_DB, top)
        distance = "" if audio is real else f", MSS {mss(real, audio, SAMPLE_RATE):.2f} dB"
        axis.set_title(title + distance, fontsize=10)
        axis.set_xlabel("s")
        axis.set_yscale("symlog", linthresh=500.0)
        axis.set_ylim(0.0, SAMPLE_RATE / 2.0)
    axes[0].set_ylabel("Hz")
    figure.suptitle(name, fontsize=10)
    with replacing(out) as temporary:
        figure.savefig(temporary, dpi=90)
    pyplot.close(figure)
