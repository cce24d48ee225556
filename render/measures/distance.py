"""The distance that the search minimises, in numpy, for workers without torch: the reference implementation of
``proxy/loss/distance.py``.

A multi-resolution STFT distance with three terms that complement each other (``docs/distance.md``).
With magnitudes ``X`` of the target and ``Y`` of a render, both floored ``FLOOR_DB`` below the target's loudest bin of
the resolution, and their RMS envelopes ``a`` and ``b``:

* **log**: ``mean |ln X - ln Y|``. It responds to quiet partials and the noise floor, but hardly to pulse width.
* **linear**: ``sum |X - Y| / sum X``. It responds to the loud partials.
* **envelope**: ``mean |20 log10 a - 20 log10 b| / ENVELOPE_DB``, floored ``ENVELOPE_FLOOR_DB`` below the largest of
  ``a``; the division makes it as large as the other terms.

The first two are means over the resolutions. The level is not searched: ``TargetDistance.measure`` solves for the
gain that suits a render best.

    >>> clip = np.random.default_rng(0).normal(0.0, 0.1, (2, 22050)).astype(np.float32)
    >>> loss, gain = TargetDistance(clip).measure(0.5 * clip)
    >>> round(loss, 5), round(gain, 5)
    (0.0, 2.0)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from render.audio import Audio
from render.errors import InvalidAudio

FLOOR_DB = 80.0
"""Magnitudes are floored this far below the target's loudest bin."""
WIDTH = 0.3
"""Factor of the difference of both sides of stereo, which is compared as a third channel; see ``compared``."""
ENVELOPE_DB = 20.0
"""A mean difference of the envelopes of this size counts as 1."""
ENVELOPE_WINDOW = 1024  # samples; 23 ms
ENVELOPE_HOP = 512
ENVELOPE_FLOOR_DB = 60.0
"""Envelopes are floored this far below the loudest window of the target."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the terms, and windows of the STFT.

    The defaults were chosen by how well the distance orders perturbed golden patches as MSS does: rank correlation
    0.94, where equal weights and windows of 2048 and 512 give 0.91 (``docs/distance.md``).

    Attributes:
        log: weight of the log magnitudes.
        linear: weight of the linear magnitudes.
        envelope: weight of the envelope.
        windows: window of each resolution in samples; hops are half a window.
    """

    log: float = 1.0
    linear: float = 0.15
    envelope: float = 0.15
    windows: tuple[int, ...] = (2048, 256)


DEFAULT_WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class _Resolution:
    """The target at one resolution of the STFT."""

    window: int
    floor: float
    magnitudes: NDArray[np.float32]  # (channels, frames, bins), floored
    logs: NDArray[np.float32]
    total: float

    @classmethod
    def of(cls, target: Audio, window: int) -> Self:
        magnitudes = stft_magnitudes(target, window)
        floor = float(magnitudes.max()) * 10.0 ** (-FLOOR_DB / 20.0)
        magnitudes = np.maximum(magnitudes, floor)
        return cls(window, floor, magnitudes, np.log(magnitudes), float(magnitudes.sum()))


@dataclass(frozen=True, slots=True)
class _View:
    """Magnitudes of a render at each resolution, and its RMS envelope, at a gain of 1."""

    magnitudes: tuple[NDArray[np.float32], ...]
    envelope: NDArray[np.float32]


class TargetDistance:
    """Distance of renders from one target; everything that depends on the target alone is computed once.

    Args:
        target: sound to be matched. One channel is compared with the mean of a render's channels, two channels as
            ``compared`` says.
        weights: weights and windows.

    Attributes:
        weights: weights and windows.
        channels: number of channels of the target.
        n_samples: length of the target in samples.

    Shape:
        target: ``(channels, samples)``.

    Raises:
        InvalidAudio: if the target is silent, not finite or of the wrong shape.
    """

    def __init__(self, target: Audio, weights: Weights = DEFAULT_WEIGHTS) -> None:
        if target.ndim != 2 or target.shape[0] not in (1, 2) or target.shape[1] == 0:
            raise InvalidAudio(f"target has shape {target.shape}; allowed: (1 or 2, samples)")
        if not np.isfinite(target).all() or not target.any():
            raise InvalidAudio("target is silent or not finite")
        self.weights = weights
        self.channels, self.n_samples = target.shape
        target = compared(target, self.channels)
        self._resolutions = tuple(_Resolution.of(target, window) for window in weights.windows)
        envelope = rms_envelope(target)
        self._envelope_floor = float(envelope.max()) * 10.0 ** (-ENVELOPE_FLOOR_DB / 20.0)
        self._envelope_db = _decibels(envelope, self._envelope_floor)
        self._energy = float(np.square(envelope, dtype=np.float64).sum())

    def __call__(self, render: Audio, gain: float = 1.0) -> float:
        """Distance of a render at a gain; 0 for the target itself.

        Args:
            render: sound to compare; it is truncated or zero-padded to the length of the target.
            gain: factor that the render is multiplied with first.

        Shape:
            render: ``(2, samples)``.
        """
        return self._distance(self._view(render), gain)

    def measure(self, render: Audio) -> tuple[float, float]:
        """Distance of a render at the gain that suits it best, and that gain.

        The gain makes the median difference of log magnitudes zero, ``gain = exp(median(ln X - ln Y))``, over the cells
        of the first resolution that are above the floor in both sounds. Over perturbed golden patches this gives 0.3 dB
        more MSS than the best of all gains; a gain that matches energies gives 1.0 dB more (``docs/distance.md``).

        Args:
            render: sound to compare; it is truncated or zero-padded to the length of the target.

        Shape:
            render: ``(2, samples)``.
        """
        view = self._view(render)
        gain = self._matching_gain(view)
        return self._distance(view, gain), gain

    def _view(self, render: Audio) -> _View:
        """A stereo render with the channels and the length that the target is compared with."""
        render = compared(render[:, : self.n_samples], self.channels)
        if render.shape[1] < self.n_samples:
            render = np.pad(render, ((0, 0), (0, self.n_samples - render.shape[1])))
        magnitudes = tuple(stft_magnitudes(render, resolution.window) for resolution in self._resolutions)
        return _View(magnitudes, rms_envelope(render))

    def _matching_gain(self, view: _View) -> float:
        energy = float(np.square(view.envelope, dtype=np.float64).sum())
        if energy == 0.0:
            return 1.0
        by_energy = math.sqrt(self._energy / energy)
        first = self._resolutions[0]
        magnitudes = view.magnitudes[0]
        audible = (magnitudes * np.float32(by_energy) > first.floor) & (first.magnitudes > first.floor)
        if not audible.any():
            return by_energy
        return math.exp(float(np.median(first.logs[audible] - np.log(magnitudes[audible]))))

    def _distance(self, view: _View, gain: float) -> float:
        weights = self.weights
        distance = 0.0
        for resolution, at_unity in zip(self._resolutions, view.magnitudes, strict=True):
            magnitudes = np.maximum(at_unity * np.float32(gain), resolution.floor)
            linear = np.abs(magnitudes - resolution.magnitudes).sum() / resolution.total
            log = np.abs(np.log(magnitudes) - resolution.logs).mean()
            distance += (weights.log * log + weights.linear * linear) / len(self._resolutions)
        envelope = _decibels(view.envelope * np.float32(gain), self._envelope_floor)
        return float(distance + weights.envelope * np.abs(envelope - self._envelope_db).mean() / ENVELOPE_DB)


def compared(audio: Audio, channels: int) -> Audio:
    """What is compared of a sound: the mean of its channels; or both, and ``WIDTH`` times their difference.

    The magnitudes of both sides alone would hardly tell a wide sound from a narrow one, as a chorus makes it.

    Args:
        audio: the sound.
        channels: channels of the target, 1 or 2.

    Shape:
        audio: ``(1 or 2, samples)``.
        Returns: ``(1 or 3, samples)``.
    """
    if channels == 1:
        return np.asarray(audio.mean(axis=0, keepdims=True), audio.dtype)
    return np.concatenate([audio, np.float32(WIDTH) * (audio[:1] - audio[1:])])


def stft_magnitudes(audio: Audio, window: int) -> NDArray[np.float32]:
    """Magnitudes of a centred STFT with a periodic Hann window, a hop of half a window and reflected ends.

    The conventions are those of ``torch.stft``.

    Args:
        audio: sound to transform.
        window: length of the window in samples.

    Shape:
        audio: ``(channels, samples)``.
        Returns: ``(channels, frames, window // 2 + 1)``.
    """
    frames = _frames(audio, window, window // 2)
    spectrum = scipy.fft.rfft(frames * _hann(window), axis=-1, overwrite_x=True)
    magnitudes: NDArray[np.float32] = np.abs(spectrum)
    return magnitudes


def rms_envelope(audio: Audio) -> NDArray[np.float32]:
    """RMS over ``ENVELOPE_WINDOW`` samples every ``ENVELOPE_HOP`` samples, with reflected ends.

    Shape:
        audio: ``(channels, samples)``.
        Returns: ``(channels, frames)``.
    """
    blocks = _frames(audio, ENVELOPE_WINDOW, ENVELOPE_HOP)
    power: NDArray[np.float32] = np.einsum("cfw,cfw->cf", blocks, blocks) / np.float32(ENVELOPE_WINDOW)
    return np.sqrt(power)


def _frames(audio: Audio, window: int, hop: int) -> NDArray[np.float32]:
    ends = ((0, 0), (window // 2, window // 2))
    padded = np.pad(audio, ends, mode="reflect" if audio.shape[1] > window // 2 else "constant")
    return np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)[:, ::hop]


def _hann(window: int) -> NDArray[np.float32]:
    phase = 2.0 * np.pi * np.arange(window) / window
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


def _decibels(envelope: NDArray[np.float32], floor: float) -> NDArray[np.float32]:
    return np.float32(20.0) * np.log10(np.maximum(envelope, np.float32(floor)))
