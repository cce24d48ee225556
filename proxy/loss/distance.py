"""The distance that gradient descent minimises, in torch: auraloss's STFT losses of linear and log magnitudes, and an
envelope term. ``render/measures/distance.py`` is its reference implementation in numpy, with the formulas and settings;
``proxy/loss/fused.py`` computes it with its gradient in a third of the time, and tests compare the three.
"""

from __future__ import annotations

from dataclasses import dataclass

import auraloss
import torch
from einops import rearrange, reduce
from torch import Tensor

from proxy.loss import fused
from proxy.loss.stft import magnitudes
from render.errors import InvalidAudio
from render.measures.distance import (
    DEFAULT_WEIGHTS,
    ENVELOPE_DB,
    ENVELOPE_FLOOR_DB,
    ENVELOPE_HOP,
    ENVELOPE_WINDOW,
    FLOOR_DB,
    WIDTH,
    Weights,
)

_DEEP = 1e-4
"""Before its gain is known, a render's magnitudes are floored at this share of the distance's floor: 80 dB below it."""

_AROUND = 0.25
"""Scale in nepers (2 dB) of the distance from the median at which cells still count for its slope."""


class TargetDistance:
    """Differentiable distance of a batch of renders from one target.

        >>> clip = 0.1 * torch.randn(2, 22050, generator=torch.Generator().manual_seed(0))
        >>> renders = torch.stack([clip, 0.5 * clip]).requires_grad_()
        >>> losses, gains = TargetDistance(clip).measure(renders)
        >>> losses.sum().backward()
        >>> losses.detach().numpy().round(4), gains.numpy().round(3), renders.grad.shape
        (array([0., 0.], dtype=float32), array([1., 2.], dtype=float32), torch.Size([2, 2, 22050]))

    Args:
        target: sound to be matched, float32 or float64, on any device. One channel is compared with the mean of a
            render's sides, two channels with both sides and their difference.
        weights: weights and windows.

    Attributes:
        channels: number of channels of the target.
        n_samples: length of the target in samples.

    Shape:
        target: ``(1 or 2, samples)``.

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
        target = _compared(target[None], self.channels)[0]
        # Magnitudes are floored deep, before any gain; the distance's own floor comes after it.
        self.resolutions: list[_Resolution] = []
        for window in weights.windows:
            hann = torch.hann_window(window).to(target)
            loud = magnitudes(target, hann, 0.0)
            floor = float(loud.max()) * 10.0 ** (-FLOOR_DB / 20.0)
            self.resolutions.append(_Resolution(hann, loud.clamp(min=floor), floor))
        self.log_loss = auraloss.freq.STFTMagnitudeLoss(log=True, reduction="none")
        self.linear_loss = auraloss.freq.STFTMagnitudeLoss(log=False, reduction="none")
        envelope = _envelope_power(target)
        self.energy = envelope.sum()
        self.envelope_floor = float(envelope.max()) * 10.0 ** (-ENVELOPE_FLOOR_DB / 10.0)
        self.envelope_db = _power_db(envelope, self.envelope_floor)
        self._fused = self._for_loops() if target.dtype == torch.float32 and target.device.type == "cpu" else None

    def __call__(self, renders: Tensor) -> Tensor:
        """Distance of each render at its own level.

        Shape:
            renders: ``(batch, 2, samples)``, as long as the target.
            Returns: ``(batch,)``.

        Raises:
            InvalidAudio: for renders of another shape.
        """
        loud, envelope = self._view(renders)
        return self._distance(loud, envelope, renders.new_ones(len(renders)))

    def measure(self, renders: Tensor) -> tuple[Tensor, Tensor]:
        """Distance of each render at the gain that suits it best, which has a gradient, and that gain, which has none.

        Args:
            renders: sounds to compare.

        Shape:
            renders: ``(batch, 2, samples)``, as long as the target.
            Returns: ``(batch,)`` and ``(batch,)``.

        Raises:
            InvalidAudio: for renders of another shape.
        """
        if self._fused is not None and renders.dtype == torch.float32 and self.n_samples > self._fused.ends:
            self._check(renders)
            return fused.measure(renders, self._fused)
        return self.measure_by_torch(renders)

    def measure_by_torch(self, renders: Tensor) -> tuple[Tensor, Tensor]:
        """As ``measure``, with torch's operations and auraloss's losses, of any type and on any device."""
        loud, envelope = self._view(renders)
        with torch.no_grad():
            gain, weights = self._matching_gain(loud[0], envelope)
        # A median has the slope of the cells around it. Without it a louder render would look worse than it is.
        level = reduce(weights * loud[0].log(), "batch ... -> batch", "sum")
        gain = gain * (level.detach() - level).exp()
        return self._distance(loud, envelope, gain), gain.detach()

    def _check(self, renders: Tensor) -> None:
        if renders.ndim != 3 or renders.shape[1] != 2 or renders.shape[2] != self.n_samples:
            raise InvalidAudio(f"renders have shape {tuple(renders.shape)}; allowed: (batch, 2, {self.n_samples})")

    def _for_loops(self) -> fused.FusedTarget:
        """The target in the form that the compiled loops use."""
        resolutions = tuple(
            fused.FusedResolution(
                one.window.numpy(),
                rearrange(one.magnitudes, "channels bins frames -> channels frames bins").contiguous().numpy(),
                one.floor,
                _DEEP * one.floor,
                float(one.magnitudes.sum()),
            )
            for one in self.resolutions
        )
        levels = self.envelope_db.numpy()
        return fused.FusedTarget(resolutions, levels, self.envelope_floor, float(self.energy), self.weights)

    def _view(self, renders: Tensor) -> tuple[list[Tensor], Tensor]:
        """Magnitudes at each resolution, ``(batch, channels, bins, frames)``, and the power of the envelope."""
        self._check(renders)
        audio = _compared(renders, self.channels)
        flat = rearrange(audio, "batch channels samples -> (batch channels) samples")
        per_item = "(batch channels) bins frames -> batch channels bins frames"
        loud = [magnitudes(flat, one.window, _DEEP * one.floor) for one in self.resolutions]
        return [rearrange(one, per_item, channels=audio.shape[1]) for one in loud], _envelope_power(audio)

    def _matching_gain(self, loud: Tensor, envelope: Tensor) -> tuple[Tensor, Tensor]:
        """The gains, ``(batch,)``, and each cell's share in their slope, in the shape of the magnitudes."""
        energy = reduce(envelope, "batch ... -> batch", "sum")
        by_energy = (self.energy / energy.clamp(min=torch.finfo(energy.dtype).tiny)).sqrt()
        first = self.resolutions[0]
        here = loud * by_energy[:, None, None, None]
        heard = (here > first.floor) & (first.magnitudes > first.floor)
        difference = (first.magnitudes.log() - loud.log()).masked_fill(~heard, torch.nan)
        # Of an even number of cells this takes the lower of the two in the middle, where numpy takes their mean.
        median = rearrange(difference, "batch ... -> batch (...)").nanmedian(dim=1).values
        around = torch.exp((difference - median[:, None, None, None]).abs() / -_AROUND).nan_to_num(0.0)
        total = reduce(around, "batch ... -> batch 1 1 1", "sum")
        usable = ~median.isnan() & (energy > 0.0)
        gain = torch.where(median.isnan(), by_energy, median.exp())
        weights = torch.where(usable[:, None, None, None], around / total.clamp(min=1e-30), 0.0)
        return torch.where(energy > 0.0, gain, torch.ones_like(gain)), weights

    def _distance(self, loud: list[Tensor], envelope: Tensor, gain: Tensor) -> Tensor:
        weights = self.weights
        distance = torch.zeros_like(gain)
        per_item = gain[:, None, None, None]
        for resolution, at_unity in zip(self.resolutions, loud, strict=True):
            here = (at_unity * per_item).clamp(min=resolution.floor)
            same = resolution.magnitudes.expand_as(here)
            log = reduce(self.log_loss(here, same), "batch ... -> batch", "mean")
            linear = reduce(self.linear_loss(here, same), "batch ... -> batch", "sum") / resolution.magnitudes.sum()
            distance = distance + (weights.log * log + weights.linear * linear) / len(self.resolutions)
        level = _power_db(envelope * gain.square()[:, None, None], self.envelope_floor)
        difference = (level - self.envelope_db).abs()
        return distance + weights.envelope * reduce(difference, "batch ... -> batch", "mean") / ENVELOPE_DB


@dataclass(frozen=True)
class _Resolution:
    """The target at one resolution of the STFT: floored magnitudes, ``(channels, bins, frames)``."""

    window: Tensor
    magnitudes: Tensor
    floor: float


def _compared(audio: Tensor, channels: int) -> Tensor:
    """See ``render.measures.distance.compared``: ``(batch, sides, samples)`` to ``(batch, 1 or 3, samples)``."""
    if channels == 1:
        return reduce(audio, "batch sides samples -> batch 1 samples", "mean")
    return torch.cat([audio, WIDTH * (audio[:, :1] - audio[:, 1:])], dim=1)


def _envelope_power(audio: Tensor) -> Tensor:
    """Mean square over ``ENVELOPE_WINDOW`` samples every ``ENVELOPE_HOP`` samples, with reflected ends.

    Shape:
        audio: ``(..., channels, samples)``.
        Returns: ``(..., channels, frames)``.
    """
    half = ENVELOPE_WINDOW // 2
    mode = "reflect" if audio.shape[-1] > half else "constant"
    padded = torch.nn.functional.pad(audio, (half, half), mode=mode)
    return torch.nn.functional.avg_pool1d(padded.square(), ENVELOPE_WINDOW, ENVELOPE_HOP)


def _power_db(power: Tensor, floor: float) -> Tensor:
    return 10.0 * torch.log10(power.clamp(min=floor))
