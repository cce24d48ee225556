"""Conditions of a comparison with a clip, in torch: a mask, and noise that is added to every render.

``render/measures/mask.py`` and ``render/measures/conditions.py`` are the reference implementations.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from proxy.loss.distance import TargetDistance
from render.audio import Audio
from render.measures.conditions import Conditions
from render.measures.mask import FILTER_TAPS, Mask, band_response, fades

_KEPT = 16  # distances from clips


class HeardDistance:
    """``TargetDistance`` of renders from a clip, with a mask and noise.

    Args:
        target: the clip, masked and without its noise, shape ``(1 or 2, samples)``.
        conditions: mask and noise.

    Attributes:
        n_samples: length of the clip in samples.

    Raises:
        InvalidAudio: if the target is silent, not finite or of the wrong shape.
    """

    def __init__(self, target: Audio, conditions: Conditions) -> None:
        self._mask = conditions.mask
        self._distance = TargetDistance(torch.from_numpy(target))
        self.n_samples = self._distance.n_samples
        self._noisy: tuple[TargetDistance, Tensor] | None = None
        if conditions.noise is not None:
            noise = torch.from_numpy(conditions.noise[:, : self.n_samples])
            self._noisy = TargetDistance(torch.from_numpy(target) + noise), noise

    def measure(self, renders: Tensor) -> tuple[Tensor, Tensor]:
        """Distance of each render at the gain that suits it best, which has a gradient, and that gain, which has none.

        Shape:
            renders: ``(batch, 2, samples)``, as long as the clip.
            Returns: ``(batch,)`` and ``(batch,)``.
        """
        heard = masked(renders, self._mask)
        loss, gain = self._distance.measure(heard)
        if self._noisy is None:
            return loss, gain
        distance, noise = self._noisy
        # The gain makes up for any change of a render's level.
        level = 0.5 * heard.square().mean(dim=(1, 2)).clamp(min=torch.finfo(heard.dtype).tiny).log()
        matching = gain * (level.detach() - level).exp()
        return distance(heard * matching[:, None, None] + noise), gain


class Distances:
    """The distances from clips and from their beginnings; each is made once, and the latest are kept."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int], tuple[Audio, HeardDistance]] = {}

    def of(self, audio: Audio, conditions: Conditions, n_samples: int | None = None) -> HeardDistance:
        """The distance from the first samples of a clip, or from all of it if there are too few or they are silent."""
        n_samples = audio.shape[1] if n_samples is None else min(n_samples, audio.shape[1])
        heard = audio[:, :n_samples] if audio[:, :n_samples].any() else audio
        key = id(audio), heard.shape[1]  # the clip is kept, so that no other one gets its number
        if key not in self._made:
            while len(self._made) >= _KEPT:
                del self._made[next(iter(self._made))]
            self._made[key] = audio, HeardDistance(heard, conditions)
        return self._made[key][1]


def masked(renders: Tensor, mask: Mask) -> Tensor:
    """Renders with silence in place of their ignored parts, differentiable; the same tensor if nothing is ignored.

    Args:
        renders: sounds from the key press on.
        mask: the part that is compared.

    Shape:
        renders: ``(..., samples)``.
    """
    n_samples = renders.shape[-1]
    if mask.ignored_seconds:
        renders = renders * _fades(mask, n_samples).to(renders)
    if mask.band_hz is not None:
        n_fft, response = _response(mask, n_samples)
        delayed = torch.fft.irfft(torch.fft.rfft(renders, n_fft) * response.to(renders.device), n_fft)
        renders = delayed[..., FILTER_TAPS // 2 : FILTER_TAPS // 2 + n_samples]
    return renders


@functools.lru_cache(maxsize=32)
def _fades(mask: Mask, n_samples: int) -> Tensor:
    return torch.from_numpy(fades(mask.ignored_seconds, n_samples).copy())


@functools.lru_cache(maxsize=32)
def _response(mask: Mask, n_samples: int) -> tuple[int, Tensor]:
    assert mask.band_hz is not None
    n_fft, response = band_response(mask.band_hz, n_samples)
    return n_fft, torch.from_numpy(response.copy())
