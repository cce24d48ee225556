"""Metrics of magnitude spectra, frame by frame: LSD, SOT and the multi-resolution STFT loss.

All of them take ``(target, other, sample_rate)`` and raise ``InvalidAudio`` and ``OutOfRange`` as described in
``render.measures.metrics``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from render.measures.inputs import AnyAudio, mono_pair, padded
from render.measures.spectra import decibels, floor_of, magnitudes, reflect_ended, whole_samples, zero_ended

LSD_FFT, LSD_HOP = 1024, 256
SOT_WINDOW_MS, SOT_HOP_MS = 50, 20
SOT_GATE = 1e-4
"""A frame counts if its summed magnitude is above this share of the largest frame's."""
MRSTFT_FFTS = (1024, 2048, 512)
MRSTFT_SMALLEST_POWER = 1e-8
"""``eps`` of auraloss 0.4's ``STFTLoss``."""


def lsd(target: AnyAudio, other: AnyAudio, sample_rate: int) -> float:
    """Log-spectral distance in dB (Gray and Markel, "Distance measures for speech processing", 1976).

    ``LSD = mean over frames of sqrt(mean over bins of (10 log10 |X|^2 - 10 log10 |Y|^2)^2)``. FFT and hop are 1024 and
    256 samples at any sample rate; the floor is 80 dB below the target's largest bin.

    Args:
        target: the sound to be matched.
        other: the sound that is compared with it.
        sample_rate: sample rate of both in Hz.
    """
    a, b = mono_pair(target, other, sample_rate)
    power_a, power_b = (np.square(magnitudes(zero_ended(x, LSD_FFT, LSD_HOP), LSD_FFT)) for x in (a, b))
    floor = floor_of(power_a)
    difference = decibels(power_a, floor) - decibels(power_b, floor)
    return float(np.sqrt(np.square(difference).mean(axis=1)).mean())


def sot(target: AnyAudio, other: AnyAudio, sample_rate: int) -> float:
    """Spectral optimal transport in kHz (Torres, Peeters and Richard, arXiv 2312.14507).

    The mean over frames of the 1-D Wasserstein distance of magnitude spectra that are normalised to a sum of 1:
    ``W = integral of |F(f) - G(f)| df`` with their cumulative sums ``F`` and ``G``. The FFT is exactly one window long.
    The integral over frequency is the mean over all bins, the last included, times half the sample rate.

    A frame counts if the summed magnitude of the louder of its two spectra is above ``SOT_GATE`` of the largest such
    sum; if none does, the distance is 0. In a frame that counts, a sound that is exactly silent has no mass anywhere,
    so its distance is as if its mass were at half the sample rate: arbitrary, but large, finite and what reference
    values agree with.

    Args:
        target: the sound to be matched.
        other: the sound that is compared with it.
        sample_rate: sample rate of both in Hz.
    """
    a, b = mono_pair(target, other, sample_rate)
    window, hop = whole_samples(SOT_WINDOW_MS, sample_rate), whole_samples(SOT_HOP_MS, sample_rate)
    spectra_a, spectra_b = (magnitudes(zero_ended(x, window, hop), window) for x in (a, b))
    sums_a, sums_b = spectra_a.sum(axis=1), spectra_b.sum(axis=1)
    louder = np.maximum(sums_a, sums_b)
    counts = louder > SOT_GATE * louder.max()
    if not counts.any():
        return 0.0
    smallest = np.finfo(np.float64).tiny  # makes the spectrum of a silent frame 0
    mass_a = spectra_a[counts] / np.maximum(sums_a[counts], smallest)[:, None]
    mass_b = spectra_b[counts] / np.maximum(sums_b[counts], smallest)[:, None]
    return float(np.abs(np.cumsum(mass_a - mass_b, axis=1)).mean() * sample_rate / 2.0 / 1000.0)


def mrstft(
    target: AnyAudio, other: AnyAudio, sample_rate: int, *, ends: Literal["reflected", "zeros"] = "reflected"
) -> float:
    """Multi-resolution STFT loss (Yamamoto, Song and Kim, "Parallel WaveGAN", 2020), as auraloss computes it.

    For each resolution the spectral convergence ``||X - Y|| / ||X||`` plus the mean of ``|ln X - ln Y|``, with
    magnitudes ``X`` and ``Y`` of target and other sound; the mean over the resolutions. It equals auraloss 0.4's
    ``MultiResolutionSTFTLoss(fft_sizes=[1024, 2048, 512], hop_sizes=[256, 512, 128], win_lengths=[1024, 2048,
    512])(other, target)``, in that order, because the convergence is relative to the second argument.

    Sizes are in samples at any sample rate. Powers are floored at the absolute ``MRSTFT_SMALLEST_POWER``, so unlike the
    other metrics this one changes if both sounds are scaled by the same factor.

    Args:
        target: the sound to be matched.
        other: the sound that is compared with it.
        sample_rate: sample rate of both in Hz; it is only checked.
        ends: ``reflected`` is what auraloss does (``torch.stft``, no partial frame at the end; sounds of 1024 samples
            or fewer, which auraloss refuses, are zero-padded to 1025). ``zeros`` treats the ends as the
            other metrics do; the two differ by less than 0.05 on the pairs of ``tests/render/test_metrics.py``.
    """
    a, b = mono_pair(target, other, sample_rate)
    if ends == "reflected":
        n_samples = max(a.size, max(MRSTFT_FFTS) // 2 + 1)
        a, b = padded(a, n_samples), padded(b, n_samples)
    framed = reflect_ended if ends == "reflected" else zero_ended
    total = 0.0
    for n_fft in MRSTFT_FFTS:
        spectra_a, spectra_b = (magnitudes(framed(x, n_fft, n_fft // 4), n_fft) for x in (a, b))
        smallest = MRSTFT_SMALLEST_POWER**0.5
        spectra_a, spectra_b = np.maximum(spectra_a, smallest), np.maximum(spectra_b, smallest)
        convergence = np.linalg.norm(spectra_a - spectra_b) / np.linalg.norm(spectra_a)
        total += float(convergence + np.abs(np.log(spectra_a / spectra_b)).mean())
    return total / len(MRSTFT_FFTS)
