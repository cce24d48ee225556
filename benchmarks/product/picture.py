"""A figure of ``refine``: spectrograms of golden clips of the real plug-in, of the best guesses and of the matches.

It takes the targets in the rows of ``compare`` whose final MSS is at the quartiles, and refines them again.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.common.clocks import CLOCKS, add_clock_arguments
from benchmarks.common.runs import Row, refined
from benchmarks.common.table import OK, read_table
from benchmarks.common.targets import GOLDEN_SETS, Sound, host_label, host_of, read_sound, read_sounds
from benchmarks.product.methods import METHODS
from inference.clip.target import Target
from inference.match import Confirmed
from inference.options import STAGES, Options
from inference.output.plots import decibels, draw_spectrogram
from inference.ports import Models
from inference.stages.models import load_models
from render.errors import FormatError
from render.files import replacing
from render.instruments.host import EMBEDDED
from render.noisemaker.instrument import NOISEMAKER
from render.note import SAMPLE_RATE

SET = GOLDEN_SETS[0]
QUARTILES = {"first quartile": 0.25, "median": 0.5, "third quartile": 0.75}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR")
    rows = Path("benchmarks/results/compare-processor.csv")
    parser.add_argument("--csv", type=Path, default=rows, help="rows of compare")
    parser.add_argument("--plugin", default=EMBEDDED, metavar="PATH|embedded")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=2)
    add_clock_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path("docs/refine.png"), metavar="PNG")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    rows = [row for row in read_table(Row, arguments.csv) if _counts(row, arguments)]
    if len(rows) < len(QUARTILES):
        raise FormatError(f"{arguments.csv} has no rows of refine on {SET} targets with {arguments.seconds:g} s")
    rows.sort(key=lambda row: row.mss or 0.0)
    chosen = {title: rows[round(share * (len(rows) - 1))].target for title, share in QUARTILES.items()}
    found = read_sounds((SET,), len(rows), host_of(arguments.plugin), golden=arguments.golden)
    sounds = {sound.name: sound for sound in found}
    models = load_models(Options(NOISEMAKER, stages=STAGES, workers=arguments.workers))
    columns = []
    for title, name in chosen.items():
        target, guess, match = _refined(sounds[name], models, arguments)
        print(f"{name}: MSS {guess.mss:.2f} dB after the guess, {match.mss:.2f} dB at the end", flush=True)
        columns.append((f"{name.replace('_', ' ')}\n({title})", target, guess, match))
    _draw(columns, arguments.out)
    return 0


def _counts(row: Row, arguments: argparse.Namespace) -> bool:
    wanted = (SET, "all", arguments.seconds, 0, host_label(arguments.plugin), OK)
    return (row.set, row.method, row.budget, row.seed, row.host, row.status) == wanted


def _refined(sound: Sound, models: Models, arguments: argparse.Namespace) -> tuple[Target, Confirmed, Confirmed]:
    """The clip, the best match after the guess, and the best at the end."""
    target, analysis_seconds = read_sound(sound)
    options = Options(NOISEMAKER, where=arguments.plugin, seconds=arguments.seconds, workers=arguments.workers)
    guess, match = (
        refined(
            target,
            replace(options, stages=METHODS[method].stages),
            models,
            analysis_seconds=analysis_seconds,
            clock=CLOCKS[arguments.clock](arguments.cores),
        ).best[0]
        for method in ("guess", "all")
    )
    return target, guess, match


def _draw(columns: list[tuple[str, Target, Confirmed, Confirmed]], path: Path) -> None:
    figure = Figure(figsize=(10.5, 7.2), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, len(columns), sharex="col", sharey=True)
    for column, (title, target, guess, match) in enumerate(columns):
        spectrograms = [decibels(target.audio), decibels(guess.matches[0]), decibels(match.matches[0])]
        top = max(spectrogram.max() for spectrogram in spectrograms)
        for axis, spectrogram in zip(axes[:, column], spectrograms, strict=True):
            draw_spectrogram(axis, spectrogram, top, SAMPLE_RATE)
        axes[0, column].set(title=title, xlim=(0.0, target.audio.shape[1] / SAMPLE_RATE))
        axes[1, column].set(title=f"MSS {guess.mss:.2f} dB")
        axes[2, column].set(title=f"MSS {match.mss:.2f} dB", xlabel="seconds")
    for axis, what in zip(axes[:, 0], ("clip", "after the guess", "match"), strict=True):
        axis.set_ylabel(f"{what}\nhertz")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
