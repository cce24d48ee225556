"""The metrics that a match is reported with, all of them at once or one by one.

They are for *reporting*, in numpy, checked against published reference values; the stages minimise
``render/measures/distance.py``. Each metric has its formula, settings and source in its docstring: ``mss`` and
``side_mss`` in ``mss.py``, ``lsd``, ``sot`` and ``mrstft`` in ``spectral.py``, ``wmfcc`` in ``wmfcc.py``,
``rms_cosine`` in ``envelope.py``; shared code is in ``spectra.py`` and ``inputs.py``.

    >>> import numpy as np
    >>> target = np.sin(np.arange(44100) / 10.0)
    >>> distances(target, target, 44100).mss
    0.0

Every function takes ``(target, other, sample_rate)``: floating-point arrays of shape ``(channels, samples)``, with one
or two channels, or ``(samples,)``, full scale at 1. Except in ``side_mss`` a sound is the mean of its channels. Levels
are not matched. The shorter sound is zero-padded to the length of the longer. 0 means equal, and all metrics are finite
for any input that is accepted; a distance from a silent target says little beyond "not silent".

All of them raise ``InvalidAudio`` for an empty array, a wrong shape or type, NaN, infinity or samples beyond
``LARGEST_SAMPLE``, and ``OutOfRange`` for a sample rate below ``LOWEST_SAMPLE_RATE``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from render.measures.envelope import rms_cosine
from render.measures.inputs import AnyAudio
from render.measures.mss import MssTarget, mss, side_mss
from render.measures.spectral import lsd, mrstft, sot
from render.measures.wmfcc import wmfcc

__all__ = ["Distances", "MssTarget", "distances", "lsd", "mrstft", "mss", "rms_cosine", "side_mss", "sot", "wmfcc"]


@dataclass(frozen=True, slots=True)
class Distances:
    """All metrics of one pair of sounds.

    Attributes:
        mss: multi-scale log-mel difference in dB.
        lsd: log-spectral distance in dB.
        sot: spectral optimal transport in kHz.
        wmfcc: time-warped cepstral distance, mean over coefficients, in dB of the orthonormal DCT.
        rms_cosine: 1 minus the cosine between the RMS envelopes, 0 to 1.
        mrstft: auraloss's multi-resolution STFT loss.
        side_mss: ``mss`` of left minus right in dB; None if the target's channels are equal.
    """

    mss: float
    lsd: float
    sot: float
    wmfcc: float
    rms_cosine: float
    mrstft: float
    side_mss: float | None

    def as_dict(self) -> dict[str, float | None]:
        """Name to value, in the order of the fields."""
        return asdict(self)


def distances(target: AnyAudio, other: AnyAudio, sample_rate: int) -> Distances:
    """Every metric of one pair of sounds.

    Args:
        target: the sound to be matched.
        other: the sound that is compared with it.
        sample_rate: sample rate of both in Hz.

    Shape:
        target: ``(channels, samples)`` or ``(samples,)``.
        other: ``(channels, samples)`` or ``(samples,)``.

    Raises:
        InvalidAudio: if one of the sounds cannot be used; see the module.
        OutOfRange: for a sample rate that is too low.
    """
    return Distances(
        mss=mss(target, other, sample_rate),
        lsd=lsd(target, other, sample_rate),
        sot=sot(target, other, sample_rate),
        wmfcc=wmfcc(target, other, sample_rate),
        rms_cosine=rms_cosine(target, other, sample_rate),
        mrstft=mrstft(target, other, sample_rate),
        side_mss=side_mss(target, other, sample_rate),
    )
