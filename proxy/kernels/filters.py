"""The recursions of the filters and their adjoints, at 4x oversampling, for eight items side by side.

A recursion has to wait for its own last result, so one item leaves most of a processor idle. Here ``LANES`` items go
through the same instructions together, which costs hardly more than one (``docs/proxy.md``). A lane never sees another
one, and lanes that no item needs are fed silence, so an item's result does not depend on its company.

A compiler makes such instructions only of loops in which it can prove that nothing overlaps. That is why everything
about a sample lies in one flat array, one *record* of ``N_ROWS`` rows of ``LANES`` numbers per sample, with fixed
unsigned distances. The samples pass through the records in blocks.

The formulas are those of ``docs/noisemaker.md``, "Filter"; comments beside the code give each in plain form, where
``n`` counts samples at the base rate and ``m`` steps at four times the rate. ``tests/proxy/reference_filters.py`` has
the same recursions as slow scalar loops. The adjoints keep the states once per sample at the base rate and recompute
the steps between; in comments, ``dx`` is the derivative of the loss by ``x``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from proxy.kernels.compiled import compiled_fast, compiled_for_gpu
from render.noisemaker import facts

Given = ParamSpec("Given")
Result = TypeVar("Result")

LANES = 8
"""Items that are filtered side by side."""
N_SIGNALS = 14
"""Rows of a record before its parameters."""
N_PARAMETERS = 16
"""Parameters of an item, from ``GAIN_IN`` on."""
N_FITTED = 6
"""Parameters that have gradients; they come first."""
N_KEPT = 5
"""Numbers per sample that the adjoint needs: the result before its gain, and the four states."""

LADDER, STATE_VARIABLE, MOOG = 0, 1, 2
"""Families: types 0 to 6, types 7 to 9, type 10."""

BLOCK = 48
"""Samples of a block."""
HISTORY = 10
"""Records before the block (forward) or behind it (adjoint) that the half-band filters reach."""
N_RECORDS = BLOCK + HISTORY + 1

Floats = NDArray[Any]
"""Any array of float32 or float64."""


def inlined(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Like ``compiled_fast``, but inlined wherever it is called: loops with calls in them are not vectorised."""
    make = numba.njit(nogil=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"}, forceinline=True)
    return cast("Callable[Given, Result]", make(function))


def _row(index: int) -> np.uintp:
    return np.uintp(index * LANES)


# Rows of a record, as distances from its beginning.
#
# X              x[n], the driven input before the filter's own gain
# C              c[n], the cutoff control, 0 to 1
# OUT            the result; in the adjoint, the gradient of the result
# Y              the result before its gain
# S1 to S4       states before sample n: y1 to y4 of the ladder; band and low of the first state-variable stage, band
#                and low of the second; s1 to s4 of the Moog-style ladder
# T1 to T4       four results at 4x, oldest first
# A, B           two results at 2x, older first
X, C, OUT, Y, S1, S2, S3, S4, T1, T2, T3, T4, A, B = (_row(i) for i in range(N_SIGNALS))

# Parameters of every family: gain of the input, factor of the control, and gain of the output, GAIN_OUT + SLOPE_OUT c.
PARAMETERS = _row(N_SIGNALS)
GAIN_IN, SCALE, GAIN_OUT, SLOPE_OUT = (_row(14 + i) for i in range(4))
# Of the ladder: feedback BASE + SLOPE c (of the Moog-style ladder BASE alone), constant K0 of the tuning, weights W0 to
# W4 of u and y1 to y4 in what is heard, BENT 1 where that passes the soft clip, POSITIVE what the clip leaves above 0.
BASE, SLOPE, K0, W0, W1, W2, W3, W4, BENT, POSITIVE = (_row(18 + i) for i in range(10))
# Of the state-variable stages: damping of the first and the second, weights of low, high and band in what is heard.
DAMP1, DAMP2, W_LOW, W_HIGH, W_BAND = (_row(18 + i) for i in range(5))
# Of the adjoint: largest derivative by a state, and the share of it that reaches the sample before.
LIMIT, KEEP = _row(28), _row(29)

# Derivatives of the loss, in the adjoint only: DY by Y; DA, DB and DT1 to DT4 by A, B and T1 to T4; D1 to D4 by S1 to
# S4; DX by X; DX1 by GAIN_IN x[n - 1], from the interpolation up to x[n]; DC by C.
ADJOINTS = _row(30)
DY, DA, DB, DT1, DT2, DT3, DT4, D1, D2, D3, D4, DX, DX1, DC = (_row(30 + i) for i in range(14))
# Gradients of the fitted parameters, summed from the last sample to this one.
SUMS = _row(44)
SUM1, SUM2, SUM3, SUM4, SUM5, SUM6 = (_row(44 + i) for i in range(N_FITTED))
N_ROWS = 44 + N_FITTED

FIRST, LANE, KEPT = np.uintp(0), np.uintp(LANES), _row(N_KEPT)
# Distances to the records of the following samples.
NEXT, NEXT2, NEXT3, NEXT4, NEXT5, NEXT6, NEXT7, NEXT8, NEXT9 = (_row(i * N_ROWS) for i in range(1, 10))

# Figures of the formulas, in single precision so that a float32 signal stays float32.
ZERO, QUARTER, HALF, ONE, TWO, THREE, FOUR, SIX, TWELVE = (np.float32(x) for x in (0, 0.25, 0.5, 1, 2, 3, 4, 6, 12))
EIGHTH, TENTH, TEN, SIXTEEN, TWENTY_FOUR = (np.float32(x) for x in (0.125, 0.1, 10, 16, 24))
TWO_PI, HALF_PI, QUARTER_PI = (np.float32(np.pi * x) for x in (2, 0.5, 0.25))
CUBIC, SQUARE, LINEAR = (np.float32(x) for x in (facts.POLE_CUBIC, facts.POLE_SQUARE, -facts.POLE_LINEAR))
"""Coefficients of the ladder's tuning, ``k = 1.873 f^3 + 0.4955 f^2 - 0.649 f + k0``."""
LOPSIDED = np.float32(facts.CLIP_POSITIVE)
"""Gain of positive values in the clip of the ladder's fourth pole."""
LOW_EXTRA = np.float32(facts.LOW_OFFSET)
"""What the coefficient of a state-variable stage's low integrator has more than that of its band integrator."""
HIGHEST = np.float32(facts.MOOG_HIGHEST)
"""The Moog-style ladder's control goes no higher."""
H1, H3, H5, H7, H9 = (np.float32(tap) for tap in facts.HALF_BAND)
"""Taps of the half-band low-pass, 1, 3, 5, 7 and 9 places from its middle."""
TINY = np.float32(1e-30)
"""Derivatives below it are 0: what fades would end in denormal numbers, which take a hundred times as long."""
E2, E3, E4, E5, E6, E7, E8, E9, E10 = (np.float32(1 / i) for i in range(2, 11))
"""Of the exponential's series, nested: ``exp(z) - 1 = z (1 + z E2 (1 + z E3 (... (1 + z E10))))``, ``Ei = 1 / i``."""
C2, C4, C6, C8, C10, C12 = (np.float32(-1 / (i * (i - 1))) for i in range(2, 13, 2))
"""Of the cosine's series, nested: ``cos(x) = 1 + q C2 (1 + q C4 (...))``, ``q = x^2``, ``Ci = -1 / (i (i - 1))``."""
C3, C5, C7, C9, C11, C13 = (np.float32(-1 / (i * (i - 1))) for i in range(3, 14, 2))
"""Of the sine's series, nested: ``sin(x) = x (1 + q C3 (1 + q C5 (...)))``."""


# Parts of the formulas


@inlined
def soft(x: Any) -> Any:
    """The rational tanh, ``n / (n + 12)`` with the sign of ``x``; ``n = a (6 + a (3 + a))``, ``a = |2 x|``."""
    a = abs(x + x)
    n = a * (SIX + a * (THREE + a))
    s = n / (n + TWELVE)
    return s if x > ZERO else -s


@inlined
def soft_and_slope(x: Any) -> Any:
    """``soft`` and its derivative, ``24 (6 + a (6 + 3 a)) / (n + 12)^2``."""
    a = abs(x + x)
    n = a * (SIX + a * (THREE + a))
    d = ONE / (n + TWELVE)
    s = n * d
    return s if x > ZERO else -s, TWENTY_FOUR * (SIX + a * (SIX + THREE * a)) * d * d


@inlined
def scaled(c: Any, scale: Any) -> Any:
    """The control after the correction of its tuning, at most 1."""
    return min(c * scale, ONE)


@inlined
def flushed(x: Any, r: Floats, e: np.uintp) -> Any:
    """The derivative by a state as it reaches the sample before: times KEEP, within LIMIT, and 0 below ``TINY``."""
    bounded = min(max(x * r[e + KEEP], -r[e + LIMIT]), r[e + LIMIT])
    return ZERO * bounded if abs(x) < TINY else bounded


@inlined
def pole(c: Any, k0: Any) -> Any:
    """Coefficient of the ladder's poles, ``g = 1 - exp(-2 pi k f)``, ``f = c / 8``; the exponent is above -1.2.

    With ``z = -pi k f`` and ``h = exp(z) - 1``, ``g = 1 - (1 + h)^2 = -h (h + 2)``.
    """
    f = EIGHTH * c
    z = -HALF * TWO_PI * f * (((CUBIC * f + SQUARE) * f - LINEAR) * f + k0)  # k = 1.873 f^3 + 0.4955 f^2 - 0.649 f + k0
    tail = z * E6 * (ONE + z * E7 * (ONE + z * E8 * (ONE + z * E9 * (ONE + z * E10))))
    h = z * (ONE + z * E2 * (ONE + z * E3 * (ONE + z * E4 * (ONE + z * E5 * (ONE + tail)))))  # exp(z) - 1
    return -h * (h + TWO)


@inlined
def pole_slope(c: Any, k0: Any, g: Any) -> Any:
    """Derivative of ``pole``, whose value is ``g``: ``(1 - g) 2 pi / 8 d(k f)/df``."""
    f = EIGHTH * c
    return (ONE - g) * (EIGHTH * TWO_PI) * (((FOUR * CUBIC * f + THREE * SQUARE) * f - TWO * LINEAR) * f + k0)


@inlined
def sine_and_cosine(x: Any) -> Any:
    """Sine and cosine of a number from 0 to pi / 2."""
    q = x * x
    sine = ONE + q * C3 * (ONE + q * C5 * (ONE + q * C7 * (ONE + q * C9 * (ONE + q * C11 * (ONE + q * C13)))))
    cosine = ONE + q * C2 * (ONE + q * C4 * (ONE + q * C6 * (ONE + q * C8 * (ONE + q * C10 * (ONE + q * C12)))))
    return x * sine, cosine


@inlined
def half_band(
    middle: Any, s0: Any, s1: Any, s2: Any, s3: Any, s4: Any, s5: Any, s6: Any, s7: Any, s8: Any, s9: Any
) -> Any:
    """Half-band low-pass of 19 taps; every second one is 0, but for the middle one."""
    return HALF * middle + H9 * (s0 + s9) + H7 * (s1 + s8) + H5 * (s2 + s7) + H3 * (s3 + s6) + H1 * (s4 + s5)


@inlined
def amplified(r: Floats, e: np.uintp) -> Any:
    """The result with its gain, ``(GAIN_OUT + SLOPE_OUT c) Y``."""
    return (r[e + GAIN_OUT] + r[e + SLOPE_OUT] * scaled(r[e + C], r[e + SCALE])) * r[e + Y]


@inlined
def amplified_adjoint(r: Floats, e: np.uintp) -> None:
    """Adjoint of ``amplified``: from the gradient in OUT to DY, and the gradients of GAIN_OUT and SLOPE_OUT."""
    n = e + NEXT
    control = scaled(r[e + C], r[e + SCALE])
    dgain = r[e + OUT] * r[e + Y]
    r[e + DY] = r[e + OUT] * (r[e + GAIN_OUT] + r[e + SLOPE_OUT] * control)
    r[e + SUM3], r[e + SUM4] = r[n + SUM3] + dgain, r[n + SUM4] + dgain * control


@inlined
def given_adjoint(r: Floats, e: np.uintp, dx: Any, dx_before: Any, dc: Any) -> None:
    """Gradients of X, C, GAIN_IN and SCALE.

    Args:
        r: the records.
        e: place of the sample in them.
        dx: derivative by ``GAIN_IN x[n]``, but for its part in the interpolation up to sample ``n + 1``.
        dx_before: derivative by ``GAIN_IN x[n - 1]``, from the interpolation up to sample ``n``.
        dc: derivative by the scaled control, but for its part in the output's gain.
    """
    n = e + NEXT
    total = dx + r[n + DX1]
    dc = dc + r[e + OUT] * r[e + Y] * r[e + SLOPE_OUT]
    dc = dc if r[e + C] * r[e + SCALE] <= ONE else ZERO * dc
    r[e + DX1] = dx_before
    r[e + DX] = total * r[e + GAIN_IN]
    r[e + DC] = dc * r[e + SCALE]
    r[e + SUM1], r[e + SUM2] = r[n + SUM1] + total * r[e + X], r[n + SUM2] + dc * r[e + C]


@inlined
def decimate(r: Floats, first: int, last: int, lane: np.uintp, lanes: np.uintp) -> None:
    """From T1 to T4 to Y and OUT: twice a half-band low-pass that keeps every second result.

    At 4x, ``u[4n + j - 1]`` is Tj of sample ``n``; ``v[m] = sum_k h[k] u[m - k]``, A is ``v[4n]`` and B ``v[4n + 2]``.
    At 2x, ``w[2n]`` is A and ``w[2n + 1]`` is B of sample ``n``; Y is ``sum_k h[k] w[2n - k]``.

    One loop over the lanes holds all of it: the compiler would unroll smaller ones.
    """
    for t in range(first, last):
        oldest = np.uintp(t - 9) * NEXT
        for i in range(lane, lanes):
            j = oldest + i
            f, e, d, c, b, a = j + NEXT4, j + NEXT5, j + NEXT6, j + NEXT7, j + NEXT8, j + NEXT9
            r[a + A] = half_band(
                r[d + T4], r[a + T1], r[b + T3], r[b + T1], r[c + T3], r[c + T1],
                r[d + T3], r[d + T1], r[e + T3], r[e + T1], r[f + T3],
            )  # fmt: skip
            r[a + B] = half_band(
                r[c + T2], r[a + T3], r[a + T1], r[b + T3], r[b + T1], r[c + T3],
                r[c + T1], r[d + T3], r[d + T1], r[e + T3], r[e + T1],
            )  # fmt: skip
            r[a + Y] = half_band(
                r[f + B], r[a + A], r[b + A], r[c + A], r[d + A], r[e + A],
                r[f + A], r[j + NEXT3 + A], r[j + NEXT2 + A], r[j + NEXT + A], r[j + A],
            )  # fmt: skip
            r[a + OUT] = amplified(r, a)


@compiled_fast
def decimate_adjoint(r: Floats, first: int, last: int) -> None:
    """From the gradient in OUT to DT1 to DT4: the transpose of ``decimate``, which reads the samples behind."""
    for t in range(last - 1, first - 1, -1):
        record = np.uintp(t) * NEXT
        for i in range(LANE):
            a = record + i
            b, c, d, e, f = a + NEXT, a + NEXT2, a + NEXT3, a + NEXT4, a + NEXT5
            amplified_adjoint(r, a)
            r[a + DA] = half_band(
                ZERO, r[a + DY], r[b + DY], r[c + DY], r[d + DY], r[e + DY],
                r[f + DY], r[a + NEXT6 + DY], r[a + NEXT7 + DY], r[a + NEXT8 + DY], r[a + NEXT9 + DY],
            )  # fmt: skip
            r[a + DB] = HALF * r[f + DY]
            r[a + DT1] = half_band(
                ZERO, r[a + DA], r[a + DB], r[b + DA], r[b + DB], r[c + DA],
                r[c + DB], r[d + DA], r[d + DB], r[e + DA], r[e + DB],
            )  # fmt: skip
            r[a + DT2] = HALF * r[c + DB]
            r[a + DT3] = half_band(
                ZERO, r[a + DB], r[b + DA], r[b + DB], r[c + DA], r[c + DB],
                r[d + DA], r[d + DB], r[e + DA], r[e + DB], r[f + DA],
            )  # fmt: skip
            r[a + DT4] = HALF * r[d + DA]


# Types 0 to 6: the ladder


@inlined
def ladder_step(x: Any, g: Any, feedback: Any, y1: Any, y2: Any, y3: Any, y4: Any) -> Any:
    """The node before the first pole, and the states after one step."""
    u = x - feedback * soft(y4) * (LOPSIDED if y4 > ZERO else ONE)  # u[m] = x[m] - k clip(y4[m-1])
    y1 = y1 + g * (u - y1)  # y1[m] = y1[m-1] + g (u[m] - y1[m-1])
    y2 = y2 + g * (y1 - y2)  # y2[m] = y2[m-1] + g (y1[m] - y2[m-1])
    y3 = y3 + g * (y2 - y3)  # y3[m] = y3[m-1] + g (y2[m] - y3[m-1])
    y4 = y4 + g * (y3 - y4)  # y4[m] = y4[m-1] + g (y3[m] - y4[m-1])
    return u, y1, y2, y3, y4


@inlined
def ladder_tap(u: Any, y1: Any, y2: Any, y3: Any, y4: Any, r: Floats, b: np.uintp) -> Any:
    """What is heard of a step: ``W0 u + W1 y1 + W2 y2 + W3 y3 + W4 y4``, soft clipped where BENT is 1."""
    mix = r[b + W0] * u + r[b + W1] * y1 + r[b + W2] * y2 + r[b + W3] * y3 + r[b + W4] * y4
    return mix + r[b + BENT] * (soft(mix) * (r[b + POSITIVE] if mix > ZERO else ONE) - mix)


@inlined
def ladder(r: Floats, first: int, last: int, lane: np.uintp, lanes: np.uintp) -> None:
    """From X to T1 to T4."""
    for t in range(first, last):
        record = np.uintp(t) * NEXT
        for i in range(lane, lanes):
            b = record + i
            c = scaled(r[b + C], r[b + SCALE])
            g = pole(c, r[b + K0])  # g = 1 - exp(-2 pi k f)
            k = r[b + BASE] + r[b + SLOPE] * c  # 4.2 r (b + m c)
            x = r[b - NEXT + X] * r[b + GAIN_IN]  # x[4n+j] = x[n-1] + (x[n] - x[n-1]) j / 4, j = 1 to 4
            dx = (r[b + X] * r[b + GAIN_IN] - x) * QUARTER
            u, y1, y2, y3, y4 = ladder_step(x + dx, g, k, r[b + S1], r[b + S2], r[b + S3], r[b + S4])
            r[b + T1] = ladder_tap(u, y1, y2, y3, y4, r, b)
            u, y1, y2, y3, y4 = ladder_step(x + TWO * dx, g, k, y1, y2, y3, y4)
            r[b + T2] = ladder_tap(u, y1, y2, y3, y4, r, b)
            u, y1, y2, y3, y4 = ladder_step(x + THREE * dx, g, k, y1, y2, y3, y4)
            r[b + T3] = ladder_tap(u, y1, y2, y3, y4, r, b)
            u, y1, y2, y3, y4 = ladder_step(x + FOUR * dx, g, k, y1, y2, y3, y4)
            r[b + T4] = ladder_tap(u, y1, y2, y3, y4, r, b)
            r[b + NEXT + S1], r[b + NEXT + S2], r[b + NEXT + S3], r[b + NEXT + S4] = y1, y2, y3, y4


@inlined
def ladder_back(
    dt: Any, g: Any, k: Any, u: Any, y: Any, z: Any, d1: Any, d2: Any, d3: Any, d4: Any, r: Floats, b: np.uintp
) -> Any:
    """Adjoint of one step from states ``y`` to ``z``.

    Args:
        dt: derivative by what is heard.
        g: coefficient of the poles.
        k: feedback.
        u: node before the first pole.
        y: states before the step.
        z: states after it.
        d1: derivative by the first state after the step, from all that follows; likewise d2, d3, d4.
        d2: see d1.
        d3: see d1.
        d4: see d1.
        r: the records.
        b: place of the sample in them.

    Returns:
        Derivatives by the four states before the step, by the input, by ``g`` and by ``k``.
    """
    mix = r[b + W0] * u + r[b + W1] * z[0] + r[b + W2] * z[1] + r[b + W3] * z[2] + r[b + W4] * z[3]
    _, slope = soft_and_slope(mix)
    dt = dt * (ONE + r[b + BENT] * (slope * (r[b + POSITIVE] if mix > ZERO else ONE) - ONE))
    d4 = d4 + r[b + W4] * dt  # dz4
    d3 = d3 + r[b + W3] * dt + g * d4  # dz3 += W3 dt + g dz4
    d2 = d2 + r[b + W2] * dt + g * d3  # dz2 += W2 dt + g dz3
    d1 = d1 + r[b + W1] * dt + g * d2  # dz1 += W1 dt + g dz2
    du = r[b + W0] * dt + g * d1  # du = W0 dt + g dz1
    # dg = dz4 (z3 - y4) + dz3 (z2 - y3) + dz2 (z1 - y2) + dz1 (u - y1)
    dg = d4 * (z[2] - y[3]) + d3 * (z[1] - y[2]) + d2 * (z[0] - y[1]) + d1 * (u - y[0])
    # dyi = (1 - g) dzi, and by the feedback dy4 -= k clip'(y4) du;  dx = du;  dk = -clip(y4) du
    bent, slope = soft_and_slope(y[3])
    weaker = LOPSIDED if y[3] > ZERO else ONE
    return d1 - g * d1, d2 - g * d2, d3 - g * d3, d4 - g * d4 - k * weaker * slope * du, du, dg, -du * bent * weaker


@compiled_fast
def ladder_adjoint(r: Floats, first: int, last: int) -> None:
    """From DT1 to DT4, and D1 to D4 of the sample behind, to all other derivatives."""
    for t in range(last - 1, first - 1, -1):
        a = np.uintp(t) * NEXT
        for i in range(LANE):
            b = a + i
            c = scaled(r[b + C], r[b + SCALE])
            g = pole(c, r[b + K0])
            k = r[b + BASE] + r[b + SLOPE] * c
            x = r[b - NEXT + X] * r[b + GAIN_IN]
            dx = (r[b + X] * r[b + GAIN_IN] - x) * QUARTER
            y1, y2, y3, y4 = r[b + S1], r[b + S2], r[b + S3], r[b + S4]
            u, v1, v2, v3, v4 = ladder_step(x + dx, g, k, y1, y2, y3, y4)
            v, w1, w2, w3, w4 = ladder_step(x + TWO * dx, g, k, v1, v2, v3, v4)
            w, q1, q2, q3, q4 = ladder_step(x + THREE * dx, g, k, w1, w2, w3, w4)
            q, z1, z2, z3, z4 = ladder_step(x + FOUR * dx, g, k, q1, q2, q3, q4)
            y, yv, yw, yq, yz = (y1, y2, y3, y4), (v1, v2, v3, v4), (w1, w2, w3, w4), (q1, q2, q3, q4), (z1, z2, z3, z4)
            n = b + NEXT
            d1, d2, d3, d4, dx4, dg4, dk4 = ladder_back(
                r[b + DT4], g, k, q, yq, yz, r[n + D1], r[n + D2], r[n + D3], r[n + D4], r, b
            )
            d1, d2, d3, d4, dx3, dg3, dk3 = ladder_back(r[b + DT3], g, k, w, yw, yq, d1, d2, d3, d4, r, b)
            d1, d2, d3, d4, dx2, dg2, dk2 = ladder_back(r[b + DT2], g, k, v, yv, yw, d1, d2, d3, d4, r, b)
            d1, d2, d3, d4, dx1, dg1, dk1 = ladder_back(r[b + DT1], g, k, u, y, yv, d1, d2, d3, d4, r, b)
            r[b + D1], r[b + D2] = flushed(d1, r, b), flushed(d2, r, b)
            r[b + D3], r[b + D4] = flushed(d3, r, b), flushed(d4, r, b)
            dg, dk = dg1 + dg2 + dg3 + dg4, dk1 + dk2 + dk3 + dk4
            # Transpose of x[4n+j] = x[n-1] + (x[n] - x[n-1]) j / 4.
            before = QUARTER * (THREE * dx1 + TWO * dx2 + dx3)
            here = QUARTER * (dx1 + TWO * dx2 + THREE * dx3) + dx4
            given_adjoint(r, b, here, before, dg * pole_slope(c, r[b + K0], g) + dk * r[b + SLOPE])
            r[b + SUM5], r[b + SUM6] = r[n + SUM5] + dk, r[n + SUM6] + dk * c


# Types 7 to 9: two state-variable stages


@inlined
def stage_step(x: Any, f: Any, damping: Any, band: Any, low: Any, r: Floats, b: np.uintp) -> Any:
    """Band before its limiter and after, low, and what the stage gives, after one step."""
    low = low + (f + LOW_EXTRA) * band  # low[m] = low[m-1] + (f + 0.0005) band[m-1]
    high = x - low - damping * band  # high[m] = x[m] - low[m] - damping band[m-1]
    wide = band + f * high  # wide[m] = band[m-1] + f high[m]
    band = TEN * soft(TENTH * wide)  # band[m] = 10 soft(wide[m] / 10)
    return wide, band, low, r[b + W_LOW] * low + r[b + W_HIGH] * high + r[b + W_BAND] * band


@inlined
def state_variable(r: Floats, first: int, last: int, lane: np.uintp, lanes: np.uintp) -> None:
    """From X to T1 to T4; the states are band and low of both stages."""
    for t in range(first, last):
        record = np.uintp(t) * NEXT
        for i in range(lane, lanes):
            b = record + i
            f = QUARTER_PI * scaled(r[b + C], r[b + SCALE])  # f = pi c / 4
            p, q = r[b + DAMP1], r[b + DAMP2]
            x = r[b - NEXT + X] * r[b + GAIN_IN]
            dx = (r[b + X] * r[b + GAIN_IN] - x) * QUARTER
            _, b1, l1, y = stage_step(x + dx, f, p, r[b + S1], r[b + S2], r, b)
            _, b2, l2, r[b + T1] = stage_step(y, f, q, r[b + S3], r[b + S4], r, b)
            _, b1, l1, y = stage_step(x + TWO * dx, f, p, b1, l1, r, b)
            _, b2, l2, r[b + T2] = stage_step(y, f, q, b2, l2, r, b)
            _, b1, l1, y = stage_step(x + THREE * dx, f, p, b1, l1, r, b)
            _, b2, l2, r[b + T3] = stage_step(y, f, q, b2, l2, r, b)
            _, b1, l1, y = stage_step(x + FOUR * dx, f, p, b1, l1, r, b)
            _, b2, l2, r[b + T4] = stage_step(y, f, q, b2, l2, r, b)
            r[b + NEXT + S1], r[b + NEXT + S2], r[b + NEXT + S3], r[b + NEXT + S4] = b1, l1, b2, l2


@inlined
def stage_back(
    dt: Any, x: Any, f: Any, damping: Any, band: Any, low: Any, dband: Any, dlow: Any, r: Floats, b: np.uintp
) -> Any:
    """Adjoint of one step of a stage.

    Args:
        dt: derivative by what the stage gives.
        x: input of the step.
        f: coefficient of the integrators.
        damping: damping of this stage.
        band: state before the step.
        low: state before the step.
        dband: derivative by the band state after the step, from all that follows.
        dlow: derivative by the low state after it, likewise.
        r: the records.
        b: place of the sample in them.

    Returns:
        Derivatives by band and low before the step, by the input, by ``f`` and by the damping.
    """
    low = low + (f + LOW_EXTRA) * band
    high = x - low - damping * band
    _, slope = soft_and_slope(TENTH * (band + f * high))
    dwide = (dband + r[b + W_BAND] * dt) * slope  # dwide = soft'(wide / 10) (dband + W_BAND dt)
    dhigh = r[b + W_HIGH] * dt + f * dwide  # dhigh = W_HIGH dt + f dwide
    dlow = dlow + r[b + W_LOW] * dt - dhigh  # dlow += W_LOW dt - dhigh
    # Before the step: dband = dwide - damping dhigh + (f + 0.0005) dlow;  dlow, dx = dhigh as they are;
    # df = dwide high + dlow band;  ddamping = -dhigh band
    return dwide - damping * dhigh + (f + LOW_EXTRA) * dlow, dlow, dhigh, dwide * high + dlow * band, -dhigh * band


@compiled_fast
def state_variable_adjoint(r: Floats, first: int, last: int) -> None:
    """From DT1 to DT4, and D1 to D4 of the sample behind, to all other derivatives."""
    for t in range(last - 1, first - 1, -1):
        a = np.uintp(t) * NEXT
        for i in range(LANE):
            b = a + i
            f = QUARTER_PI * scaled(r[b + C], r[b + SCALE])
            p, q = r[b + DAMP1], r[b + DAMP2]
            x = r[b - NEXT + X] * r[b + GAIN_IN]
            dx = (r[b + X] * r[b + GAIN_IN] - x) * QUARTER
            b1, l1, b2, l2 = r[b + S1], r[b + S2], r[b + S3], r[b + S4]
            _, c1, m1, y1 = stage_step(x + dx, f, p, b1, l1, r, b)
            _, c2, m2, _ = stage_step(y1, f, q, b2, l2, r, b)
            _, d1, n1, y2 = stage_step(x + TWO * dx, f, p, c1, m1, r, b)
            _, d2, n2, _ = stage_step(y2, f, q, c2, m2, r, b)
            _, e1, o1, y3 = stage_step(x + THREE * dx, f, p, d1, n1, r, b)
            _, e2, o2, _ = stage_step(y3, f, q, d2, n2, r, b)
            _, _, _, y4 = stage_step(x + FOUR * dx, f, p, e1, o1, r, b)
            n = b + NEXT
            db2, dl2, dy, df8, dq4 = stage_back(r[b + DT4], y4, f, q, e2, o2, r[n + D3], r[n + D4], r, b)
            db1, dl1, dx4, df7, dp4 = stage_back(dy, x + FOUR * dx, f, p, e1, o1, r[n + D1], r[n + D2], r, b)
            db2, dl2, dy, df6, dq3 = stage_back(r[b + DT3], y3, f, q, d2, n2, db2, dl2, r, b)
            db1, dl1, dx3, df5, dp3 = stage_back(dy, x + THREE * dx, f, p, d1, n1, db1, dl1, r, b)
            db2, dl2, dy, df4, dq2 = stage_back(r[b + DT2], y2, f, q, c2, m2, db2, dl2, r, b)
            db1, dl1, dx2, df3, dp2 = stage_back(dy, x + TWO * dx, f, p, c1, m1, db1, dl1, r, b)
            db2, dl2, dy, df2, dq1 = stage_back(r[b + DT1], y1, f, q, b2, l2, db2, dl2, r, b)
            db1, dl1, dx1, df1, dp1 = stage_back(dy, x + dx, f, p, b1, l1, db1, dl1, r, b)
            r[b + D1], r[b + D2] = flushed(db1, r, b), flushed(dl1, r, b)
            r[b + D3], r[b + D4] = flushed(db2, r, b), flushed(dl2, r, b)
            # Transpose of x[4n+j] = x[n-1] + (x[n] - x[n-1]) j / 4.
            before = QUARTER * (THREE * dx1 + TWO * dx2 + dx3)
            here = QUARTER * (dx1 + TWO * dx2 + THREE * dx3) + dx4
            given_adjoint(r, b, here, before, QUARTER_PI * (df1 + df2 + df3 + df4 + df5 + df6 + df7 + df8))
            r[b + SUM5] = r[n + SUM5] + dp1 + dp2 + dp3 + dp4
            r[b + SUM6] = r[n + SUM6] + dq1 + dq2 + dq3 + dq4


# Type 10: the ladder without delay, at the base rate


@inlined
def moog_nodes(x: Any, c: Any, base: Any, s1: Any, s2: Any, s3: Any, s4: Any) -> Any:
    """Coefficients ``a`` and ``b``, feedback ``k``, ``sigma``, and the four poles' input ``u`` and outputs.

    ``g = tan(pi c / 2)``; each pole gives ``y = (g v + s) / (1 + g) = a v + b s`` for its input ``v`` and state ``s``.
    ``y4`` is linear in ``u``, ``y4 = a^4 u + sigma``, so the loop ``u = x - k y4`` is solved for ``u``.
    """
    sine, cosine = sine_and_cosine(HALF_PI * min(c, HIGHEST))
    a = sine / (sine + cosine)  # a = g / (1 + g)
    b = ONE - a  # b = 1 / (1 + g)
    more = max(QUARTER - c, ZERO)
    k = base + SIXTEEN * more * more  # k = 4 r + (4 max(0, 0.25 - c))^2
    sigma = b * (a * (a * (a * s1 + s2) + s3) + s4)  # sigma = a^3 b s1 + a^2 b s2 + a b s3 + b s4
    u = (x - k * sigma) / (ONE + k * (a * a) * (a * a))  # u = (x - k sigma) / (1 + k a^4)
    y1 = a * u + b * s1  # y1 = a u + b s1
    y2 = a * y1 + b * s2  # y2 = a y1 + b s2
    y3 = a * y2 + b * s3  # y3 = a y2 + b s3
    y4 = a * y3 + b * s4  # y4 = a y3 + b s4
    return a, b, k, sigma, u, y1, y2, y3, y4


@inlined
def moog(r: Floats, first: int, last: int, lane: np.uintp, lanes: np.uintp) -> None:
    """From X to Y and OUT."""
    for t in range(first, last):
        record = np.uintp(t) * NEXT
        for i in range(lane, lanes):
            e = record + i
            n = e + NEXT
            s1, s2, s3, s4 = r[e + S1], r[e + S2], r[e + S3], r[e + S4]
            c = scaled(r[e + C], r[e + SCALE])
            _, _, _, _, _, y1, y2, y3, y4 = moog_nodes(r[e + X] * r[e + GAIN_IN], c, r[e + BASE], s1, s2, s3, s4)
            # s1 and s2 become 2 y - s, s3 and s4 become soft(2 y - s)
            r[n + S1], r[n + S2] = TWO * y1 - s1, TWO * y2 - s2
            r[n + S3], r[n + S4] = soft(TWO * y3 - s3), soft(TWO * y4 - s4)
            r[e + Y] = y4
            r[e + OUT] = amplified(r, e)


@compiled_fast
def moog_adjoint(r: Floats, first: int, last: int) -> None:
    """From the gradient in OUT, and D1 to D4 of the sample behind, to all other derivatives."""
    for t in range(last - 1, first - 1, -1):
        record = np.uintp(t) * NEXT
        for i in range(LANE):
            e = record + i
            n = e + NEXT
            s1, s2, s3, s4 = r[e + S1], r[e + S2], r[e + S3], r[e + S4]
            c = scaled(r[e + C], r[e + SCALE])
            amplified_adjoint(r, e)
            a, b, k, sigma, u, y1, y2, y3, y4 = moog_nodes(r[e + X] * r[e + GAIN_IN], c, r[e + BASE], s1, s2, s3, s4)
            _, slope3 = soft_and_slope(TWO * y3 - s3)
            _, slope4 = soft_and_slope(TWO * y4 - s4)
            # di: derivative by 2 yi - si
            d1, d2, d3, d4 = r[n + D1], r[n + D2], r[n + D3] * slope3, r[n + D4] * slope4
            dy4 = r[e + DY] + TWO * d4  # dy4 = DY + 2 d4
            dy3 = TWO * d3 + a * dy4  # dy3 = 2 d3 + a dy4
            dy2 = TWO * d2 + a * dy3  # dy2 = 2 d2 + a dy3
            dy1 = TWO * d1 + a * dy2  # dy1 = 2 d1 + a dy2
            du = (a * dy1) / (ONE + k * (a * a) * (a * a))  # by the numerator of u: a dy1 / (1 + k a^4)
            dsigma = -k * du  # dsigma = -k du
            # da = sum of dyi times its input - 4 k a^3 u du + dsigma b (3 a^2 s1 + 2 a s2 + s3)
            da = dy4 * y3 + dy3 * y2 + dy2 * y1 + dy1 * u - FOUR * du * u * k * a * a * a
            da += dsigma * b * (a * (THREE * a * s1 + TWO * s2) + s3)
            # db = sum of dyi si + dsigma (a^3 s1 + a^2 s2 + a s3 + s4)
            db = dy4 * s4 + dy3 * s3 + dy2 * s2 + dy1 * s1 + dsigma * (a * (a * (a * s1 + s2) + s3) + s4)
            dk = -du * (sigma + u * (a * a) * (a * a))  # dk = -du (sigma + a^4 u)
            # dsi = b dyi + dsigma a^(4 - i) b - di
            r[e + D1] = flushed(b * (dy1 + dsigma * a * a * a) - d1, r, e)
            r[e + D2] = flushed(b * (dy2 + dsigma * a * a) - d2, r, e)
            r[e + D3] = flushed(b * (dy3 + dsigma * a) - d3, r, e)
            r[e + D4] = flushed(b * (dy4 + dsigma) - d4, r, e)
            sine, cosine = sine_and_cosine(HALF_PI * min(c, HIGHEST))
            # da/dc = (pi / 2) / (sin + cos)^2, db/dc = -da/dc
            slope = HALF_PI / ((sine + cosine) * (sine + cosine)) * (ONE if c <= HIGHEST else ZERO)
            dc = (da - db) * slope - (SIXTEEN + SIXTEEN) * max(QUARTER - c, ZERO) * dk
            given_adjoint(r, e, du, ZERO * du, dc)
            r[e + SUM5], r[e + SUM6] = r[n + SUM5] + dk, r[n + SUM6]


# Whole signals


@compiled_fast
def set_parameters(parameters: Floats, r: Floats) -> None:
    """Write the same parameters, ``(N_PARAMETERS, LANES)``, into every record."""
    for t in range(N_RECORDS):
        for row in range(N_PARAMETERS):
            for i in range(LANES):
                r[np.uintp(t) * NEXT + PARAMETERS + np.uintp(row * LANES + i)] = parameters[row, i]


@compiled_fast
def forward(family: int, items: Floats, x: Floats, c: Floats, parameters: Floats, y: Floats, kept: Floats) -> None:
    """Filter some items of a batch.

    Args:
        family: ``LADDER``, ``STATE_VARIABLE`` or ``MOOG``.
        items: indices of the items, up to ``LANES`` of them.
        x: driven input.
        c: cutoff control, 0 to 1.
        parameters: in the order of the rows from ``GAIN_IN`` on.
        y: the result is written into it.
        kept: what the adjoint needs is written into it; give it no samples where there will be no adjoint.

    Shape:
        items: ``(up to LANES,)``.
        x: ``(batch, samples)``.
        c: ``(batch, samples)``.
        parameters: ``(N_PARAMETERS, LANES)``.
        y: ``(batch, samples)``.
        kept: ``(samples or 0, N_KEPT * LANES)``.
    """
    n_samples = x.shape[1]
    r = np.zeros(N_RECORDS * N_ROWS * LANES, x.dtype)
    set_parameters(parameters, r)
    for start in range(0, n_samples, BLOCK):
        size = min(BLOCK, n_samples - start)
        last = HISTORY + size
        for lane, item in enumerate(items):
            for t in range(size):
                e = np.uintp(t + HISTORY) * NEXT + np.uintp(lane)
                r[e + X], r[e + C] = x[item, start + t], c[item, start + t]
        if family == LADDER:
            ladder(r, HISTORY, last, FIRST, LANE)
            decimate(r, HISTORY, last, FIRST, LANE)
        elif family == STATE_VARIABLE:
            state_variable(r, HISTORY, last, FIRST, LANE)
            decimate(r, HISTORY, last, FIRST, LANE)
        else:
            moog(r, HISTORY, last, FIRST, LANE)
        for lane, item in enumerate(items):
            for t in range(size):
                y[item, start + t] = r[np.uintp(t + HISTORY) * NEXT + np.uintp(lane) + OUT]
        if len(kept) > 0:
            for t in range(size):
                record = np.uintp(t + HISTORY) * NEXT + Y
                for j in range(KEPT):
                    kept[start + t, j] = r[record + j]
        for t in range(HISTORY + 1):  # the next block's past, and the states that it starts from
            here, there = np.uintp(t) * NEXT, np.uintp(t + size) * NEXT
            for j in range(PARAMETERS):
                r[here + j] = r[there + j]


@compiled_for_gpu
def forward_alone(
    first: int,
    last: int,
    families: Floats,
    items: Floats,
    parameters: Floats,
    x: Floats,
    c: Floats,
    y: Floats,
    r: Floats,
) -> None:
    """As ``forward``, but one item after the other, each in a lane of its own: what a thread of a GPU does.

    Args:
        first: first of the places in ``items`` to filter.
        last: the place behind the last one.
        families: family of each of the items.
        items: indices of the items in the batch.
        parameters: see ``forward``.
        x: see ``forward``.
        c: see ``forward``.
        y: see ``forward``.
        r: zeros, the records of every ``LANES`` items.

    Shape:
        families: ``(items,)``.
        items: ``(items,)``.
        parameters: ``(items, N_PARAMETERS)``.
        x: ``(batch, samples)``.
        c: ``(batch, samples)``.
        y: ``(batch, samples)``.
        r: ``(items / LANES, rounded up, times N_RECORDS * N_ROWS * LANES,)``.
    """
    n_samples = x.shape[1]
    for place in range(first, last):
        family, item = families[place], items[place]
        lane = np.uintp(place // LANES) * np.uintp(N_RECORDS) * NEXT + np.uintp(place % LANES)
        beside = lane + np.uintp(1)
        for t in range(N_RECORDS):
            for row in range(N_PARAMETERS):
                r[lane + np.uintp(t) * NEXT + PARAMETERS + np.uintp(row * LANES)] = parameters[place, row]
        for start in range(0, n_samples, BLOCK):
            size = min(BLOCK, n_samples - start)
            for t in range(size):
                n = t + HISTORY
                e = lane + np.uintp(n) * NEXT
                r[e + X], r[e + C] = x[item, start + t], c[item, start + t]
                if family == LADDER:
                    ladder(r, n, n + 1, lane, beside)
                    decimate(r, n, n + 1, lane, beside)
                elif family == STATE_VARIABLE:
                    state_variable(r, n, n + 1, lane, beside)
                    decimate(r, n, n + 1, lane, beside)
                else:
                    moog(r, n, n + 1, lane, beside)
                y[item, start + t] = r[e + OUT]
            for t in range(HISTORY + 1):
                here, there = lane + np.uintp(t) * NEXT, lane + np.uintp(t + size) * NEXT
                for row in range(N_SIGNALS):
                    r[here + np.uintp(row * LANES)] = r[there + np.uintp(row * LANES)]


@compiled_fast
def adjoint(
    family: int,
    items: Floats,
    x: Floats,
    c: Floats,
    parameters: Floats,
    kept: Floats,
    dy: Floats,
    dx: Floats,
    dc: Floats,
    sums: Floats,
) -> None:
    """Gradients of ``forward``; arguments that have the same name are those that it was given.

    Args:
        family: see ``forward``.
        items: see ``forward``.
        x: see ``forward``.
        c: see ``forward``.
        parameters: see ``forward``.
        kept: as ``forward`` left it.
        dy: gradient of the result.
        dx: the gradient of the input is written into it.
        dc: the gradient of the control is written into it.
        sums: the gradients of the first ``N_FITTED`` parameters are added to it; float64.

    Shape:
        dy: ``(batch, samples)``.
        dx: ``(batch, samples)``.
        dc: ``(batch, samples)``.
        sums: ``(N_FITTED, LANES)``.
    """
    n_samples = x.shape[1]
    r = np.zeros(N_RECORDS * N_ROWS * LANES, x.dtype)
    set_parameters(parameters, r)
    for stop in range(n_samples, 0, -BLOCK):
        start = max(stop - BLOCK, 0)
        size = stop - start
        last = 1 + size
        # Record 0 is the sample before the block, of which only the input counts.
        for lane, item in enumerate(items):
            r[X + np.uintp(lane)] = x[item, start - 1] if start > 0 else x[item, 0] * ZERO
            for t in range(size):
                e = np.uintp(t + 1) * NEXT + np.uintp(lane)
                r[e + X], r[e + C], r[e + OUT] = x[item, start + t], c[item, start + t], dy[item, start + t]
        for t in range(size):
            record = np.uintp(t + 1) * NEXT + Y
            for j in range(KEPT):
                r[record + j] = kept[start + t, j]
        if family == LADDER:
            decimate_adjoint(r, 1, last)
            ladder_adjoint(r, 1, last)
        elif family == STATE_VARIABLE:
            decimate_adjoint(r, 1, last)
            state_variable_adjoint(r, 1, last)
        else:
            moog_adjoint(r, 1, last)
        for lane, item in enumerate(items):
            for t in range(size):
                e = np.uintp(t + 1) * NEXT + np.uintp(lane)
                dx[item, start + t], dc[item, start + t] = r[e + DX], r[e + DC]
        for row in range(N_FITTED):
            for lane in range(LANES):
                e = NEXT + SUMS + np.uintp(row * LANES + lane)
                sums[row, lane] += r[e]
                r[e] = r[e] * ZERO
        # The first records become the later ones of the block before.
        for t in range(HISTORY, 0, -1):
            here, there = np.uintp(t) * NEXT, np.uintp(t + min(BLOCK, start)) * NEXT
            for j in range(ADJOINTS, np.uintp(N_ROWS * LANES)):
                r[there + j] = r[here + j]


# The master high-pass, one row at a time


@compiled_fast
def highpass_rows(first: int, last: int, x: Floats, a: Floats, y: Floats) -> None:
    """Master high-pass of the rows from ``first`` to before ``last``.

    Shape:
        x: ``(rows, samples)``.
        a: ``(rows,)``.
        y: ``(rows, samples)``; the result is written into it.
    """
    for row in range(first, last):
        before = result = ZERO * x[row, 0]
        for t in range(x.shape[1]):
            result = x[row, t] - before + a[row] * result  # y[n] = x[n] - x[n-1] + a y[n-1]
            before = x[row, t]
            y[row, t] = result


@compiled_fast
def highpass_adjoint_rows(first: int, last: int, a: Floats, y: Floats, dy: Floats, dx: Floats, da: Floats) -> None:
    """Gradients of ``highpass_rows`` in ``x`` and ``a``.

    Shape:
        a: ``(rows,)``.
        y: ``(rows, samples)``; the result of ``highpass_rows``.
        dy: ``(rows, samples)``; its gradient.
        dx: ``(rows, samples)``; the gradient of ``x`` is written into it.
        da: ``(rows,)``; the gradient of ``a`` is written into it.
    """
    for row in range(first, last):
        here = ZERO * dy[row, 0]  # derivative of the loss by y[n], from all that follows too
        total = np.float64(0.0)
        for t in range(y.shape[1] - 1, -1, -1):
            later = here
            here = dy[row, t] + a[row] * later  # h[n] = dy[n] + a h[n+1]
            here = ZERO * here if abs(here) < TINY else here
            dx[row, t] = here
            if t + 1 < y.shape[1]:
                dx[row, t] = here - later  # dx[n] = h[n] - h[n+1]
            if t > 0:
                total += here * y[row, t - 1]  # da = sum h[n] y[n-1]
        da[row] = total
