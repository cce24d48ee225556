"""Data augmentation: spectrograms of clean renders are altered as rooms, microphones and codecs alter recordings.

Everything is done on the spectrogram itself, in power or in decibels, which costs a tenth of a training step. Values
from 0 to 1 stand for the ``FLOOR_DB`` below the loudest cell. Levels need no augmentation, as spectrograms are relative
to their loudest cell.
"""

from __future__ import annotations

import torch

from inference.network.features.log_mel import FLOOR_DB, HOP, N_FRAMES, N_MELS
from render.note import SAMPLE_RATE

SHARE = 0.35
"""Share of spectrograms that are altered at all: most are not, as what the synth can make must stay exact."""
_EACH = 0.35
"""Probability of each kind of augmentation for one of those."""


def augment(spectrograms: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Alter some spectrograms of a batch.

    Args:
        spectrograms: values from 0 to 1.
        generator: source of all random numbers.

    Shape:
        spectrograms: ``(batch, channels, mels, frames)``.
        Returns: as ``spectrograms``.
    """
    altered = torch.rand(len(spectrograms), generator=generator) < SHARE
    if not altered.any():
        return spectrograms
    changed = spectrograms[altered]
    for augmentation in (_room, _tilt, _band, _noise, _holes, _cut, _late):
        chosen = torch.rand(len(changed), generator=generator) < _EACH
        if chosen.any():
            changed[chosen] = augmentation(changed[chosen], generator)
    peak = changed.amax(dim=(1, 2, 3), keepdim=True)
    result = spectrograms.clone(memory_format=torch.channels_last)
    result[altered] = (changed + (1.0 - peak)).clamp(0.0, 1.0)
    return result


def _uniform(x: torch.Tensor, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    """A random number for each spectrogram, shape ``(batch, 1, 1, 1)``."""
    return low + (high - low) * torch.rand(len(x), 1, 1, 1, generator=generator)


def _mels() -> torch.Tensor:
    return torch.linspace(0.0, 1.0, N_MELS)[:, None]


def _power(x: torch.Tensor) -> torch.Tensor:
    return torch.exp((x - 1.0) * (FLOOR_DB / 10.0 * 2.302585))


def _scaled(power: torch.Tensor) -> torch.Tensor:
    return 1.0 + torch.log(power.clamp(min=1e-9)) / (FLOOR_DB / 10.0 * 2.302585)


def _room(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """An exponential tail of 0.15 to 1 s (60 dB), 6 to 25 dB below the sound."""
    seconds = _uniform(x, 0.15, 1.0, generator)[..., 0]
    decay = 10.0 ** (-6.0 * HOP / SAMPLE_RATE / seconds)
    share = 10.0 ** (-_uniform(x, 0.6, 2.5, generator)) * (1.0 - decay[..., None])
    power = _power(x)
    tail = torch.zeros_like(power[..., 0])
    tails = []
    for frame in range(power.shape[-1]):
        tail = tail * decay + power[..., frame]
        tails.append(tail)
    return _scaled(power + share * torch.stack(tails, dim=-1))


def _tilt(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A spectral tilt of up to 9 dB from the lowest to the highest band."""
    return x + _uniform(x, -9.0, 9.0, generator) / FLOOR_DB * (_mels() - 0.5) * (x > 0.0)


def _band(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A low-pass, and in half of them a high-pass too."""
    top = _uniform(x, 0.6, 1.0, generator)
    bottom = _uniform(x, -0.1, 0.1, generator)
    slope = 5.0 * (_mels() - top).clamp(min=0.0) + 8.0 * (bottom - _mels()).clamp(min=0.0)
    return (x - slope).clamp(min=0.0)


def _noise(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A noise floor 30 to 75 dB below the loudest cell, white to pink, with exponentially distributed power."""
    level = 1.0 - _uniform(x, 30.0, 75.0, generator) / FLOOR_DB - _uniform(x, 0.0, 0.2, generator) * _mels()
    spread = -torch.log(torch.rand(x.shape, generator=generator).clamp(min=1e-4))
    return _scaled(_power(x) + _power(level) * spread)


def _holes(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Cells that a codec would drop: those 25 to 55 dB below the loudest of their frame."""
    lowest = x.amax(dim=(1, 2), keepdim=True) - _uniform(x, 25.0, 55.0, generator) / FLOOR_DB
    return x * (x > lowest)


def _cut(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The end is missing."""
    frames = torch.arange(N_FRAMES)
    return x * (frames < _uniform(x, 0.2, 1.0, generator) * N_FRAMES)


def _late(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Up to two frames are missing at the start, or there is a frame of silence."""
    shift = int(torch.randint(-2, 2, (), generator=generator))
    shifted = torch.roll(x, shift, dims=-1)
    shifted[..., shift:] *= shift >= 0
    shifted[..., : max(shift, 0)] = 0.0
    return shifted
