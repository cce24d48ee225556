"""A log-mel spectrogram whose hop grows from 3 ms at the onset to 12 ms and 33 ms, so that it covers 3 s.

Channels, bands and levels are those of ``log_mel.py``.
"""

from __future__ import annotations

import functools

import torch
import torchaudio

from inference.network.features.log_mel import (
    HIGHEST_HZ,
    LOWEST_HZ,
    N_FRAMES,
    N_MELS,
    Spectrogram,
    spectrogram_from_power,
)
from render.audio import Audio
from render.note import SAMPLE_RATE

SEGMENTS = ((64, 128, 512), (64, 512, 2048), (64, 1456, 4096))
"""Frames, hop and window in samples, one segment after the other."""

_N_FFT = 4096
STRETCHED_SAMPLES = sum(frames * hop for frames, hop, _ in SEGMENTS)
"""Samples that the spectrogram covers."""


def stretched_spectrogram(audio: Audio) -> Spectrogram:
    """The stretched spectrogram of the first 3 s of a clip; see ``log_mel_spectrogram`` for shapes and errors."""
    return spectrogram_from_power(audio, stretched_power, STRETCHED_SAMPLES)


def stretched_power(signals: torch.Tensor) -> torch.Tensor:
    """Power spectrogram, from ``(channels, samples)`` to ``(channels, N_MELS, N_FRAMES)``, on the signals' device."""
    parts, start = [], 0
    for frames, hop, samples in SEGMENTS:
        before = samples // 2  # a frame's window lies around its time
        first, last = start - before, start + (frames - 1) * hop + before
        cut = signals[:, max(first, 0) : last]
        cut = torch.nn.functional.pad(cut, (max(-first, 0), max(last - signals.shape[1], 0)))
        window = torch.hann_window(samples, device=signals.device)
        spectrum = torch.fft.rfft(cut.unfold(1, samples, hop) * (window / window.sum()), _N_FFT)
        parts.append(spectrum.real.square() + spectrum.imag.square())
        start += frames * hop
    power = torch.cat(parts, dim=1)
    assert power.shape[1] == N_FRAMES
    return torch.matmul(power, _mel(signals.device)).transpose(1, 2)


@functools.cache
def _mel(device: torch.device) -> torch.Tensor:
    """Triangles over the spectrum, shape ``(bins, mels)``."""
    matrix: torch.Tensor = torchaudio.functional.melscale_fbanks(
        _N_FFT // 2 + 1, LOWEST_HZ, HIGHEST_HZ, N_MELS, SAMPLE_RATE
    )
    return matrix.to(device)
