"""MSS at the best gain: the distance between two sounds after their levels have been matched."""

from __future__ import annotations

import numpy as np

from render.measures.inputs import AnyAudio, FloatArray, checked_rate, mono, padded
from render.measures.mss import MSS_SCALES
from render.measures.spectra import decibels, floor_of, mel_power

REACH_DB = 24.0
"""The best gain is searched for within this distance from equal energy: fading a sound out must not make it a match."""
_COARSE_DB, _FINE_DB = 1.0, 0.05
_TINY = 1e-30


class BestGainMss:
    """A target whose MSS to other sounds is measured at the gain that suits each best.

    Args:
        target: the sound to be matched.
        sample_rate: sample rate in Hz of the target and of all others.

    Shape:
        target: ``(channels, samples)`` or ``(samples,)``.

    Raises:
        InvalidAudio: if the target cannot be used; see ``render.measures.metrics``.
        OutOfRange: for a sample rate that is too low.
    """

    def __init__(self, target: AnyAudio, sample_rate: int) -> None:
        self._rate = checked_rate(sample_rate)
        self._mono = mono(target, "target")
        self._bands = self._bands_at(self._mono.size)

    def measure(self, other: AnyAudio) -> tuple[float, float]:
        """MSS in dB at the best gain, and that gain in dB.

        The gain is found by looking at steps of 1 dB within ``REACH_DB`` of equal energy, then at steps of 0.05 dB
        around the best of them. For a silent sound it is 0.

        Args:
            other: the sound that is compared with the target.

        Shape:
            other: ``(channels, samples)`` or ``(samples,)``.

        Raises:
            InvalidAudio: if the sound cannot be used.
        """
        signal = mono(other, "other")
        n_samples = max(signal.size, self._mono.size)
        targets = self._bands if n_samples == self._mono.size else self._bands_at(n_samples)
        padded_signal = padded(signal, n_samples)
        bands = [
            (target, decibels(mel_power(padded_signal, scale, self._rate), _TINY), floor)
            for scale, (target, floor) in zip(MSS_SCALES, targets, strict=True)
        ]
        energy, target_energy = float(np.square(signal).sum()), float(np.square(self._mono).sum())
        if energy == 0.0 or target_energy == 0.0:
            return _distance(bands, 0.0), 0.0
        equal = 10.0 * float(np.log10(target_energy / energy))
        coarse = min((equal + step for step in _steps(REACH_DB, _COARSE_DB)), key=lambda gain: _distance(bands, gain))
        best = min((coarse + step for step in _steps(_COARSE_DB, _FINE_DB)), key=lambda gain: _distance(bands, gain))
        return _distance(bands, best), best

    def _bands_at(self, n_samples: int) -> list[tuple[FloatArray, float]]:
        """For each resolution the target's bands, ``(frames, mels)``, and their floor, in dB."""
        powers = [mel_power(padded(self._mono, n_samples), scale, self._rate) for scale in MSS_SCALES]
        return [(decibels(power, floor_of(power)), 10.0 * float(np.log10(floor_of(power)))) for power in powers]


def _steps(reach: float, step: float) -> list[float]:
    count = round(reach / step)
    return [step * k for k in range(-count, count + 1)]


def _distance(bands: list[tuple[FloatArray, FloatArray, float]], gain_db: float) -> float:
    total = sum(
        float(np.abs(np.maximum(other + gain_db, floor) - target).mean(dtype=np.float64))
        for target, other, floor in bands
    )
    return total / len(bands)
