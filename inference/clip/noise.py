"""The noise of a recording, which is subtracted from its sound; similar noise is added to everything that is compared.

The sound below the noise is unknown, so it must not be compared. The spectrum of the noise is estimated where nothing
else sounds. It is subtracted from the sound, and noise with the same spectrum and a fixed seed is added to the clip and
to every render before they are compared: it masks the remaining noise, and what a render has below it. The level of a
render is matched before that.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from render.audio import Audio

_WINDOW, _HOP = 2048, 512
_SMOOTHED_BINS = 5
_SUBTRACTED = 2.0  # times the noise's power: as noise is rarely more than that above its mean
_AROUND = 3  # frames and bins over which the power of a sound is averaged

Power = NDArray[np.float64]
"""Mean power in each bin of the transform, shape ``(channels, bins)``."""


def noise_power(quiet: Audio) -> Power:
    """The spectrum of noise.

    Args:
        quiet: a stretch of nothing but noise, shape ``(channels, samples)``.
    """
    missing = max(_WINDOW - quiet.shape[1], 0)
    frames = _frames(np.pad(quiet, ((0, 0), (0, missing)), mode="reflect" if quiet.shape[1] > missing else "wrap"))
    power = np.square(np.abs(scipy.fft.rfft(frames, axis=-1))).mean(axis=1)
    kernel = np.hanning(_SMOOTHED_BINS + 2)[1:-1]
    half = _SMOOTHED_BINS // 2
    padded = np.pad(power, ((0, 0), (half, half)), mode="edge")
    return np.stack([np.convolve(channel, kernel / kernel.sum(), "valid") for channel in padded])


def without_noise(audio: Audio, power: Power) -> Audio:
    """A sound from which noise is subtracted, in each bin of each frame.

    Args:
        audio: the sound, shape ``(channels, samples)``.
        power: the spectrum of the noise.
    """
    from scipy.ndimage import uniform_filter

    spectrum = _spectrum(audio)
    around = uniform_filter(np.square(np.abs(spectrum)), size=(1, _AROUND, _AROUND))
    gain = np.clip(1.0 - _SUBTRACTED * power[:, None] / np.maximum(around, 1e-30), 0.0, 1.0)
    return _audio(spectrum * gain, audio.shape[1])


def drawn_noise(power: Power, n_samples: int) -> Audio:
    """Noise with a given spectrum, always the same samples, shape ``(channels, samples)``."""
    white = np.random.default_rng(0).standard_normal((len(power), n_samples))
    return _audio(_spectrum(white) * np.sqrt(2.0 * power / _WINDOW)[:, None], n_samples)


def _spectrum(audio: NDArray[np.floating]) -> NDArray[np.complex128]:
    """Shape ``(channels, frames, bins)``; the frames reach beyond both ends."""
    beyond = _WINDOW + -audio.shape[1] % _HOP
    spectrum: NDArray[np.complex128] = scipy.fft.rfft(_frames(np.pad(audio, ((0, 0), (_WINDOW, beyond)))), axis=-1)
    return spectrum


def _audio(spectrum: NDArray[np.complex128], n_samples: int) -> Audio:
    """The inverse short-time Fourier transform, by overlap-add of windowed frames."""
    frames = scipy.fft.irfft(spectrum, _WINDOW, axis=-1) * _window()
    total = np.zeros((len(frames), (frames.shape[1] - 1) * _HOP + _WINDOW))
    for number in range(frames.shape[1]):
        total[:, number * _HOP : number * _HOP + _WINDOW] += frames[:, number]
    return (total[:, _WINDOW : _WINDOW + n_samples] * (2.0 * _HOP / _WINDOW)).astype(np.float32)


def _frames(audio: NDArray[np.floating]) -> NDArray[np.float64]:
    windows = np.lib.stride_tricks.sliding_window_view(audio, _WINDOW, axis=1)[:, ::_HOP]
    return np.asarray(windows * _window())


def _window() -> NDArray[np.float64]:
    """Root of a Hann window: its squares add up to a constant, half the number of frames that overlap."""
    return np.sin(np.pi * np.arange(_WINDOW) / _WINDOW)
