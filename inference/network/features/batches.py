"""Spectrograms of a batch of renders at once, on the device that they are on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from inference.clip.sound import KEPT_TAIL_SECONDS, LEAD_SECONDS, ONSET_DB, TAIL_DB
from inference.network.features.log_mel import MEL_SAMPLES, mel_power, quantised
from inference.network.features.stretched import STRETCHED_SAMPLES, stretched_power
from render.note import SAMPLE_RATE

POWERS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "mel": (mel_power, MEL_SAMPLES),
    "stretched": (stretched_power, STRETCHED_SAMPLES),
}
"""Power spectrogram and covered samples of each kind of spectrogram, by the names of ``SPECTROGRAMS``."""

_AT_ONCE = 256


def spectrograms_of_renders(audio: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """As ``spectrogram_of_render``, for a batch.

    Args:
        audio: renders, of which none is silent or longer than its note.
        kind: kind of spectrogram, one of ``SPECTROGRAMS``.

    Returns:
        Spectrograms as whole numbers from 0 to 255, and seconds from the key press to the onset.

    Shape:
        audio: ``(batch, 2, samples)``.
        Returns: ``(batch, 2, bands, frames)`` uint8, and ``(batch,)``.
    """
    parts = [_part(part, *POWERS[kind]) for part in torch.split(audio, _AT_ONCE)]
    spectrograms, onsets = zip(*parts, strict=True)
    return torch.cat(spectrograms), torch.cat(onsets)


def sounding_ranges(audio: Tensor) -> tuple[Tensor, Tensor]:
    """As ``sounding_range``, for a batch: ``(batch, channels, samples)`` to two tensors ``(batch,)`` int64."""
    n_samples = audio.shape[2]
    envelope = audio.abs().amax(dim=1)
    peak = envelope.amax(dim=1, keepdim=True)
    start = (envelope > peak * 10.0 ** (-ONSET_DB / 20.0)).byte().argmax(dim=1)
    start = torch.where(start <= LEAD_SECONDS * SAMPLE_RATE, 0, start)
    last = n_samples - 1 - (envelope > peak * 10.0 ** (-TAIL_DB / 20.0)).flip(1).byte().argmax(dim=1)
    return start, (last + 1 + round(KEPT_TAIL_SECONDS * SAMPLE_RATE)).clamp(max=n_samples)


def _part(audio: Tensor, power_of: Callable[[Tensor], Tensor], seen_samples: int) -> tuple[Tensor, Tensor]:
    start, stop = sounding_ranges(audio)
    places = start[:, None] + torch.arange(seen_samples, device=audio.device)
    inside = (places < stop[:, None])[:, None]
    cut = audio.gather(2, places.clamp(max=audio.shape[2] - 1)[:, None].expand(-1, 2, -1)) * inside
    channels = torch.stack([0.5 * (cut[:, 0] + cut[:, 1]), 0.5 * (cut[:, 0] - cut[:, 1])], dim=1)
    channels = channels / channels.abs().amax(dim=(1, 2), keepdim=True)
    power = power_of(channels.flatten(0, 1))
    return quantised(power.reshape(len(audio), 2, *power.shape[1:])), start / SAMPLE_RATE
