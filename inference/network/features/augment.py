"""Damage that recordings have, done to pictures, so that a network hears the world and not only renders.

Everything is done to power and time in the picture itself, which costs a tenth of a training step; a picture is
``FLOOR_DB`` of decibels from 0 to 1. Levels need no augmentation: pictures are relative to their loudest cell.
"""

from __future__ import annotations

import torch

from inference.network.features.log_mel import FLOOR_DB, HOP, N_FRAMES, N_MELS
from render.note import SAMPLE_RATE

SHARE = 0.35
"""Of pictures that are touched at all: most are not, as what the synth can make must stay exact."""
_EACH = 0.35
"""Share of the touched ones that get each kind of damage."""


def augment(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Damage some pictures of a batch.

    Args:
        pictures: ``(batch, channels, mels, frames)``, 0 to 1.
        generator: gives everything random.
    """
    touched = torch.rand(len(pictures), generator=generator) < SHARE
    if not touched.any():
        return pictures
    damaged = pictures[touched]
    for damage in (_room, _tilt, _band, _noise, _holes, _cut, _late):
        chosen = torch.rand(len(damaged), generator=generator) < _EACH
        if chosen.any():
            damaged[chosen] = damage(damaged[chosen], generator)
    peak = damaged.amax(dim=(1, 2, 3), keepdim=True)
    result = pictures.clone(memory_format=torch.channels_last)
    result[touched] = (damaged + (1.0 - peak)).clamp(0.0, 1.0)
    return result


def _uniform(x: torch.Tensor, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    """A number for each picture, shape ``(batch, 1, 1, 1)``."""
    return low + (high - low) * torch.rand(len(x), 1, 1, 1, generator=generator)


def _mels() -> torch.Tensor:
    return torch.linspace(0.0, 1.0, N_MELS)[:, None]


def _power(x: torch.Tensor) -> torch.Tensor:
    return torch.exp((x - 1.0) * (FLOOR_DB / 10.0 * 2.302585))


def _picture(power: torch.Tensor) -> torch.Tensor:
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
    return _picture(power + share * torch.stack(tails, dim=-1))


def _tilt(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Up to 9 dB more or less from the lowest to the highest band."""
    return x + _uniform(x, -9.0, 9.0, generator) / FLOOR_DB * (_mels() - 0.5) * (x > 0.0)


def _band(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Nothing above a band, and in half of them less below another."""
    top = _uniform(x, 0.6, 1.0, generator)
    bottom = _uniform(x, -0.1, 0.1, generator)
    slope = 5.0 * (_mels() - top).clamp(min=0.0) + 8.0 * (bottom - _mels()).clamp(min=0.0)
    return (x - slope).clamp(min=0.0)


def _noise(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A floor of noise 30 to 75 dB below the loudest cell, white to pink, with the spread of a noise's power."""
    level = 1.0 - _uniform(x, 30.0, 75.0, generator) / FLOOR_DB - _uniform(x, 0.0, 0.2, generator) * _mels()
    spread = -torch.log(torch.rand(x.shape, generator=generator).clamp(min=1e-4))
    return _picture(_power(x) + _power(level) * spread)


def _holes(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """What a codec leaves out: cells 25 to 55 dB below the loudest of their frame."""
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
