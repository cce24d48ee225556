"""A spectrogram with one band per semitone, which can be transposed so that the estimated note lies in a fixed band.

Band ``k`` is MIDI note ``LOWEST_NOTE + k``. Below ``SPLIT_NOTE`` the window is twice as long as above, for there the
partials of low notes lie close together. Channels, frames and levels are those of ``log_mel.py``.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inference.network.features.estimated_note import UNKNOWN_NOTE
from inference.network.features.log_mel import HOP, N_FRAMES, N_MELS, WINDOW, Spectrogram, spectrogram_from_power
from render.audio import Audio
from render.note import SAMPLE_RATE

LOWEST_NOTE = 12
SPLIT_NOTE = 84
NOTE_BAND = 36
"""Band of the estimated note in an aligned spectrogram: three octaves above the lowest."""
ASSUMED_NOTE = 60
"""Note that is assumed where none was estimated."""

_LEAST_BINS = 1.2  # half width of a band, in bins of the spectrum


def semitone_spectrogram(audio: Audio) -> Spectrogram:
    """The semitone spectrogram of the first 2.2 s of a clip; see ``log_mel_spectrogram`` for shapes and errors."""
    return spectrogram_from_power(audio, semitone_power)


def aligned(spectrograms: torch.Tensor, notes: torch.Tensor) -> torch.Tensor:
    """Semitone spectrograms, shifted so that the estimated note lies at ``NOTE_BAND``; bands out of range are empty.

    Shape:
        ``(batch, channels, bands, frames)`` and ``(batch,)`` to ``(batch, channels, bands, frames)``.
    """
    notes = torch.where(notes == UNKNOWN_NOTE, ASSUMED_NOTE, notes)
    bands = torch.arange(N_MELS, device=spectrograms.device) + (notes - LOWEST_NOTE - NOTE_BAND)[:, None]
    inside = (bands >= 0) & (bands < N_MELS)
    index = bands.clamp(0, N_MELS - 1)[:, None, :, None].expand(-1, spectrograms.shape[1], -1, spectrograms.shape[3])
    return spectrograms.gather(2, index) * inside[:, None, :, None]


def semitone_power(signals: torch.Tensor) -> torch.Tensor:
    """Power spectrogram, from ``(channels, samples)`` to ``(channels, bands, frames)``, on the signals' device."""
    parts = []
    for window, bands in _filters(signals.device):
        spectrum = torch.stft(
            signals,
            2 * len(window),
            HOP,
            len(window),
            window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )[:, : bands.shape[1], :N_FRAMES]
        power = spectrum.real.square() + spectrum.imag.square()
        parts.append(torch.matmul(bands, power))
    return torch.cat(parts, dim=1)


@functools.cache
def _filters(device: torch.device) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """For low and high bands the window and the triangles over its spectrum, shape ``(bands, bins)``."""
    notes = LOWEST_NOTE + np.arange(N_MELS)
    result = []
    for samples, chosen in ((2 * WINDOW, notes[notes < SPLIT_NOTE]), (WINDOW, notes[notes >= SPLIT_NOTE])):
        window = torch.hann_window(samples)
        bins_hz = np.arange(samples + 1, dtype=np.float64) * (0.5 * SAMPLE_RATE / samples)
        matrix = _triangles(chosen, bins_hz) / float(window.sum()) ** 2
        matrix = matrix[:, : int(np.flatnonzero(matrix.any(axis=0))[-1]) + 1]
        result.append((window.to(device), torch.from_numpy(matrix.astype(np.float32)).to(device)))
    return tuple(result)


def _triangles(notes: NDArray[np.int64], bins_hz: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Height 1 at each note, 0 at its neighbours, or at ``_LEAST_BINS`` from it: shape ``(notes, bins)``."""
    centre = 440.0 * 2.0 ** ((notes[:, None] - 69.0) / 12.0)
    reach = np.maximum(centre * (2.0 ** (1.0 / 12.0) - 1.0), _LEAST_BINS * bins_hz[1])
    heights: NDArray[np.float64] = np.maximum(1.0 - np.abs(bins_hz - centre) / reach, 0.0)
    return heights
