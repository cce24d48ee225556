"""MSS, the multi-scale log-mel difference: the metric that judges a match.

``MSS = mean over resolutions of mean over frames and bands of |10 log10 X - 10 log10 Y|``, with ``X`` and ``Y`` the
powers in mel bands of target and other sound, floored 80 dB below the target's largest. The three resolutions are those
of the evaluation of Hayes, Saitis and Fazekas ("Audio synthesizer inversion in symmetric parameter spaces with
approximately equivariant flow matching", 2025).
"""

from __future__ import annotations

import numpy as np

from render.measures.inputs import AnyAudio, FloatArray, checked, checked_rate, mono, padded, side
from render.measures.spectra import FLOOR_DB, MelScale, decibels, floor_of, mel_power

MSS_SCALES = (MelScale(10, 5, 32), MelScale(25, 10, 64), MelScale(100, 50, 128))


class MssTarget:
    """A target with its log-mel bands computed once, for the MSS of many candidates.

    For a candidate that is longer than the target, the bands of the target are computed again.

        >>> clip = np.random.default_rng(0).normal(0.0, 0.1, 22050)
        >>> target = MssTarget(clip, 44100)
        >>> round(target.distance(0.5 * clip), 2)
        6.02

    Args:
        target: the sound to be matched.
        sample_rate: sample rate in Hz of the target and of all candidates.

    Attributes:
        sample_rate: sample rate in Hz.

    Shape:
        target: ``(channels, samples)`` or ``(samples,)``.

    Raises:
        InvalidAudio: for an empty array, a wrong shape or type, NaN, infinity or samples beyond ``LARGEST_SAMPLE``.
        OutOfRange: for a sample rate below ``LOWEST_SAMPLE_RATE``.
    """

    def __init__(self, target: AnyAudio, sample_rate: int) -> None:
        self.sample_rate = checked_rate(sample_rate)
        self._mono = mono(target, "target")
        self._bands = self._bands_at(self._mono.size)

    @property
    def n_samples(self) -> int:
        """Length of the target in samples."""
        return self._mono.size

    def distance(self, other: AnyAudio) -> float:
        """MSS in dB from the target to another sound.

        Shape:
            other: ``(channels, samples)`` or ``(samples,)``.

        Raises:
            InvalidAudio: as for the target.
        """
        signal = mono(other, "other")
        n_samples = max(signal.size, self.n_samples)
        bands = self._bands if n_samples == self.n_samples else self._bands_at(n_samples)
        signal = padded(signal, n_samples)
        total = 0.0
        for scale, (target_db, floor) in zip(MSS_SCALES, bands, strict=True):
            other_db = decibels(mel_power(signal, scale, self.sample_rate), floor)
            total += float(np.abs(other_db - target_db).mean(dtype=np.float64))
        return total / len(MSS_SCALES)

    def _bands_at(self, n_samples: int) -> list[tuple[FloatArray, float]]:
        """The target's bands in dB, ``(frames, mels)``, and the floor as a power, for each resolution."""
        signal = padded(self._mono, n_samples)
        powers = [mel_power(signal, scale, self.sample_rate) for scale in MSS_SCALES]
        return [(decibels(power, floor_of(power)), floor_of(power)) for power in powers]


def mss(target: AnyAudio, other: AnyAudio, sample_rate: int) -> float:
    """Multi-scale log-mel difference in dB.

    It is symmetric except that the floor is the target's. With many candidates for one target, ``MssTarget`` is faster.

        >>> clip = np.random.default_rng(0).normal(0.0, 0.1, 22050)
        >>> mss(clip, clip, 44100), round(mss(clip, 0.1 * clip, 44100), 2)
        (0.0, 20.0)

    Args:
        target: the sound to be matched.
        other: the sound that is compared with it.
        sample_rate: sample rate of both in Hz.

    Shape:
        target: ``(channels, samples)`` or ``(samples,)``.
        other: ``(channels, samples)`` or ``(samples,)``.

    Raises:
        InvalidAudio: as ``MssTarget`` does.
        OutOfRange: as ``MssTarget`` does.
    """
    return MssTarget(target, sample_rate).distance(other)


def side_mss(target: AnyAudio, other: AnyAudio, sample_rate: int) -> float | None:
    """MSS in dB of the side signals, left minus right.

    Args:
        target: the sound to be matched.
        other: the sound that is compared with it. A mono sound has a silent side signal.
        sample_rate: sample rate of both in Hz.

    Returns:
        None if the target is mono: one channel, or a side signal more than ``FLOOR_DB`` below the sum of the channels'
        energies, which is a stereo file of a mono sound.

    Shape:
        target: ``(channels, samples)`` or ``(samples,)``.
        other: ``(channels, samples)`` or ``(samples,)``.

    Raises:
        InvalidAudio: as ``MssTarget`` does.
        OutOfRange: as ``MssTarget`` does.
    """
    checked_rate(sample_rate)
    target, other = checked(target, "target"), checked(other, "other")
    target_side = side(target)
    if np.square(target_side).sum() <= 10.0 ** (-FLOOR_DB / 10.0) * np.square(target).sum():
        return None
    return MssTarget(target_side, sample_rate).distance(side(other))
