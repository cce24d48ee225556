"""SWIPE': the pitch of a sound as that of the sawtooth whose spectrum resembles its own most, frame by frame.

After A. Camacho and J. G. Harris, "A sawtooth waveform inspired pitch estimator for speech and music", J. Acoust. Soc.
Am. 124 (3), 2008. The spectrum is compared as square roots of magnitudes on an ERB scale. The kernel of a candidate is
a cosine with a maximum at each of its prime harmonics and minima between them, which decays like the square root of a
sawtooth's spectrum. A candidate is best seen through a window of eight of its periods; of the windows whose lengths
are powers of two, the two nearest to that share the strength between them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LOWEST_HZ = 20.0
HIGHEST_HZ = 4000.0
RATE = 16000
"""Sample rate in hertz that is expected: as accurate as 22,050, and faster."""
HOP = 512
"""Samples between frames: 32 ms."""

_CANDIDATES_PER_OCTAVE = 48  # half of what the paper takes, as accurate: the peak is interpolated
_BANDS_PER_ERB = 5.0  # half of what the paper takes, as accurate
_PERIODS = 8.0  # of a candidate in its best window: the main lobe of a Hann window is as wide as a lobe of the kernel
_LOWEST_BAND = 0.25  # of the lowest candidate
_SPLINE_BINS = 48  # that a band is read from: those further away count for less than 1e-13

Frames = NDArray[np.float64]


def swipe(audio: Frames) -> tuple[Frames, Frames]:
    """The pitch of each frame and its strength.

    Args:
        audio: mono at ``RATE``, at any level.

    Shape:
        audio: ``(samples,)``.
        Returns: twice ``(ceil(samples / HOP),)``; frames are centred on multiples of ``HOP``.

    Returns:
        Frequencies in hertz, NaN where the strongest candidate is the lowest or highest, and strengths, 1 at most;
        both are NaN where a window is silent.
    """
    octaves = np.arange(math.log2(LOWEST_HZ), math.log2(HIGHEST_HZ), 1.0 / _CANDIDATES_PER_OCTAVE)
    candidates_hz = 2.0**octaves
    best_window = math.log2(_PERIODS * RATE) - octaves  # binary logarithm of its length in samples
    lowest, highest = _erbs(_LOWEST_BAND * LOWEST_HZ), _erbs(0.5 * RATE)
    bands_hz = _hertz(np.arange(lowest, highest, 1.0 / _BANDS_PER_ERB))
    strengths = np.zeros((len(candidates_hz), -(-len(audio) // HOP)))
    for exponent in range(math.floor(best_window[-1]), math.ceil(best_window[0]) + 1):
        share = 1.0 - np.abs(best_window - exponent)
        seen = share > 0.0
        weighted = share[seen, None] * _kernels(candidates_hz[seen], bands_hz)
        strengths[seen] += _seen_through(audio, 1 << exponent, bands_hz, weighted, strengths.shape[1])
    return _peaks(strengths, candidates_hz)


def _seen_through(audio: Frames, window: int, bands_hz: Frames, kernels: Frames, n_frames: int) -> Frames:
    """Products of the kernels with the normalised spectra through windows of one length.

    Windows follow each other by half their length, and their products are interpolated between them.

    Shape:
        kernels: ``(candidates, bands)``.
        Returns: ``(candidates, n_frames)``.
    """
    hop = max(window // 2, HOP)
    places = np.arange(n_frames) * (HOP / hop)
    before, after = np.floor(places).astype(int), np.ceil(places).astype(int)
    n_windows = int(after.max(initial=0)) + 1
    padded = np.zeros((n_windows - 1) * hop + window)
    held = audio[: len(padded) - window // 2]
    padded[window // 2 : window // 2 + len(held)] = held
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi / window * np.arange(window))
    framed = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop] * hann
    magnitudes = np.abs(np.fft.rfft(framed, axis=1))  # (windows, bins)
    bands = magnitudes @ _spline(magnitudes.shape[1], bands_hz * (window / RATE)).T
    roots = np.sqrt(np.maximum(bands, 0.0))
    with np.errstate(invalid="ignore"):  # silence becomes NaN
        products = kernels @ (roots / np.linalg.norm(roots, axis=1, keepdims=True)).T
    weight = places - before
    return np.asarray((1.0 - weight) * products[:, before] + weight * products[:, after])


def _kernels(candidates_hz: Frames, bands_hz: Frames) -> Frames:
    """The paper's equation for SWIPE', for each candidate.

    Around a prime harmonic, and the first, a cosine has its maximum there. In the valley between two harmonics it
    counts by half for each of the two that is prime; its positive part has the norm 1.

    Shape:
        Returns: ``(candidates, bands)``.
    """
    ratios = bands_hz / candidates_hz[:, None]
    n_harmonics = np.maximum(np.floor(bands_hz[-1] / candidates_hz - 0.75), 1.0)[:, None]
    counted = _primes(int(ratios.max()) + 2)
    counted[1] = True
    lower = ratios.astype(int)
    away = ratios - lower
    of_lower = counted[lower] & (lower <= n_harmonics)
    of_upper = counted[lower + 1] & (lower + 1 <= n_harmonics)
    valley = 0.5 * of_lower + 0.5 * of_upper
    lobes = np.where(away < 0.25, of_lower, np.where(away > 0.75, of_upper, valley))
    kernels = lobes * np.cos(2.0 * np.pi * ratios) / np.sqrt(bands_hz)
    return np.asarray(kernels / np.linalg.norm(np.maximum(kernels, 0.0), axis=1, keepdims=True))


def _primes(stop: int) -> NDArray[np.bool_]:
    """Whether each number below ``stop`` is prime, by the sieve of Eratosthenes; ``stop`` is at least 2."""
    prime = np.ones(stop, bool)
    prime[:2] = False
    for number in range(2, math.isqrt(stop) + 1):
        prime[number * number :: number] = False
    return prime


def _spline(n_bins: int, places: Frames) -> Frames:
    """Weights of spectral bins in a cubic spline through them, with the not-a-knot condition at both ends.

    Shape:
        places: ``(bands,)``, from 0 to ``n_bins - 1``.
        Returns: ``(bands, n_bins)``.
    """
    n = min(n_bins, _SPLINE_BINS)
    # Second derivatives of the spline through n bins, as a matrix that is applied to the values of the bins.
    system = 4.0 * np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1)
    right = 6.0 * (np.eye(n, k=1) + np.eye(n, k=-1) - 2.0 * np.eye(n))
    system[[0, -1]], right[[0, -1]] = 0.0, 0.0
    system[0, :3] = system[-1, -3:] = 1.0, -2.0, 1.0
    curvature = np.linalg.solve(system, right)

    first = np.clip(places.astype(int) - n // 2, 0, n_bins - n)
    left = np.minimum((places - first).astype(int), n - 2)
    u = (places - first - left)[:, None]
    values = np.eye(n)
    local = (1.0 - u) * values[left] + u * values[left + 1]
    local += (((1.0 - u) ** 3 - (1.0 - u)) * curvature[left] + (u**3 - u) * curvature[left + 1]) / 6.0
    weights = np.zeros((len(places), n_bins))
    np.put_along_axis(weights, first[:, None] + np.arange(n), local, axis=1)
    return weights


def _peaks(strengths: Frames, candidates_hz: Frames) -> tuple[Frames, Frames]:
    """Frequency and height of the largest strength in each frame, from a parabola over the period."""
    strongest = np.argmax(strengths, axis=0)  # the first NaN, if there is one
    inside = (strongest > 0) & (strongest < len(strengths) - 1)
    centre = np.clip(strongest, 1, len(strengths) - 2)
    frames = np.arange(strengths.shape[1])
    height = strengths[centre, frames]
    longer, shorter = 2.0 ** (np.array([1.0, -1.0]) / _CANDIDATES_PER_OCTAVE) - 1.0  # periods, relative to the centre
    slope_longer = (strengths[centre - 1, frames] - height) / longer
    slope_shorter = (strengths[centre + 1, frames] - height) / shorter
    curvature = (slope_longer - slope_shorter) / (longer - shorter)
    slope = slope_longer - curvature * longer
    with np.errstate(divide="ignore", invalid="ignore"):  # where three are equal, or NaN
        away = np.where(curvature == 0.0, 0.0, -0.5 * slope / curvature)
    frequencies_hz = np.where(inside, candidates_hz[centre] / (1.0 + away), np.nan)
    return frequencies_hz, np.where(inside, height + 0.5 * slope * away, strengths[strongest, frames])


def _erbs(hertz: float) -> float:
    """Hertz as a number of equivalent rectangular bandwidths."""
    return 21.4 * math.log10(1.0 + hertz / 229.0)


def _hertz(erbs: Frames) -> Frames:
    return np.asarray(229.0 * (10.0 ** (erbs / 21.4) - 1.0))
