"""The distance that every stage minimises, in torch: auraloss's STFT losses with linear and log magnitudes, and an
envelope term. ``render/distance.py`` is its numpy twin and owns the definition and the settings.
"""

from __future__ import annotations

import auraloss
import torch
from einops import rearrange, reduce
from torch import Tensor

from render.distance import (
    DEFAULT_WEIGHTS,
    ENVELOPE_DB,
    ENVELOPE_FLOOR_DB,
    ENVELOPE_HOP,
    ENVELOPE_WINDOW,
    FLOOR_DB,
    Weights,
)
from render.errors import InvalidAudio


class TargetDistance:
    """Differentiable distance of a batch of renders from one target.

    Args:
        target: shape ``(channels, samples)`` with one or two channels, float32 or float64, on any device.
        weights: of the terms.

    Raises:
        InvalidAudio: if the target is silent, not finite or of the wrong shape.
    """

    def __init__(self, target: Tensor, weights: Weights = DEFAULT_WEIGHTS) -> None:
        if target.ndim != 2 or target.shape[0] not in (1, 2) or target.shape[1] == 0:
            raise InvalidAudio(f"target has shape {tuple(target.shape)}; allowed: (1 or 2, samples)")
        if not bool(target.isfinite().all()) or not bool(target.any()):
            raise InvalidAudio("target is silent or not finite")
        self.weights = weights
        self.channels, self.n_samples = target.shape
        # auraloss floors powers at eps; the floor is relative to the target's loudest bin, so it is set per target.
        self.resolutions: list[tuple[auraloss.freq.STFTLoss, Tensor]] = []
        for window in weights.windows:
            stft = auraloss.freq.STFTLoss(window, window // 2, window, eps=0.0)
            stft.window = stft.window.to(target)
            magnitudes, _ = stft.stft(target)
            stft.eps = float(magnitudes.max().square()) * 10.0 ** (-FLOOR_DB / 10.0)
            self.resolutions.append((stft, magnitudes.clamp(min=stft.eps**0.5)))
        self.log_loss = auraloss.freq.STFTMagnitudeLoss(log=True, reduction="none")
        self.linear_loss = auraloss.freq.STFTMagnitudeLoss(log=False, reduction="none")
        envelope = _envelope_power(target)
        self.envelope_floor = float(envelope.max()) * 10.0 ** (-ENVELOPE_FLOOR_DB / 10.0)
        self.envelope_db = _power_db(envelope, self.envelope_floor)

    def __call__(self, renders: Tensor) -> Tensor:
        """Distance of each render.

        Shape:
            ``(batch, 2, samples)`` to ``(batch,)``. A target of one channel is compared with the mean of both sides.
        """
        if renders.ndim != 3 or renders.shape[1] != 2 or renders.shape[2] != self.n_samples:
            raise InvalidAudio(f"renders have shape {tuple(renders.shape)}; allowed: (batch, 2, {self.n_samples})")
        audio = renders if self.channels == 2 else reduce(renders, "batch sides samples -> batch 1 samples", "mean")
        flat = rearrange(audio, "batch channels samples -> (batch channels) samples")
        distance = torch.zeros(renders.shape[0], dtype=renders.dtype, device=renders.device)
        per_item = "(batch channels) bins frames -> batch channels bins frames"
        for stft, target in self.resolutions:
            magnitudes = rearrange(stft.stft(flat)[0], per_item, channels=self.channels)
            same = target.expand_as(magnitudes)
            log = reduce(self.log_loss(magnitudes, same), "batch ... -> batch", "mean")
            linear = reduce(self.linear_loss(magnitudes, same), "batch ... -> batch", "sum") / target.sum()
            distance = distance + (self.weights.log * log + self.weights.linear * linear) / len(self.resolutions)
        envelope = (_power_db(_envelope_power(audio), self.envelope_floor) - self.envelope_db).abs()
        return distance + self.weights.envelope * reduce(envelope, "batch ... -> batch", "mean") / ENVELOPE_DB


def _envelope_power(audio: Tensor) -> Tensor:
    """Mean square over ``ENVELOPE_WINDOW`` samples every ``ENVELOPE_HOP``, ends reflected.

    Shape:
        ``(..., channels, samples)`` to ``(..., channels, frames)``.
    """
    half = ENVELOPE_WINDOW // 2
    mode = "reflect" if audio.shape[-1] > half else "constant"
    padded = torch.nn.functional.pad(audio, (half, half), mode=mode)
    blocks = padded.unfold(-1, ENVELOPE_WINDOW, ENVELOPE_HOP)
    return blocks.square().mean(-1)


def _power_db(power: Tensor, floor: float) -> Tensor:
    return 10.0 * torch.log10(power.clamp(min=floor))
