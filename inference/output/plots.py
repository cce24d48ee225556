"""Pictures of the report. The only module of the product that knows the plotting library."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from numpy.typing import NDArray

from render.audio import Audio
from render.measures.distance import FLOOR_DB, stft_magnitudes

_INK, _ACCENT = "#20242c", "#d4572a"
_WINDOW = 2048

Decibels = NDArray[np.float32]


def spectrograms_png(target: Audio, match: Audio, sample_rate: int) -> bytes:
    """Log-frequency spectrograms of the clip and the match, side by side on one decibel scale.

    Args:
        target: shape ``(channels, samples)``.
        match: shape ``(channels, samples)``.
        sample_rate: hertz.

    Returns:
        A PNG file.
    """
    figure = Figure(figsize=(10.5, 3.4), dpi=110, layout="constrained")
    pictures = [decibels(target), decibels(match)]
    top = max(picture.max() for picture in pictures)
    seconds = max(target.shape[1], match.shape[1]) / sample_rate
    axes = figure.subplots(1, 2, sharey=True)
    for axis, picture, title in zip(axes, pictures, ("clip", "match"), strict=True):
        mesh = draw_spectrogram(axis, picture, top, sample_rate)
        axis.set(xlim=(0.0, seconds), title=title, xlabel="seconds")
    axes[0].set_ylabel("hertz")
    figure.colorbar(mesh, ax=axes, label="dB", pad=0.01)
    return _png(figure)


def draw_spectrogram(axis: Axes, picture: Decibels, top: float, sample_rate: int) -> QuadMesh:
    """Draw ``decibels`` of a sound on a logarithmic axis of hertz, from ``top`` down to the metrics' floor."""
    times = np.arange(picture.shape[0]) * (_WINDOW // 2) / sample_rate
    hertz = np.arange(picture.shape[1]) * sample_rate / _WINDOW
    mesh = axis.pcolormesh(
        times,
        hertz[1:],
        picture.T[1:],
        vmin=top - FLOOR_DB,
        vmax=top,
        cmap="magma",
        shading="auto",
        rasterized=True,
    )
    axis.set(yscale="log", ylim=(30.0, sample_rate / 2))
    axis.set_facecolor("black")
    return mesh


def decibels(audio: Audio) -> Decibels:
    """Magnitudes of a sound's middle, shape ``(frames, bins)``."""
    magnitudes = stft_magnitudes(audio.mean(axis=0, keepdims=True), _WINDOW)[0]
    levels: Decibels = np.float32(20.0) * np.log10(np.maximum(magnitudes, np.float32(1e-7)))
    return levels


def progress_png(history: list[dict[str, Any]], stages: list[dict[str, Any]], seconds: float) -> bytes:
    """The loss of the best candidate over the seconds of a run; stages are told apart by a line.

    Args:
        history: points with ``seconds`` and ``loss``.
        stages: with ``name`` and ``seconds``, in order; what came before them was reading the clip.
        seconds: of the whole run.
    """
    figure = Figure(figsize=(10.5, 2.4), dpi=110, layout="constrained")
    axis = figure.subplots()
    passed = max(seconds - sum(stage["seconds"] for stage in stages), 0.0)
    times = [point["seconds"] for point in history] + [max(seconds, history[-1]["seconds"])]
    losses = [point["loss"] for point in history] + [history[-1]["loss"]]
    axis.step(times, losses, where="post", color=_ACCENT)
    for stage in stages:
        axis.axvline(passed, color=_INK, linewidth=0.6, linestyle=":")
        axis.annotate(
            stage["name"], (passed, 0.98), xycoords=("data", "axes fraction"), va="top", fontsize=8, rotation=90
        )
        passed += stage["seconds"]
    axis.set(xlabel="seconds", ylabel="loss of the best", xlim=(0.0, None), ylim=(0.0, None))
    axis.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()
