"""Wide and fast sweeps of the pitch: how much each frame resembles a tone that sweeps through it.

A pitch that moves by tens of semitones a second has no partials that last as long as the windows that separate them
(``partials.py``). In windows of 12 ms it is only smeared, by an amount that is known: each frame is compared with
spectra of tones at every pitch that sweep through the window at several speeds. What stands still over the clip is
removed before, so that an oscillator with a steady pitch does not hide it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from inference.clip.partials import HIGHEST, LONGEST_SECONDS, LOWEST, PER_SEMITONE
from render.audio import Audio
from render.instruments.hints import Partials, Strengths
from render.note import SAMPLE_RATE

_WINDOW, _PADDED, _HOP = 512, 2048, 512
_SPEEDS = (0.0, 800.0 / 3.0, 1600.0 / 3.0, 800.0)  # semitones per second; a smear does not tell its direction
_HARMONICS = 12
_STILL = 0.3  # quantile over time that is removed: less than half, or an LFO's rectangle would stand still too
_REMOVED = 1.2  # factor of the spectra of a sound that is removed
_QUIETEST = 0.2  # relative norm of a frame below which it counts less


def find_sweeps(audio: Audio, held_seconds: float, others: Audio | None = None) -> tuple[Partials, Partials]:
    """Compare the beginning of a clip with sweeping tones.

    Args:
        audio: the clip.
        held_seconds: length of the key press; what follows is not looked at.
        others: a part of the clip's sound, as loud as it is in the clip, that is removed instead of what stands still.

    Returns:
        The resemblance to tones with harmonics, whose amplitude falls as that of a saw's, and to pure tones, each at
        every time, pitch and speed of the sweep.

    Shape:
        audio: ``(channels, samples)``.
        others: ``(channels, samples)``, as long as ``audio``.
    """
    seconds = min(held_seconds, audio.shape[1] / SAMPLE_RATE, LONGEST_SECONDS)
    n_frames = max(int(seconds * SAMPLE_RATE / _HOP), 1)
    spectra = _spectra(audio, n_frames)
    if others is None:
        roots = np.sqrt(spectra)
        moving = np.maximum(roots - np.quantile(roots, _STILL, axis=0), 0.0)
    else:
        moving = np.sqrt(np.maximum(spectra - _REMOVED * _spectra(others, n_frames), 0.0))
    norms = np.linalg.norm(moving, axis=1, keepdims=True)
    moving /= np.maximum(norms, max(_QUIETEST * float(norms.max()), 1e-9))
    rich, pure = (_resembling(tones, moving) for tones in _tones())
    return rich, pure


def _spectra(audio: Audio, n_frames: int) -> NDArray[np.float32]:
    """Amplitude spectra of the first frames, shape ``(n_frames, bins)``."""
    mono = np.pad(audio.mean(axis=0, dtype=np.float32), (_WINDOW // 2, _WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(mono, _WINDOW)[::_HOP][:n_frames]
    return np.asarray(np.abs(scipy.fft.rfft(frames * _window(), _PADDED, axis=1)), np.float32)


def _resembling(tones: Strengths, moving: NDArray[np.float32]) -> Partials:
    """Scalar products of frames with tones, above the median of all pitches, for both directions of the sweep."""
    alike = np.einsum("skb,tb->stk", tones, moving, optimize=True)
    alike = np.maximum(alike - np.median(alike, axis=2, keepdims=True), 0.0)
    strengths = np.concatenate([alike[:0:-1], alike]).astype(np.float32)
    sweeps = (*(-speed for speed in _SPEEDS[:0:-1]), *_SPEEDS)
    return Partials(strengths, sweeps, _HOP / SAMPLE_RATE, float(LOWEST), PER_SEMITONE)


@cache
def _tones() -> tuple[Strengths, Strengths]:
    """Roots of the amplitude spectra of sweeping tones, of norm 1, with harmonics and pure: ``(speeds, keys, bins)``.

    The pitch in the middle of the window is that of the key. A harmonic sweeps by as many semitones as its fundamental,
    so that its spectrum is that of a pure tone at another key.
    """
    times = (np.arange(_WINDOW) - 0.5 * (_WINDOW - 1)) / SAMPLE_RATE
    keys = LOWEST + np.arange((HIGHEST - LOWEST) * PER_SEMITONE + 1) / PER_SEMITONE
    hz = 440.0 * 2.0 ** ((keys - 69.0) / 12.0)
    power = np.empty((len(_SPEEDS), len(keys), _PADDED // 2 + 1), np.float32)
    for result, speed in zip(power, _SPEEDS, strict=True):
        slope = speed * np.log(2.0) / 12.0
        cycles = np.outer(hz, np.expm1(slope * times) / slope if slope else times)
        spectra = scipy.fft.fft(np.exp(2j * np.pi * cycles) * _window(), _PADDED, axis=1)
        result[:] = np.square(np.abs(spectra[:, : result.shape[1]]))
    rich = power.copy()
    for harmonic in range(2, _HARMONICS + 1):
        shift = round(12.0 * np.log2(harmonic) * PER_SEMITONE)
        rich[:, : len(keys) - shift] += power[:, shift:] / np.float32(harmonic**2)
    roots = [np.sqrt(np.sqrt(one)) for one in (rich, power)]
    with_harmonics, pure = (one / np.linalg.norm(one, axis=2, keepdims=True) for one in roots)
    return with_harmonics, pure


def _window() -> NDArray[np.float32]:
    return np.hanning(_WINDOW + 2)[1:-1].astype(np.float32)
