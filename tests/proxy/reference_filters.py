"""The filters as slow scalar loops: the reference implementation that the compiled kernels are compared with.

Everything here is written from ``docs/noisemaker.md`` ("Filter"), in its notation, one sample at a time in Python's
floats (float64), and shares no code with ``proxy/kernels/filters.py``. Signals are lists of numbers; ``c`` is the
cutoff control of every sample, ``r`` the resonance knob.

The kernels hold the figures of the formulas in single precision, so that float32 signals stay float32. So do these
loops: that way the two differ in float64 by little more than rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Signal = Sequence[float]


def single(figure: float) -> float:
    """A figure as single precision holds it."""
    return float(np.float32(figure))


PI = single(math.pi)
CUBIC, SQUARE, LINEAR = single(1.873), single(0.4955), single(0.649)
"""Coefficients of the ladder's tuning."""
LOPSIDED = single(0.99)
"""What the fourth pole's clip leaves of positive values."""
EXTRA = single(0.0005)
"""What the coefficient of the low integrator has more than that of the band integrator."""
TENTH = single(0.1)
HIGHEST = single(0.99)
"""The Moog-style ladder's cutoff control goes no higher."""

HALF_BAND = (18, 0, -116, 0, 429, 0, -1277, 0, 5042, 8192, 5042, 0, -1277, 0, 429, 0, -116, 0, 18)
"""Taps of the half-band low-pass, times 16384."""


def filtered(kind: int, x: Signal, c: Signal, r: float, drive: float) -> list[float]:
    """Drive, filter type ``kind`` (0 to 11), and the division that takes the drive back."""
    driven = [(10.0 * drive + 1.0) * value for value in x]
    if kind < 7:
        y = ladder(LADDER_TYPES[kind], driven, c, r)
    elif kind < 10:
        y = state_variable(kind - 7, driven, c, r)
    else:
        y = moog(driven, c, r) if kind == 10 else [3.0 * value for value in driven]
    return [value / (5.0 * drive + 1.0) for value in y]


def soft(x: float) -> float:
    """The rational tanh."""
    y = 2.0 * x
    a = abs(y)
    return y * (6.0 + a * (3.0 + a)) / (a * (6.0 + a * (3.0 + a)) + 12.0)


def lopsided(x: float) -> float:
    """The fourth pole's clip: positive values come out times 0.99."""
    return soft(x) * (LOPSIDED if x > 0.0 else 1.0)


# Four times the rate


def oversampled(x: Signal, n: int) -> Iterator[float]:
    """Four points on the straight line from the sample before to sample ``n``, which is the last of them."""
    before = x[n - 1] if n > 0 else 0.0
    for j in (1, 2, 3, 4):
        yield before + (x[n] - before) * j / 4.0


def half_band(u: Signal, m: int) -> float:
    """``sum_k h[k] u[m - k]``."""
    return sum(h / 16384.0 * u[m - k] for k, h in enumerate(HALF_BAND) if m - k >= 0)


def halved(u: Signal) -> list[float]:
    """One result for each pair of samples, taken at the older one of the pair."""
    return [half_band(u, m) for m in range(0, len(u), 2)]


# Types 0 to 6


@dataclass(frozen=True)
class LadderType:
    """What tells the types of the ladder apart.

    Attributes:
        taps: weights of ``u, y1, y2, y3, y4`` in what is heard.
        b: constant part of the feedback.
        m: what the cutoff control adds to it.
        k0: constant of the tuning.
        power: the input's gain is ``2 - (1 - r)^power``; 0 for ``gain_in``.
        gain_in: the input's gain where ``power`` is 0.
        peak: the output's gain is ``1 + 1.1 r + peak c r``; None for 1.
        clipped: whether what is heard passes the soft clip.
    """

    taps: tuple[float, float, float, float, float]
    b: float = 1.0
    m: float = 1.0
    k0: float = 0.9988
    power: int = 2
    gain_in: float = 1.0
    peak: float | None = 1.0
    clipped: bool = False


LADDER_TYPES = (
    LadderType((0, 0, 0, 0, 1), b=1.05, m=1.4, k0=1.4, peak=2.5, clipped=True),  # low-pass, 24 dB
    LadderType((0, 0, 0, 1, 0), m=1.0, power=4, peak=1.5, clipped=True),  # low-pass, 18 dB
    LadderType((0, 0, 1, 0, 0), m=0.9, peak=1.5, clipped=True),  # low-pass, 12 dB
    LadderType((0, 1, 0, 0, 0), m=0.8, peak=1.5, clipped=True),  # low-pass, 6 dB
    LadderType((1, -2, 1, 0, 0), power=0, gain_in=1.0, peak=None),  # high-pass
    LadderType((0, 0, 2, -4, 2), power=0, gain_in=4.0),  # band-pass
    LadderType((1, -2, 4, -4, 0)),  # notch
)


def ladder(kind: LadderType, x: Signal, c: Signal, r: float) -> list[float]:
    """Four one-pole low-passes in series with feedback around them, at four times the rate."""
    gain_in = 2.0 - (1.0 - r) ** kind.power if kind.power else kind.gain_in
    x = [gain_in * value for value in x]
    y1 = y2 = y3 = y4 = 0.0
    heard = []
    for n in range(len(x)):
        f = c[n] / 8.0
        k = CUBIC * f**3 + SQUARE * f**2 - LINEAR * f + kind.k0
        g = 1.0 - math.exp(-2.0 * PI * k * f)
        feedback = 4.2 * r * (kind.b + kind.m * c[n])
        for point in oversampled(x, n):
            u = point - feedback * lopsided(y4)
            y1 = y1 + g * (u - y1)
            y2 = y2 + g * (y1 - y2)
            y3 = y3 + g * (y2 - y3)
            y4 = y4 + g * (y3 - y4)
            tap = sum(weight * value for weight, value in zip(kind.taps, (u, y1, y2, y3, y4), strict=True))
            if kind.clipped:
                tap = lopsided(tap) if kind.taps[4] else soft(tap)
            heard.append(tap)
    y = halved(halved(heard))
    if kind.peak is None:
        return y
    return [(1.0 + 1.1 * r + kind.peak * c[n] * r) * y[n] for n in range(len(x))]


# Types 7 to 9


def state_variable(output: int, x: Signal, c: Signal, r: float) -> list[float]:
    """Two state-variable stages in series, at four times the rate; ``output`` is 0 for low, 1 for high, 2 for band."""
    damping = (1.0 / (10.0 * r**24 + 0.5), 1.0 / (1e5 * r**24 + 0.5))
    low, band = [0.0, 0.0], [0.0, 0.0]
    heard = []
    for n in range(len(x)):
        f = PI * c[n] / 4.0
        for value in oversampled(x, n):
            for stage in (0, 1):
                low[stage] = low[stage] + (f + EXTRA) * band[stage]
                high = value - low[stage] - damping[stage] * band[stage]
                band[stage] = 10.0 * soft(TENTH * (band[stage] + f * high))
                value = (low[stage], high, band[stage])[output]
            heard.append(value)
    return halved(halved(heard))


# Type 10


def moog(x: Signal, c: Signal, r: float) -> list[float]:
    """Four trapezoidal one-pole low-passes in series with feedback around them, without delay in the loop.

    Each pole gives ``y = (g v + s) / (1 + g)`` for its input ``v`` and state ``s``, so the loop ``u = x - k y4`` is
    linear in ``u`` and is solved for it.
    """
    s1 = s2 = s3 = s4 = 0.0
    y = []
    for n in range(len(x)):
        g = math.tan(PI * min(c[n], HIGHEST) / 2.0)
        k = 4.0 * r + (4.0 * max(0.0, 0.25 - c[n])) ** 2
        # What the fourth pole gives where u is 0, and what it gains for each unit of u.
        rest = (((g * s1 / (1.0 + g) + s2) * g / (1.0 + g) + s3) * g / (1.0 + g) + s4) / (1.0 + g)
        share = (g / (1.0 + g)) ** 4
        u = (x[n] * (1.0 + 2.0 * r) / 4.0 - k * rest) / (1.0 + k * share)
        y1 = (g * u + s1) / (1.0 + g)
        y2 = (g * y1 + s2) / (1.0 + g)
        y3 = (g * y2 + s3) / (1.0 + g)
        y4 = (g * y3 + s4) / (1.0 + g)
        s1 = 2.0 * y1 - s1
        s2 = 2.0 * y2 - s2
        s3 = soft(2.0 * y3 - s3)
        s4 = soft(2.0 * y4 - s4)
        y.append(6.0 * y4)
    return y


# The master high-pass


def high_pass(x: Signal, v: float) -> list[float]:
    """``y[n] = x[n] - x[n - 1] + a y[n - 1]`` with ``a = 0.999 - 0.4 log20(v)``."""
    a = 0.999 - 0.4 * (20.0**v - 1.0) / 19.0
    before = result = 0.0
    y = []
    for value in x:
        result = value - before + a * result
        before = value
        y.append(result)
    return y
