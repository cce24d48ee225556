"""The input of the guess networks: log-mel spectrograms of the mid and the side signal of a clip.

Levels are relative to the clip's loudest cell, so a network gets no absolute level (the volume knob is solved from
renders). A clip is first cut to its sound, as by ``read_target``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray

from render.audio import Audio
from render.errors import InvalidAudio
from render.note import SAMPLE_RATE

FEATURES_SCHEMA = 1
"""Version of the spectrograms, written into their files and into the weights of networks that read them."""
N_CHANNELS, N_MELS, N_FRAMES = 2, 128, 192
SHAPE = (N_CHANNELS, N_MELS, N_FRAMES)
WINDOW, HOP = 2048, 512  # samples: 46 and 11.6 ms
FLOOR_DB = 80.0
LOWEST_HZ, HIGHEST_HZ = 20.0, 20000.0

_N_FFT = 2 * WINDOW  # zero-padded, so that the lowest bands (19 Hz apart) hold a bin each
MEL_SAMPLES = (N_FRAMES - 1) * HOP
"""Samples that the spectrogram covers."""
_SMALLEST_POWER = 1e-20

Spectrogram = NDArray[np.uint8]
"""Shape ``SHAPE``: 0 is ``FLOOR_DB`` below the loudest cell or less, 255 the loudest cell."""


def log_mel_spectrogram(audio: Audio) -> Spectrogram:
    """The log-mel spectrogram of the first 2.2 s of a clip.

    Args:
        audio: shape ``(1 or 2, samples)`` at ``SAMPLE_RATE``, from its onset on; one channel has no side.

    Raises:
        InvalidAudio: for the wrong shape, or audio that is silent or not finite.
    """
    return spectrogram_from_power(audio, mel_power)


def spectrogram_from_power(
    audio: Audio, power_of: Callable[[torch.Tensor], torch.Tensor], seen_samples: int = MEL_SAMPLES
) -> Spectrogram:
    """The spectrogram in decibels from a power spectrogram; see ``log_mel_spectrogram`` for errors.

    Args:
        audio: the clip.
        power_of: power spectrogram of a signal, from shape ``(channels, samples)`` to ``(channels, N_MELS, N_FRAMES)``.
        seen_samples: number of samples that the spectrogram covers.
    """
    if audio.ndim != 2 or len(audio) not in (1, 2) or not np.isfinite(audio).all() or not audio.any():
        raise InvalidAudio(f"audio of shape {audio.shape} is no clip: one or two channels, finite and not silent")
    cut = np.zeros((2, seen_samples), np.float32)
    n_samples = min(audio.shape[1], seen_samples)
    left, right = audio[0, :n_samples], audio[-1, :n_samples]
    cut[0, :n_samples], cut[1, :n_samples] = 0.5 * (left + right), 0.5 * (left - right)
    largest = np.abs(cut).max()
    if largest == 0.0:  # the sound begins after the end of the spectrogram
        return np.zeros(SHAPE, np.uint8)
    with torch.inference_mode():
        channels = cut[:1] if not cut[1].any() else cut
        power = power_of(torch.from_numpy(channels / largest))  # (1 or 2, mels, frames)
        result: Spectrogram = np.zeros(SHAPE, np.uint8)
        result[: len(channels)] = quantised(power[None])[0].numpy()
    return result


def quantised(power: torch.Tensor) -> torch.Tensor:
    """Power spectrograms as whole numbers from 0 to 255, see ``Spectrogram``.

    Shape:
        power: ``(batch, channels, bands, frames)``.
        Returns: as ``power``, uint8.
    """
    decibels = 10.0 * torch.log10(power.clamp(min=_SMALLEST_POWER))
    scaled = 1.0 + (decibels - decibels.amax(dim=(1, 2, 3), keepdim=True)) / FLOOR_DB
    return (255.0 * scaled.clamp(0.0, 1.0)).round().to(torch.uint8)


def as_batch(spectrograms: NDArray[np.uint8]) -> torch.Tensor:
    """Spectrograms ``(batch, *SHAPE)`` as floats 0 to 1, in the memory order that convolutions are fastest with."""
    return as_floats(torch.from_numpy(spectrograms))


def as_floats(spectrograms: torch.Tensor) -> torch.Tensor:
    """See ``as_batch``: bytes on any device."""
    batch = spectrograms.to(torch.float32).mul_(1.0 / 255.0)
    return batch.contiguous(memory_format=torch.channels_last)


def mel_power(signals: torch.Tensor) -> torch.Tensor:
    """Power spectrogram, from ``(channels, samples)`` to ``(channels, mels, frames)``, on the signals' device.

    It takes half of the time that torchaudio needs.
    """
    window, triangles = _filters(signals.device)
    spectrum = torch.stft(signals, _N_FFT, HOP, WINDOW, window, center=True, pad_mode="constant", return_complex=True)[
        :, : triangles.shape[1]
    ]
    return torch.matmul(triangles, spectrum.real.square() + spectrum.imag.square())


@functools.cache
def _filters(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The window, and the mel bands' triangles over its spectrum, shape ``(mels, bins)``."""
    triangles = torchaudio.functional.melscale_fbanks(_N_FFT // 2 + 1, LOWEST_HZ, HIGHEST_HZ, N_MELS, SAMPLE_RATE)
    last = int(triangles.any(dim=1).nonzero()[-1])
    return torch.hann_window(WINDOW, device=device), triangles[: last + 1].T.contiguous().to(device)
