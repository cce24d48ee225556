"""Preparation that all metrics share: sounds are checked, mixed to mono and made equally long.

A sound is a floating-point array of shape ``(channels, samples)``, with one or two channels, or ``(samples,)``, full
scale at 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.errors import InvalidAudio, OutOfRange

FloatArray = NDArray[np.floating[Any]]

AnyAudio = FloatArray
"""Shape ``(channels, samples)`` or ``(samples,)``."""

Mono = NDArray[np.float64]
"""Shape ``(samples,)``."""

LARGEST_SAMPLE = 1e6
"""+120 dB of full scale. Larger samples come from a broken render, and their squares may overflow float32."""
LOWEST_SAMPLE_RATE = 8000


def checked_rate(sample_rate: int) -> int:
    """The sample rate in Hz; raises ``OutOfRange`` below ``LOWEST_SAMPLE_RATE``."""
    if sample_rate < LOWEST_SAMPLE_RATE:
        raise OutOfRange("sample rate", sample_rate, f"{LOWEST_SAMPLE_RATE} Hz or more")
    return sample_rate


def checked(audio: AnyAudio, name: str) -> NDArray[np.float64]:
    """A sound as float64 of shape ``(channels, samples)``, always a copy.

    Args:
        audio: the sound.
        name: name of the sound in error messages.

    Raises:
        InvalidAudio: for an empty array, a wrong shape or type, NaN, infinity or samples beyond ``LARGEST_SAMPLE``.
    """
    if not isinstance(audio, np.ndarray) or not np.issubdtype(audio.dtype, np.floating):
        kind = audio.dtype if isinstance(audio, np.ndarray) else type(audio).__name__
        raise InvalidAudio(f"{name} is {kind}; allowed: an array of floating-point samples")
    if audio.ndim not in (1, 2) or (audio.ndim == 2 and audio.shape[0] not in (1, 2)) or audio.size == 0:
        raise InvalidAudio(f"{name} has shape {audio.shape}; allowed: (samples,) or (1 or 2, samples), not empty")
    result = np.atleast_2d(audio).astype(np.float64)
    largest = np.abs(result).max()
    if not largest <= LARGEST_SAMPLE:  # NaN compares as False, so it is refused too
        raise InvalidAudio(f"{name} has samples up to {largest}; allowed: finite, up to {LARGEST_SAMPLE:g}")
    return result


def mono(audio: AnyAudio, name: str) -> Mono:
    """The mean of a sound's channels; raises what ``checked`` raises."""
    mean: Mono = checked(audio, name).mean(axis=0)
    return mean


def mono_pair(target: AnyAudio, other: AnyAudio, sample_rate: int) -> tuple[Mono, Mono]:
    """Both sounds in mono, the shorter one zero-padded.

    Args:
        target: the sound to be matched, called "target" in error messages.
        other: the sound that is compared with it, called "other".
        sample_rate: sample rate of both in Hz.

    Raises:
        InvalidAudio: as ``checked`` does.
        OutOfRange: as ``checked_rate`` does.
    """
    checked_rate(sample_rate)
    a, b = mono(target, "target"), mono(other, "other")
    n_samples = max(a.size, b.size)
    return padded(a, n_samples), padded(b, n_samples)


def padded(signal: Mono, n_samples: int) -> Mono:
    """A mono sound, zero-padded to a length."""
    return np.pad(signal, (0, n_samples - signal.size))


def side(audio: NDArray[np.float64]) -> Mono:
    """Left minus right of ``(channels, samples)``; zeros for one channel."""
    return np.asarray(audio[0] - audio[-1])
