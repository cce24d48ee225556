"""MSS at equal loudness in torch, with a gradient: the measure that judges a match, for the end of a descent.

``render/measures/mss.py`` has the definition and ``render/measures/loudness.py`` the gain; both are the reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from proxy.loss.heard import HeardDistance, masked
from render.audio import Audio
from render.errors import InvalidAudio
from render.measures.conditions import Conditions
from render.measures.mss import MSS_SCALES
from render.measures.spectra import (
    FLOOR_DB,
    SILENT_POWER,
    SMALLEST_MEL_FFT,
    MelScale,
    mel_matrix,
    mel_widths_hz,
    whole_samples,
)
from render.note import SAMPLE_RATE

_TINY = 1e-20


class TargetMss:
    """Differentiable MSS of a batch of renders from one target, at equal loudness.

        >>> clip = 0.1 * torch.randn(2, 22050, generator=torch.Generator().manual_seed(0))
        >>> losses, gains = TargetMss(clip).measure(torch.stack([clip, 0.5 * clip]))
        >>> losses.numpy().round(3), gains.numpy().round(3)
        (array([0., 0.], dtype=float32), array([1., 2.], dtype=float32))

    Args:
        target: sound to be matched, in mono or stereo; it is compared in mono.

    Attributes:
        n_samples: length of the target in samples.

    Shape:
        target: ``(1 or 2, samples)``.
    """

    def __init__(self, target: Tensor) -> None:
        self.n_samples = target.shape[-1]
        mono = target.mean(dim=0, keepdim=True)
        self._scales = [_Scale(scale, mono) for scale in MSS_SCALES]
        longest = max(range(len(MSS_SCALES)), key=lambda k: MSS_SCALES[k].window_ms)
        self._longest = self._scales[longest]
        self._widths = torch.tensor(mel_widths_hz(MSS_SCALES[longest].n_mels, SAMPLE_RATE)).to(target)
        self._energy = float(self._energies(self._longest.power(mono - mono.mean(dim=1, keepdim=True)))[0])

    def measure(self, renders: Tensor) -> tuple[Tensor, Tensor]:
        """MSS in dB of each render at the gain of equal loudness, and that gain.

        Shape:
            renders: ``(batch, 2, samples)``, as long as the target.
            Returns: ``(batch,)`` and ``(batch,)``.

        Raises:
            InvalidAudio: for renders of another shape.
        """
        if renders.ndim != 3 or renders.shape[1] != 2 or renders.shape[2] != self.n_samples:
            raise InvalidAudio(f"renders have shape {tuple(renders.shape)}; allowed: (batch, 2, {self.n_samples})")
        mono = renders.mean(dim=1)
        # The energy leaves the mean out, which a render hardly has; so the power with it serves both.
        powers = [scale.power(mono) for scale in self._scales]
        longest = powers[self._scales.index(self._longest)]
        gain = (self._energy / self._energies(longest).clamp(min=_TINY)).sqrt()
        total = torch.zeros_like(gain)
        for scale, power in zip(self._scales, powers, strict=True):
            total = total + scale.difference(power * gain.square()[:, None, None])
        return total / len(self._scales), gain

    def at_own_level(self, renders: Tensor) -> Tensor:
        """MSS in dB of each render, shape ``(batch, 2, samples)``, at its own level, shape ``(batch,)``."""
        mono = renders.mean(dim=1)
        return torch.stack([scale.difference(scale.power(mono)) for scale in self._scales]).mean(dim=0)

    def _energies(self, power: Tensor) -> Tensor:
        return (power.sum(dim=1) * self._widths).sum(dim=1)


class JudgedLoss:
    """The sum of MSS at equal loudness in dB, which judges an answer, and of the distance.

    MSS alone is computed in mono. With the distance beside it the match is closer by the other metrics too
    (``docs/refinement.md``).

    Args:
        target: the clip, masked and without its noise, shape ``(1 or 2, samples)``.
        conditions: mask and noise.
        distance: the distance from it.

    Attributes:
        n_samples: length of the target in samples.
    """

    def __init__(self, target: Audio, conditions: Conditions, distance: HeardDistance) -> None:
        self._distance, self._mss = distance, TargetMss(torch.from_numpy(target))
        self.n_samples = distance.n_samples
        self._mask, self._share = conditions.mask, conditions.mask.share(self.n_samples)
        self._noisy: tuple[TargetMss, Tensor] | None = None
        if conditions.noise is not None:
            noise = torch.from_numpy(conditions.noise[:, : self.n_samples])
            self._noisy = TargetMss(torch.from_numpy(target) + noise), noise

    def measure(self, renders: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of each render, and the gain of equal loudness; shapes as ``TargetMss.measure`` has them."""
        heard = masked(renders, self._mask)
        (distance, _), (mss, gain) = self._distance.measure(renders), self._mss.measure(heard)
        if self._noisy is not None:
            noisy, noise = self._noisy
            mss = noisy.at_own_level(heard * gain[:, None, None] + noise)
        return distance + mss / self._share, gain


@dataclass(eq=False)
class _Scale:
    """One resolution, with the target's levels in dB."""

    scale: MelScale
    target: Tensor

    def __post_init__(self) -> None:
        window = whole_samples(self.scale.window_ms, SAMPLE_RATE)
        self._hop = whole_samples(self.scale.hop_ms, SAMPLE_RATE)
        self._n_fft = max(SMALLEST_MEL_FFT, 1 << (window - 1).bit_length())
        self._hann = torch.hann_window(window).to(self.target)
        self._mel = torch.tensor(mel_matrix(self._n_fft, self.scale.n_mels, SAMPLE_RATE)).to(self.target)
        power = self.power(self.target)
        self._floor = max(float(power.max()), SILENT_POWER) * 10.0 ** (-FLOOR_DB / 10.0)
        self._levels_db = self._decibels(power)

    def power(self, mono: Tensor) -> Tensor:
        """Power in mel bands, ``(batch, samples)`` to ``(batch, frames, mels)``."""
        window = len(self._hann)
        padded = torch.nn.functional.pad(mono, (window // 2, window // 2))
        missing = (window - padded.shape[1]) % self._hop if padded.shape[1] >= window else window - padded.shape[1]
        framed = torch.nn.functional.pad(padded, (0, missing)).unfold(1, window, self._hop) * self._hann
        spectrum = torch.fft.rfft(framed, self._n_fft)
        power: Tensor = (spectrum.real.square() + spectrum.imag.square()) @ self._mel
        return power

    def difference(self, power: Tensor) -> Tensor:
        """Mean difference of levels in dB, ``(batch,)``."""
        difference: Tensor = (self._decibels(power) - self._levels_db).abs().mean(dim=(1, 2))
        return difference

    def _decibels(self, power: Tensor) -> Tensor:
        return power.clamp(min=self._floor).log() * (10.0 / math.log(10.0))
