"""wMFCC: the distance between mel-frequency cepstra along the cheapest path of dynamic time warping.

The windows, bands and 20 coefficients are those of the evaluation of Hayes, Saitis and Fazekas ("Audio
synthesizer inversion in symmetric parameter spaces with approximately equivariant flow matching", 2025).
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from render.measures.inputs import AnyAudio, Mono, mono_pair
from render.measures.spectra import MelScale, decibels, floor_of, mel_power

WMFCC_SCALE = MelScale(50, 10, 128)
WMFCC_COEFFICIENTS = 20


def wmfcc(target: AnyAudio, other: AnyAudio, sample_rate: int) -> float:
    """Time-warped cepstral distance: the mean cost per step of the cheapest path through the costs of all frame pairs.

    The cost of two frames is the *mean* absolute difference of their ``WMFCC_COEFFICIENTS`` coefficients: the
    orthonormal DCT-II of the log-mel bands in dB, floored as in MSS. Memory and time grow with the square of the
    length: 10 s are 10^6 pairs.

    Args:
        target: the sound to be matched.
        other: the sound that is compared with it.
        sample_rate: sample rate of both in Hz.

    Raises:
        InvalidAudio: as described in ``render.measures.metrics``.
        OutOfRange: for a sample rate that is too low.
    """
    a, b = mono_pair(target, other, sample_rate)
    power_a, power_b = (mel_power(x, WMFCC_SCALE, sample_rate) for x in (a, b))
    floor = floor_of(power_a)
    return warped_mean(_frame_costs(_cepstrum(power_a, floor), _cepstrum(power_b, floor)))


def warped_mean(costs: Mono) -> float:
    """Mean cost of the cells on the cheapest monotone path through a matrix of costs, from corner to corner.

    ``best(i, j) = cost(i, j) + min(best(i - 1, j - 1), best(i - 1, j), best(i, j - 1))`` (Sakoe and Chiba, 1978). Steps
    go down, right or both; each costs the cell that it reaches, and the first cell counts too. Of equally cheap steps
    the diagonal is taken, then down.

    The sums of one anti-diagonal depend only on the two before it, so each is one vector operation. Row ``k`` of
    ``best`` holds the cells (i, j) with i + j = k, counted from 1; column 0 and what is outside of the matrix stay
    infinite.

    Shape:
        costs: ``(n, m)``.
    """
    n, m = costs.shape
    flat = costs.ravel()
    stride = max(1, m - 1)
    best = np.full((n + m + 1, n + 1), np.inf)
    best[0, 0] = 0.0
    for k in range(2, n + m + 1):
        first, last = max(1, k - m), min(n, k - 1)
        start = (first - 1) * m + (k - first - 1)
        here = flat[start : start + (last - first) * stride + 1 : stride]
        diagonal, down = best[k - 2, first - 1 : last], best[k - 1, first - 1 : last]
        right = best[k - 1, first : last + 1]
        best[k, first : last + 1] = here + np.minimum(np.minimum(diagonal, down), right)
    n_steps, i, k = 1, n, n + m
    while k > 2:
        diagonal, down, right = best[k - 2, i - 1], best[k - 1, i - 1], best[k - 1, i]
        if diagonal <= down and diagonal <= right:
            i, k = i - 1, k - 2
        elif down <= right:
            i, k = i - 1, k - 1
        else:
            k -= 1
        n_steps += 1
    return float(best[n + m, n] / n_steps)


def _cepstrum(power: NDArray[np.float32], floor: float) -> Mono:
    """Mel powers ``(frames, mels)`` to coefficients ``(frames, WMFCC_COEFFICIENTS)``."""
    levels = decibels(power, floor).astype(np.float64)
    return np.asarray(scipy.fft.dct(levels, type=2, norm="ortho", axis=1)[:, :WMFCC_COEFFICIENTS])


def _frame_costs(a: Mono, b: Mono) -> Mono:
    """Mean absolute difference of every two frames: ``(n, coefficients)`` and ``(m, coefficients)`` to ``(n, m)``."""
    costs = np.zeros((len(a), len(b)))
    for x, y in zip(a.T, b.T, strict=True):  # coefficient by coefficient, so that (n, m, coefficients) is never held
        costs += np.abs(x[:, None] - y[None, :])
    return np.asarray(costs / a.shape[1])
