"""Equal loudness: the gain at which two sounds have the same energy in the mel bands, and MSS at that gain.

The energy of a sound is the sum over frames and bands of its power in each band, in mono and without its mean, at the
resolution of MSS with the longest window: the power density of ``mel_power`` times the width of the band. So neither a
constant offset nor anything below 20 Hz has a part in it. ``gain = sqrt(energy of the target / energy of the other
sound)``; see ``docs/distance.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from render.measures.conditions import Conditions
from render.measures.inputs import AnyAudio, mono
from render.measures.mss import MSS_SCALES, MssTarget
from render.measures.spectra import mel_power, mel_widths_hz

Floats = TypeVar("Floats", bound=np.floating[Any])

_SCALE = max(MSS_SCALES, key=lambda scale: scale.window_ms)


def band_energy(audio: AnyAudio, sample_rate: int) -> float:
    """Energy of a sound in the mel bands; 0 for silence.

    Args:
        audio: the sound.
        sample_rate: sample rate in Hz.

    Shape:
        audio: ``(channels, samples)`` or ``(samples,)``.

    Raises:
        InvalidAudio: if the sound cannot be used; see ``render.measures.metrics``.
    """
    signal = mono(audio, "sound")
    power = mel_power(signal - signal.mean(), _SCALE, sample_rate)
    return float((power.sum(axis=0, dtype=np.float64) * mel_widths_hz(_SCALE.n_mels, sample_rate)).sum())


class EqualLoudnessMss:
    """MSS of one patch's renders from the clips that it should match, at equal loudness: the measure that judges.

        >>> clip = np.random.default_rng(0).normal(0.0, 0.1, (2, 22050))
        >>> mss, gain_db = EqualLoudnessMss([clip], 44100).measure([0.5 * clip])
        >>> round(mss, 6), round(gain_db, 2)
        (0.0, 6.02)

    Args:
        targets: the clips.
        sample_rate: sample rate in Hz of everything.
        level_free: whether the level may be matched; if not, the gain is always 0 dB.
        conditions: mask and noise of each clip; none if missing.

    Shape:
        targets: ``(channels, samples)`` or ``(samples,)`` each.

    Raises:
        InvalidAudio: if a clip cannot be used; see ``render.measures.metrics``.
        OutOfRange: for a sample rate that is too low.
    """

    def __init__(
        self,
        targets: Sequence[AnyAudio],
        sample_rate: int,
        *,
        level_free: bool = True,
        conditions: Sequence[Conditions] | None = None,
    ) -> None:
        self._rate, self._level_free = sample_rate, level_free
        self._conditions = [Conditions()] * len(targets) if conditions is None else list(conditions)
        pairs = list(zip(self._conditions, targets, strict=True))
        self._shares = [one.mask.share(target.shape[-1]) for one, target in pairs]
        self._targets = [MssTarget(one.under_noise(target), sample_rate) for one, target in pairs]
        self._energies = [band_energy(target, sample_rate) for target in targets]

    def measure(self, renders: Sequence[AnyAudio]) -> tuple[float, float]:
        """Mean MSS in dB over the clips at equal loudness, and the gain in dB that makes it equal.

        There is one gain for all clips, the mean of their gains in dB. MSS is the mean over the compared part.

        Args:
            renders: the sounds to compare, one for each clip.

        Shape:
            renders: ``(channels, samples)`` or ``(samples,)`` each.
        """
        masked = [c.masked(one) for c, one in zip(self._conditions, renders, strict=True)]
        gain_db = self._gain_db(masked)
        heard = [c.under_noise(amplified(one, gain_db)) for c, one in zip(self._conditions, masked, strict=True)]
        pairs = zip(self._targets, self._shares, heard, strict=True)
        return math.fsum(target.distance(one) / share for target, share, one in pairs) / len(renders), gain_db

    def gain_db(self, renders: Sequence[AnyAudio]) -> float:
        """The gain in dB that makes the loudness equal; silent clips and renders are ignored."""
        return self._gain_db([c.masked(one) for c, one in zip(self._conditions, renders, strict=True)])

    def _gain_db(self, renders: Sequence[AnyAudio]) -> float:
        if not self._level_free:
            return 0.0
        energies = [band_energy(one, self._rate) for one in renders]
        gains = [
            10.0 * math.log10(wanted / energy)
            for wanted, energy in zip(self._energies, energies, strict=True)
            if wanted > 0.0 and energy > 0.0
        ]
        return math.fsum(gains) / len(gains) if gains else 0.0


def amplified(audio: NDArray[Floats], gain_db: float) -> NDArray[Floats]:
    """A sound with a gain in dB, in the type that it has; the same array for 0 dB."""
    return audio if gain_db == 0.0 else audio * audio.dtype.type(10.0 ** (gain_db / 20.0))
