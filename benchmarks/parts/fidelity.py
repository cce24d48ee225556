"""The distance of a host from golden renders of the real plug-in: by group, and the worst rows by name.

Every golden patch is played with its note, velocity and gate, and compared with the golden audio at the plug-in's own
level. ``docs/fidelity.md`` has the table.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from render.measures.fidelity import Renderer, Score, audible_rows, score, table, write_scores
from render.measures.golden import read_rows
from render.noisemaker.hosts import open_host
from render.note import SAMPLE_RATE

N_PLOTS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--host", default="embedded", metavar="HOST", help="embedded, or the path of a plug-in")
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR", help="the folder of golden renders")
    parser.add_argument("--bank", type=Path, metavar="FILE", help="preset bank with the factory's envelope points")
    parser.add_argument("--group", action="append", metavar="G", help="only this group; may be repeated")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write every row's distances")
    parser.add_argument("--plot", type=Path, metavar="DIR", help=f"plot the spectrograms of the {N_PLOTS} worst rows")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    rows = audible_rows(read_rows(arguments.golden, arguments.bank), arguments.group or ())
    host = open_host(arguments.host)
    try:
        scores = [score(row, host.render) for row in rows]
        print(*table(scores), sep="\n")
        if arguments.csv is not None:
            write_scores(scores, arguments.csv)
        if arguments.plot is not None:
            for one in sorted(scores, key=lambda s: -s.mss)[:N_PLOTS]:
                _plot(one, host.render, arguments.plot)
    finally:
        host.close()
    return 0


def _plot(one: Score, render: Renderer, out: Path) -> None:
    """Plot the spectrogram of the golden render above that of the measured one."""
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
