"""Conditions of a comparison with a clip: a mask, and noise that is added to the clip and to every render.

A render is masked, brought to the level of the clip, and then the clip's noise is added to it.
``proxy/loss/heard.py`` does the same in torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from render.audio import Audio
from render.measures.distance import DEFAULT_WEIGHTS, TargetDistance, Weights
from render.measures.mask import PLAIN, Mask


@dataclass(frozen=True, eq=False)
class Conditions:
    """Conditions under which renders are compared with a clip, which is already masked and without its noise.

    Attributes:
        mask: the times and frequencies that are compared.
        noise: masked noise with the spectrum of the clip's, shape ``(channels, samples)`` like the clip; None for none.
    """

    mask: Mask = PLAIN
    noise: Audio | None = None

    def masked(self, audio: Audio) -> Audio:
        """The compared part of a sound, shape ``(channels, samples)``; the same array if all of it is compared."""
        return self.mask.apply(audio)

    def under_noise(self, audio: Audio) -> Audio:
        """A masked sound at the level of the clip plus the noise; the same array if there is none."""
        if self.noise is None:
            return audio
        n_samples = min(audio.shape[1], self.noise.shape[1])
        return np.concatenate([audio[:, :n_samples] + self.noise[:, :n_samples], audio[:, n_samples:]], axis=1)


class HeardDistance:
    """``TargetDistance`` of renders from a clip, with a mask and noise.

    Args:
        target: the clip, masked and without its noise.
        conditions: mask and noise.
        weights: weights and windows.

    Shape:
        target: ``(channels, samples)``.

    Raises:
        InvalidAudio: if the target is silent, not finite or of the wrong shape.
    """

    def __init__(self, target: Audio, conditions: Conditions, weights: Weights = DEFAULT_WEIGHTS) -> None:
        self._conditions = conditions
        self._distance = TargetDistance(target, weights)
        self._noisy = TargetDistance(conditions.under_noise(target), weights) if conditions.noise is not None else None

    def __call__(self, render: Audio, gain: float = 1.0) -> float:
        """Distance of a render, shape ``(2, samples)``, at a gain."""
        heard = self._conditions.masked(render)
        return self._distance(heard, gain) if self._noisy is None else self._under_noise(self._noisy, heard, gain)

    def measure(self, render: Audio) -> tuple[float, float]:
        """Distance of a render, shape ``(2, samples)``, at the gain that suits it best, and that gain."""
        heard = self._conditions.masked(render)
        loss, gain = self._distance.measure(heard)
        return (loss if self._noisy is None else self._under_noise(self._noisy, heard, gain)), gain

    def _under_noise(self, noisy: TargetDistance, heard: Audio, gain: float) -> float:
        return noisy(self._conditions.under_noise(heard * np.float32(gain)))
