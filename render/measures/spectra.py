"""Frames, magnitude spectra, mel bands and the floor in decibels that all metrics share.

Choices that the definitions of the metrics leave open were made to reproduce, to the third decimal, a table of
reference values for pairs of golden renders (``tests/render/test_metrics.py``):

* **Ends**: half a window of zeros before and after, then zeros until the last frame is complete (the convention of
  ``scipy.signal.stft``). On that table reflected ends move MSS by up to 0.74 dB, no padding by up to 0.93 dB, dropping
  the partial last frame by up to 0.30 dB.
* **Windows and hops** in milliseconds are rounded down to whole samples (220.5 becomes 220); Hann windows are periodic.
* **FFT** of the log-mel bands: the next power of two of the window, at least 1024, with the window at its start.
* **Mel bands**: HTK scale, ``mel = 2595 log10(1 + hz / 700)``; corners linear in Hz; triangles of area 1, so of height
  ``2 / width_hz``.
* **Floor**: 80 dB below the target's largest band *of that resolution*, applied to both sounds. A target whose largest
  squared FFT magnitude (or band) is below ``SILENT_POWER`` is silent, and is floored as if it were that large.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from render.measures.inputs import FloatArray, Mono

FLOOR_DB = 80.0
SILENT_POWER = 1e-8
"""Power of a sine of peak 1e-5 in a 10 ms window, 2e-6 in 25 ms, 4e-7 in 100 ms and in the frames of LSD, about."""
LOWEST_MEL_HZ = 20.0
SMALLEST_MEL_FFT = 1024


@dataclass(frozen=True, slots=True)
class MelScale:
    """One log-mel resolution.

    Attributes:
        window_ms: length of the window in milliseconds.
        hop_ms: distance between frames in milliseconds.
        n_mels: number of mel bands, from ``LOWEST_MEL_HZ`` to half the sample rate.
    """

    window_ms: int
    hop_ms: int
    n_mels: int


def whole_samples(milliseconds: int, sample_rate: int) -> int:
    """A time in samples, rounded down."""
    return milliseconds * sample_rate // 1000


def frames(signal: Mono, window: int, hop: int) -> Mono:
    """A view of the frames from the first sample on; the last one is zero-padded.

    Shape:
        signal: ``(samples,)``.
        Returns: ``(frames, window)``.
    """
    missing = window - signal.size if signal.size < window else (window - signal.size) % hop
    return np.lib.stride_tricks.sliding_window_view(np.pad(signal, (0, missing)), window)[::hop]


def zero_ended(signal: Mono, window: int, hop: int) -> Mono:
    """Centred frames, with zeros beyond the ends of the sound.

    Shape:
        signal: ``(samples,)``.
        Returns: ``(frames, window)``.
    """
    return frames(np.pad(signal, window // 2), window, hop)


def reflect_ended(signal: Mono, window: int, hop: int) -> Mono:
    """Centred frames, with the sound reflected at its ends as in ``torch.stft``.

    Shape:
        signal: ``(samples,)``.
        Returns: ``(frames, window)``.
    """
    mirrored = np.pad(signal, window // 2, mode="reflect")
    return np.lib.stride_tricks.sliding_window_view(mirrored, window)[::hop]


def magnitudes(framed: Mono, n_fft: int) -> Mono:
    """Magnitude spectra of Hann-windowed frames.

    Shape:
        framed: ``(frames, window)``.
        Returns: ``(frames, n_fft // 2 + 1)``.
    """
    spectrum = scipy.fft.rfft(framed * _hann(framed.shape[1]), n_fft, axis=1)
    return np.asarray(np.abs(spectrum))


def mel_power(signal: Mono, scale: MelScale, sample_rate: int) -> NDArray[np.float32]:
    """Power in mel bands.

    Computed in float32: rounding in the FFT is some 1e-7 of a frame's amplitude, so 1e-14 of its power; the floor is at
    1e-8.

    Shape:
        signal: ``(samples,)``.
        Returns: ``(frames, mels)``.
    """
    window, hop = whole_samples(scale.window_ms, sample_rate), whole_samples(scale.hop_ms, sample_rate)
    n_fft = max(SMALLEST_MEL_FFT, 1 << (window - 1).bit_length())
    framed = zero_ended(signal, window, hop).astype(np.float32) * _hann(window).astype(np.float32)
    spectrum = scipy.fft.rfft(framed, n_fft, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    return np.asarray(power @ mel_matrix(n_fft, scale.n_mels, sample_rate))


def floor_of(power: FloatArray) -> float:
    """The power that is ``FLOOR_DB`` below the largest of a target's powers, or below ``SILENT_POWER``."""
    floor: float = max(float(power.max()), SILENT_POWER) * 10.0 ** (-FLOOR_DB / 10.0)
    return floor


def decibels(power: FloatArray, floor: float) -> FloatArray:
    """``10 log10(max(power, floor))``, in the type of ``power``."""
    return np.asarray(10.0 * np.log10(np.maximum(power, floor)))


@functools.lru_cache(maxsize=32)
def _hann(window: int) -> Mono:
    """Periodic Hann window."""
    hann: Mono = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(window) / window)
    hann.setflags(write=False)
    return hann


def mel_widths_hz(n_mels: int, sample_rate: int) -> Mono:
    """Widths of the mel bands: what ``mel_power`` divides the sum over a band by, shape ``(mels,)``."""
    corners_hz = _mel_corners_hz(n_mels, sample_rate)
    return np.asarray(0.5 * (corners_hz[2:] - corners_hz[:-2]))


def _mel_corners_hz(n_mels: int, sample_rate: int) -> Mono:
    """HTK mel points from 20 Hz to half the sample rate, shape ``(mels + 2,)``."""
    lowest, highest = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (LOWEST_MEL_HZ, sample_rate / 2.0))
    return np.asarray(700.0 * (10.0 ** (np.linspace(lowest, highest, n_mels + 2) / 2595.0) - 1.0))


@functools.lru_cache(maxsize=32)
def mel_matrix(n_fft: int, n_mels: int, sample_rate: int) -> NDArray[np.float32]:
    """Triangles of area 1 in Hz between the mel points: ``(bins, mels)``."""
    corners_hz = _mel_corners_hz(n_mels, sample_rate)
    left, centre, right = corners_hz[:-2], corners_hz[1:-1], corners_hz[2:]
    bins_hz = np.arange(n_fft // 2 + 1)[:, None] * (sample_rate / n_fft)
    rise, fall = (bins_hz - left) / (centre - left), (right - bins_hz) / (right - centre)
    matrix = (np.maximum(0.0, np.minimum(rise, fall)) * 2.0 / (right - left)).astype(np.float32)
    matrix.setflags(write=False)
    return matrix
