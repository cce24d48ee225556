"""Plots of the report. The only module of the product that uses the plotting library."""

from __future__ import annotations

import functools
import io
import itertools
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage, imsave
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from render.audio import Audio
from render.measures.distance import FLOOR_DB, stft_magnitudes

_INK, _ACCENT = "#20242c", "#d4572a"
_WINDOW = 2048
_LOWEST_HZ, _MOST_COLUMNS = 30.0, 400
_ROWS, _SMALL_ROWS = 288, 96  # of a spectrogram in a plot, and of a small image
_TICKS_HZ = {100.0: "100", 1000.0: "1 k", 10000.0: "10 k"}
_MOST_TICKS = 8  # of an axis of seconds
_FULL_RED_DB = 30.0
_LABEL_POINTS = 10.0  # height of a row of labels
_LETTER_SHARE = 0.008  # width of a letter of a label, as a share of the axis
_LABEL_LINE = {"arrowstyle": "-", "color": _INK, "linewidth": 0.6, "linestyle": ":", "shrinkA": 0.0, "shrinkB": 0.0}

Decibels = NDArray[np.float32]


def spectrograms_png(target: Audio, match: Audio, sample_rate: int) -> bytes:
    """Log-frequency spectrograms of the clip and the match, side by side on one decibel scale.

    Args:
        target: audio of the clip.
        match: audio of the match.
        sample_rate: sample rate in Hz.

    Shape:
        target: ``(channels, samples)``.
        match: ``(channels, samples)``.

    Returns:
        The content of a PNG file.
    """
    # With fixed margins, for laying a figure out takes as long as drawing it.
    figure = Figure(figsize=(10.5, 3.4), dpi=110)
    spectrograms = [decibels(target), decibels(match)]
    top = max(spectrogram.max() for spectrogram in spectrograms)
    seconds = max(target.shape[1], match.shape[1]) / sample_rate
    margins = {"left": 0.065, "right": 0.945, "bottom": 0.14, "top": 0.92, "wspace": 0.04}
    *axes, bar = figure.subplots(1, 3, width_ratios=(1.0, 1.0, 0.025), gridspec_kw=margins)
    # The last label of the first plot would touch the first one of the other.
    for axis, spectrogram, title, prune in zip(axes, spectrograms, ("clip", "match"), ("upper", None), strict=True):
        image = draw_spectrogram(axis, spectrogram, top, sample_rate)
        axis.set(xlim=(0.0, seconds), title=title, xlabel="seconds")
        axis.xaxis.set_major_locator(MaxNLocator(_MOST_TICKS, steps=[1, 2, 5, 10], prune=prune))
    axes[0].set_ylabel("hertz")
    axes[1].tick_params(labelleft=False)
    figure.colorbar(image, cax=bar, label="dB")
    return _png(figure)


def draw_spectrogram(axis: Axes, spectrogram: Decibels, top: float, sample_rate: int) -> AxesImage:
    """Draw what ``decibels`` returns with a logarithmic frequency axis, from ``top`` down to the metrics' floor."""
    frame_seconds = _WINDOW // 2 / sample_rate
    octaves = np.log2([_LOWEST_HZ, 0.5 * sample_rate])
    image = axis.imshow(
        _on_log_axis(spectrogram, sample_rate, _ROWS),
        vmin=top - FLOOR_DB,
        vmax=top,
        cmap="magma",
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5 * frame_seconds, (len(spectrogram) - 0.5) * frame_seconds, *octaves),
    )
    axis.set_yticks(np.log2(list(_TICKS_HZ)), list(_TICKS_HZ.values()))
    axis.set_facecolor("black")
    return image


def decibels(audio: Audio) -> Decibels:
    """Magnitude spectrogram in dB of the mean of the channels, shape ``(frames, bins)``."""
    magnitudes = stft_magnitudes(audio.mean(axis=0, keepdims=True), _WINDOW)[0]
    levels: Decibels = np.float32(20.0) * np.log10(np.maximum(magnitudes, np.float32(1e-7)))
    return levels


def spectrogram_image(audio: Audio, sample_rate: int) -> bytes:
    """A sound's log-frequency spectrogram without axes, low frequencies at the bottom, as a small PNG file.

    Args:
        audio: shape ``(channels, samples)``.
        sample_rate: sample rate in Hz.
    """
    levels = _on_log_axis(decibels(audio), sample_rate, _SMALL_ROWS)
    return _image(levels, levels.max() - FLOOR_DB, levels.max(), "magma")


def residual_image(target: Audio, match: Audio, sample_rate: int) -> bytes:
    """The residual of a clip: target minus match in dB, red where the match is too quiet, as a small PNG file.

    Args:
        target: audio of the clip.
        match: audio of the match.
        sample_rate: sample rate in Hz.

    Shape:
        target: ``(channels, samples)``.
        match: ``(channels, samples)``.
    """
    n_samples = min(target.shape[1], match.shape[1])
    there, here = (_on_log_axis(decibels(audio[:, :n_samples]), sample_rate, _SMALL_ROWS) for audio in (target, match))
    floor = there.max() - FLOOR_DB
    return _image(np.maximum(there, floor) - np.maximum(here, floor), -_FULL_RED_DB, _FULL_RED_DB, "RdBu_r")


def _on_log_axis(levels: Decibels, sample_rate: int, n_rows: int) -> Decibels:
    """A spectrogram on a logarithmic frequency axis, shape ``(n_rows, columns)``, of at most ``_MOST_COLUMNS``."""
    hertz = np.geomspace(_LOWEST_HZ, 0.5 * sample_rate, n_rows)
    bins = np.minimum(hertz * _WINDOW / sample_rate, levels.shape[1] - 1.001)
    below = bins.astype(int)
    share = np.float32(bins - below)
    frames = np.linspace(0, len(levels) - 1, min(len(levels), _MOST_COLUMNS)).astype(int)
    chosen = levels[frames]
    rows: Decibels = (chosen[:, below] * (1.0 - share) + chosen[:, below + 1] * share).T
    return rows


def _image(values: Decibels, low: float, high: float, colours: str) -> bytes:
    stream = io.BytesIO()
    imsave(stream, values, vmin=low, vmax=high, cmap=colours, origin="lower", format="png")
    return stream.getvalue()


def progress_png(history: list[dict[str, Any]], stages: list[dict[str, Any]], seconds: float) -> bytes:
    """What ``progress_figure`` draws, as a PNG file."""
    return _png(progress_figure(history, stages, seconds))


def progress_figure(history: list[dict[str, Any]], stages: list[dict[str, Any]], seconds: float) -> Figure:
    """The loss of the best candidate over time, with a line and a label at the start of each stage.

    The labels stand above the plot, in as many rows as it takes for none to cover another label or its line.

    Args:
        history: points with ``seconds`` and ``loss``.
        stages: stages with ``name`` and ``seconds``, in order; before them the clip was read.
        seconds: length of the whole run.
    """
    figure = Figure(figsize=(10.5, 2.6), dpi=110, layout="constrained")
    axis = figure.subplots()
    passed = max(seconds - sum(stage["seconds"] for stage in stages), 0.0)
    times = [point["seconds"] for point in history] + [max(seconds, history[-1]["seconds"])]
    losses = [point["loss"] for point in history] + [history[-1]["loss"]]
    axis.step(times, losses, where="post", color=_ACCENT)
    begins = list(itertools.accumulate((stage["seconds"] for stage in stages[:-1]), initial=passed))
    names = [stage["name"] for stage in stages]
    annotate = functools.partial(
        axis.annotate, xycoords=("data", "axes fraction"), textcoords="offset points", annotation_clip=False
    )
    for name, begin, row in zip(names, begins, _label_rows(names, begins, times[-1]), strict=True):
        height = _LABEL_POINTS * (row + 1.0)
        axis.axvline(begin, color=_INK, linewidth=0.6, linestyle=":")
        annotate("", (begin, 1.0), (0.0, height), arrowprops=_LABEL_LINE)
        annotate(name, (begin, 1.0), (3.0, height), va="top", fontsize=8)
    axis.set(xlabel="seconds", ylabel="loss of the best", xlim=(0.0, times[-1]), ylim=(0.0, None))
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def _label_rows(names: list[str], begins: list[float], seconds: float) -> list[int]:
    """The row of each label, 0 for the lowest: above the labels to its right that begin before it ends."""
    rows: list[int] = []
    for name, begin in zip(reversed(names), reversed(begins), strict=True):
        end = begin + (len(name) + 1) * _LETTER_SHARE * seconds
        covered = [row for row, other in zip(rows, reversed(begins), strict=False) if other < end]
        rows.append(max(covered, default=-1) + 1)
    return rows[::-1]


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()
