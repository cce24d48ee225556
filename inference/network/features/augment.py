"""Data augmentation: spectrograms of clean renders are altered as rooms, microphones and codecs alter recordings.

Everything is done on the spectrogram itself, in power or in decibels, which costs a tenth of a training step. Values
from 0 to 1 stand for the ``FLOOR_DB`` below the loudest cell. Levels need no augmentation, as spectrograms are relative
to their loudest cell.
"""

from __future__ import annotations

from functools import partial

import torch

from inference.network.features.log_mel import FLOOR_DB, HOP, N_FRAMES, N_MELS
from inference.network.features.stretched import SEGMENTS
from render.note import SAMPLE_RATE

SHARE = 0.35
"""Share of spectrograms that are altered at all: most are not, as what the synth can make must stay exact."""
_EACH = 0.35
"""Probability of each kind of augmentation for one of those."""
_STRETCHED_HOPS = tuple(hop for frames, hop, _ in SEGMENTS for _ in range(frames))


def augment(spectrograms: torch.Tensor, generator: torch.Generator, kind: str = "mel") -> torch.Tensor:
    """Alter some spectrograms of a batch.

    Args:
        spectrograms: values from 0 to 1, on any device, for which nothing here waits.
        generator: source of all random numbers, on the CPU.
        kind: kind of the spectrograms, which gives the times of their frames.

    Shape:
        spectrograms: ``(batch, channels, mels, frames)``.
        Returns: as ``spectrograms``.
    """
    altered = _chosen(len(spectrograms), SHARE, spectrograms, generator)
    if altered is None:
        return spectrograms
    changed = spectrograms[altered]
    room = partial(_room, hops=_STRETCHED_HOPS if kind == "stretched" else None)
    for augmentation in (room, _tilt, _band, _noise, _holes, _cut, _late):
        chosen = _chosen(len(changed), _EACH, changed, generator)
        if chosen is not None:
            changed[chosen] = augmentation(changed[chosen], generator)
    peak = changed.amax(dim=(1, 2, 3), keepdim=True)
    result = spectrograms.clone(memory_format=torch.channels_last)
    result[altered] = (changed + (1.0 - peak)).clamp(0.0, 1.0)
    return result


def _chosen(count: int, share: float, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor | None:
    """Random rows on the device of ``x``; None if there are none."""
    rows = (torch.rand(count, generator=generator) < share).nonzero()[:, 0]
    return _there(rows, x) if len(rows) else None


def _there(drawn: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return drawn.to(x.device, non_blocking=True)


def _uniform(x: torch.Tensor, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    """A random number for each spectrogram, shape ``(batch, 1, 1, 1)``."""
    return _there(low + (high - low) * torch.rand(len(x), 1, 1, 1, generator=generator), x)


def _mels(x: torch.Tensor) -> torch.Tensor:
    return torch.linspace(0.0, 1.0, N_MELS, device=x.device)[:, None]


def _power(x: torch.Tensor) -> torch.Tensor:
    return torch.exp((x - 1.0) * (FLOOR_DB / 10.0 * 2.302585))


def _scaled(power: torch.Tensor) -> torch.Tensor:
    return 1.0 + torch.log(power.clamp(min=1e-9)) / (FLOOR_DB / 10.0 * 2.302585)


def _room(x: torch.Tensor, generator: torch.Generator, hops: tuple[int, ...] | None) -> torch.Tensor:
    """An exponential tail of 0.15 to 1 s (60 dB), 6 to 25 dB below the sound.

    ``hops`` are the samples from each frame to the next; None if all are ``HOP``.
    """
    seconds = _uniform(x, 0.15, 1.0, generator)[..., 0]
    share = 10.0 ** (-_uniform(x, 0.6, 2.5, generator))
    power = _power(x)
    if hops is None and x.device.type == "cpu":
        decay = 10.0 ** (-6.0 * HOP / SAMPLE_RATE / seconds)
        tail = torch.zeros_like(power[..., 0])
        tails = []
        for frame in range(power.shape[-1]):
            tail = tail * decay + power[..., frame]
            tails.append(tail)
        return _scaled(power + share * (1.0 - decay[..., None]) * torch.stack(tails, dim=-1))
    lengths = torch.tensor(hops or (HOP,) * N_FRAMES, dtype=torch.float32) / SAMPLE_RATE
    times = lengths.cumsum(0) - lengths
    since = _there((times - times[:, None]).clamp(min=0.0), x)
    past = _there(torch.ones(N_FRAMES, N_FRAMES).triu(), x)
    weights = 1.0 - 10.0 ** (-6.0 * _there(lengths[:, None], x) / seconds)
    decays = weights * past * 10.0 ** (-6.0 * since / seconds)
    return _scaled(power + share * torch.einsum("bcmf,bfg->bcmg", power, decays))


def _tilt(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A spectral tilt of up to 9 dB from the lowest to the highest band."""
    return x + _uniform(x, -9.0, 9.0, generator) / FLOOR_DB * (_mels(x) - 0.5) * (x > 0.0)


def _band(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A low-pass, and in half of them a high-pass too."""
    top = _uniform(x, 0.6, 1.0, generator)
    bottom = _uniform(x, -0.1, 0.1, generator)
    slope = 5.0 * (_mels(x) - top).clamp(min=0.0) + 8.0 * (bottom - _mels(x)).clamp(min=0.0)
    return (x - slope).clamp(min=0.0)


def _noise(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A noise floor 30 to 75 dB below the loudest cell, white to pink, with exponentially distributed power."""
    level = 1.0 - _uniform(x, 30.0, 75.0, generator) / FLOOR_DB - _uniform(x, 0.0, 0.2, generator) * _mels(x)
    if x.device.type == "cpu":
        drawn = torch.rand(x.shape, generator=generator)
    else:
        seed = int(torch.randint(2**62, (), generator=generator))
        drawn = torch.rand(x.shape, generator=torch.Generator(x.device).manual_seed(seed), device=x.device)
    spread = -torch.log(drawn.clamp(min=1e-4))
    return _scaled(_power(x) + _power(level) * spread)


def _holes(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Cells that a codec would drop: those 25 to 55 dB below the loudest of their frame."""
    lowest = x.amax(dim=(1, 2), keepdim=True) - _uniform(x, 25.0, 55.0, generator) / FLOOR_DB
    return x * (x > lowest)


def _cut(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The end is missing."""
    frames = torch.arange(N_FRAMES, device=x.device)
    return x * (frames < _uniform(x, 0.2, 1.0, generator) * N_FRAMES)


def _late(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Up to two frames are missing at the start, or there is a frame of silence."""
    shift = int(torch.randint(-2, 2, (), generator=generator))
    shifted = torch.roll(x, shift, dims=-1)
    shifted[..., shift:] *= shift >= 0
    shifted[..., : max(shift, 0)] = 0.0
    return shifted
