"""The distance and its gradient in one pass, for renders in float32 on the CPU.

Every step of a descent computes the distance, and torch's operations would read and write the cells of the spectra some
forty times. Here the loops of ``proxy/kernels/spectra.py`` do it in five passes, and the gradient comes with the loss.
``proxy/loss/distance.py`` has the same function in torch's operations, on auraloss's losses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from proxy.kernels import spectra
from render.measures.distance import ENVELOPE_DB, ENVELOPE_HOP, ENVELOPE_WINDOW, WIDTH, Weights

Array = NDArray[Any]


@dataclass(frozen=True)
class FusedResolution:
    """The target at one resolution of the STFT.

    Attributes:
        window: the window.
        magnitudes: the target's magnitudes, floored, ``(channels, frames, bins)``.
        floor: the floor.
        smallest: floor of the render's magnitudes before their gain.
        total: sum of the magnitudes.
    """

    window: Array
    magnitudes: Array
    floor: float
    smallest: float
    total: float


@dataclass(frozen=True)
class FusedTarget:
    """The target in the form that the fused distance uses.

    Attributes:
        resolutions: the target's magnitudes at each resolution; the gain is solved on the first.
        levels_db: levels of its envelope, ``(channels, windows)``.
        level_floor: floor of the mean squares of the envelope.
        energy: sum of the mean squares.
        weights: weights of the distance's terms.
    """

    resolutions: tuple[FusedResolution, ...]
    levels_db: Array
    level_floor: float
    energy: float
    weights: Weights

    @property
    def ends(self) -> int:
        """Samples by which both ends are extended."""
        return max(ENVELOPE_WINDOW, *(len(one.window) for one in self.resolutions)) // 2


def measure(renders: Tensor, target: FusedTarget) -> tuple[Tensor, Tensor]:
    """Distance of each render at the gain that suits it best, which has a gradient, and that gain, which has none.

    Args:
        renders: sounds to compare, longer than ``target.ends``.
        target: what they are compared with.

    Shape:
        renders: ``(batch, 2, samples)``, float32 on the CPU.
        Returns: ``(batch,)`` and ``(batch,)``.
    """
    losses, gains = _Measured.apply(renders, target)  # type: ignore[no-untyped-call]
    return losses, gains


class _Measured(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, renders: Tensor, target: FusedTarget) -> tuple[Tensor, Tensor]:
        sounds = renders.detach().contiguous()
        slopes = torch.empty_like(sounds) if ctx.needs_input_grad[0] else None
        work = _Work(target, sounds.shape[-1])
        results = [work.measure(sounds[k], None if slopes is None else slopes[k]) for k in range(len(sounds))]
        losses, gains = renders.new_tensor(results).reshape(-1, 2).unbind(1)
        ctx.save_for_backward(slopes)
        ctx.mark_non_differentiable(gains)
        return losses, gains

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None]:
        (slopes,) = ctx.saved_tensors
        return slopes * grad[:, None, None], None


class _Work:
    """Work arrays that all renders of a batch share."""

    def __init__(self, target: FusedTarget, n_samples: int) -> None:
        channels = len(target.levels_db)
        self.target = target
        self.padded = np.empty((channels, n_samples + 2 * target.ends), np.float32)
        self.frames = [torch.empty(channels, one.magnitudes.shape[1], len(one.window)) for one in target.resolutions]
        self.spectra = [torch.empty(one.magnitudes.shape, dtype=torch.complex64) for one in target.resolutions]
        self.cells = [torch.view_as_real(one).numpy().reshape(-1, 2) for one in self.spectra]
        self.magnitudes = [np.empty(one.magnitudes.size, np.float32) for one in target.resolutions]
        self.ratios = np.empty_like(self.magnitudes[0])
        self.powers, self.level_slopes = np.empty(target.levels_db.shape), np.empty(target.levels_db.shape)

    def measure(self, sound: Tensor, slope: Tensor | None) -> tuple[float, float]:
        """Loss and gain of one render, ``(2, samples)``; its gradient is written to ``slope`` if there is one."""
        target, weights = self.target, self.target.weights
        spectra.reflected(sound.numpy(), target.ends, WIDTH, self.padded)
        self._transform()
        first_level = target.ends - ENVELOPE_WINDOW // 2
        spectra.window_powers(self.padded, first_level, ENVELOPE_WINDOW, ENVELOPE_HOP, self.powers)
        energy = float(self.powers.sum())
        by_energy = math.sqrt(target.energy / energy) if energy > 0.0 else 1.0
        first, heard = target.resolutions[0], self.ratios[:0]
        if energy > 0.0:
            flat = first.magnitudes.reshape(-1)
            heard = self.ratios[: spectra.heard_ratios(self.magnitudes[0], flat, by_energy, first.floor, self.ratios)]
        gain = by_energy
        if len(heard):
            gain = float(np.int32(spectra.lower_median(heard.view(np.int32))).view(np.float32))
        loss, by_gain = 0.0, 0.0
        for one, magnitudes in zip(target.resolutions, self.magnitudes, strict=True):
            flat = one.magnitudes.reshape(-1)
            sums = spectra.compare(magnitudes, flat, gain, one.floor)
            log_weight, linear_weight = self._weights(one)
            loss += log_weight * sums[0] + linear_weight * sums[1]
            by_gain += log_weight * sums[2] + linear_weight * sums[3]
        level_weight = weights.envelope / ENVELOPE_DB / self.powers.size
        levels, levels_by_gain = spectra.compare_levels(
            self.powers, target.levels_db, gain, target.level_floor, self.level_slopes
        )
        loss, by_gain = loss + level_weight * levels, by_gain + level_weight * levels_by_gain
        if slope is not None:
            # The gain follows a median, which has the slope of the cells around it (``docs/distance.md``).
            pull = -by_gain * gain / spectra.nearness(heard, gain) if len(heard) else 0.0
            self._steer(gain, np.array([pull, by_energy, gain]))
            slopes = self._transposed()
            self.level_slopes *= level_weight
            spectra.add_power_slopes(self.padded, first_level, ENVELOPE_WINDOW, ENVELOPE_HOP, self.level_slopes, slopes)
            spectra.folded(slopes, target.ends, WIDTH, slope.numpy())
        return loss, gain

    def _weights(self, one: FusedResolution) -> tuple[float, float]:
        """Weight of each cell's log difference, and of its difference."""
        weights, share = self.target.weights, 1.0 / len(self.target.resolutions)
        return share * weights.log / one.magnitudes.size, share * weights.linear / one.total

    def _transform(self) -> None:
        """Magnitudes at each resolution of the padded sound."""
        parts = zip(self.target.resolutions, self.frames, self.spectra, self.cells, self.magnitudes, strict=True)
        for one, frames, spectrum, cells, magnitudes in parts:
            spectra.frame(self.padded, self.target.ends - len(one.window) // 2, one.window, frames.numpy())
            torch.fft.rfft(frames, out=spectrum)
            spectra.absolute(cells, one.smallest, magnitudes)

    def _steer(self, gain: float, pulled: Array) -> None:
        """Replace each spectrum by the derivative of the loss with respect to it."""
        for number, (one, cells) in enumerate(zip(self.target.resolutions, self.cells, strict=True)):
            weights = np.array([*self._weights(one), *(pulled if number == 0 else (0.0, 1.0, 1.0))])
            limits = one.floor, one.smallest
            spectra.steer(cells, self.magnitudes[number], one.magnitudes.reshape(-1), gain, limits, weights)

    def _transposed(self) -> Array:
        """The derivative with respect to the padded sound, from those with respect to the spectra."""
        slopes = np.zeros_like(self.padded)
        for one, frames, spectrum in zip(self.target.resolutions, self.frames, self.spectra, strict=True):
            n = len(one.window)
            # The transpose of a real transform is n / 2 times an inverse one in which the two bins that have no mirror
            # image, 0 and n / 2, count twice.
            spectrum[..., 0] *= 2.0
            spectrum[..., -1] *= 2.0
            torch.fft.irfft(spectrum, n, out=frames)
            scaled = one.window * np.float32(0.5 * n)
            spectra.add_frames(frames.numpy(), self.target.ends - n // 2, scaled, slopes)
        return slopes
