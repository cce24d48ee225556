"""The filters' recursions and their adjoints, sample by sample at 4x oversampling, for eight items side by side.

A recursion has to wait for its own last result, so one item leaves most of a processor idle. Here ``LANES`` items go
through the same instructions together, which costs hardly more than one (``docs/proxy.md``). A lane never sees another
one, and lanes that no item needs are fed silence, so an item's result does not depend on its company.

A compiler makes such instructions only of loops in which it can prove that nothing overlaps. That is why everything
about a sample lies in one flat array, one *record* of ``N_ROWS`` rows of ``LANES`` numbers per sample, with fixed
unsigned distances. The samples pass through the records in blocks.

The adjoints keep the states once per sample at the base rate and recompute the steps between. The formulas are those of
``docs/noisemaker.md``, as ``render/faust`` has them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Given = ParamSpec("Given")
Result = TypeVar("Result")

LANES = 8
N_PARAMETERS = 16
N_FITTED = 6
"""The parameters that come first have gradients."""
N_KEPT = 5
"""Numbers per sample that the adjoint needs: the result before its gain, and four states."""

LADDER, STATE_VARIABLE, MOOG = 0, 1, 2

BLOCK = 48
HISTORY = 10
"""Records before the block (forward) or behind it (adjoint) that the decimators reach."""
N_RECORDS = BLOCK + HISTORY + 1

Floats = NDArray[Any]


def compiled(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """As ``proxy.kernels.compiled.compiled``; besides, products may be fused with sums, and sums reordered."""
    make = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
    return cast("Callable[Given, Result]", make(function))


def piece(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Likewise, but written out wherever it is called: a loop with a call in it would not become a wide one."""
    make = numba.njit(nogil=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"}, forceinline=True)
    return cast("Callable[Given, Result]", make(function))


def _row(index: int) -> np.uintp:
    return np.uintp(index * LANES)


# Rows of a record: input and control; the result with and before its gain; states; four results at 4x, at 2x.
X, C, OUT, Y, S1, S2, S3, S4, T1, T2, T3, T4, A, B = (_row(i) for i in range(14))
PARAMETERS = _row(14)
GAIN_IN, SCALE, GAIN_OUT, SLOPE_OUT = (_row(14 + i) for i in range(4))
BASE, SLOPE, K0, W0, W1, W2, W3, W4, BENT, POSITIVE = (_row(18 + i) for i in range(10))  # of the ladder
DAMP1, DAMP2, W_LOW, W_HIGH, W_BAND = (_row(18 + i) for i in range(5))  # of the state-variable stages
LIMIT, KEEP = _row(28), _row(29)  # of the adjoint of a state: its bound, and what of it reaches the sample before
# Adjoints of: the result; A and B; T1 to T4; the states; the input and the one before; the control.
ADJOINTS = _row(30)
DY, DA, DB, DT1, DT2, DT3, DT4, D1, D2, D3, D4, DX, DX1, DC = (_row(30 + i) for i in range(14))
SUMS = _row(44)  # of the gradients of the fitted parameters, from the last sample to this one
SUM1, SUM2, SUM3, SUM4, SUM5, SUM6 = (_row(44 + i) for i in range(N_FITTED))
N_ROWS = 44 + N_FITTED

LANE, KEPT = np.uintp(LANES), _row(N_KEPT)
NEXT, NEXT2, NEXT3, NEXT4, NEXT5, NEXT6, NEXT7, NEXT8, NEXT9 = (_row(i * N_ROWS) for i in range(1, 10))

# Numbers of the formulas, in single precision so that none makes a single one double.
ZERO, QUARTER, HALF, ONE, TWO, THREE, FOUR, SIX, TWELVE = (np.float32(x) for x in (0, 0.25, 0.5, 1, 2, 3, 4, 6, 12))
EIGHTH, TENTH, TEN, SIXTEEN, TWENTY_FOUR = (np.float32(x) for x in (0.125, 0.1, 10, 16, 24))
TWO_PI, HALF_PI, QUARTER_PI = (np.float32(np.pi * x) for x in (2, 0.5, 0.25))
CUBIC, SQUARE, LINEAR = np.float32(1.873), np.float32(0.4955), np.float32(0.649)
WEAKER = np.float32(0.99)
LEAST = np.float32(0.0005)
HIGHEST = np.float32(0.99)
H1, H3, H5, H7, H9 = (np.float32(tap / 16384) for tap in (5042, -1277, 429, -116, 18))
TINY = np.float32(1e-30)
"""Adjoints below are 0: what fades would end in denormal numbers, which take a hundred times as long."""
E2, E3, E4, E5, E6, E7, E8, E9, E10 = (np.float32(1 / i) for i in range(2, 11))
C2, C4, C6, C8, C10, C12 = (np.float32(-1 / (i * (i - 1))) for i in range(2, 13, 2))
C3, C5, C7, C9, C11, C13 = (np.float32(-1 / (i * (i - 1))) for i in range(3, 14, 2))


# The pieces of the formulas


@piece
def soft(x: Any) -> Any:
    """Rational approximation of tanh."""
    a = abs(x + x)
    n = a * (SIX + a * (THREE + a))
    s = n / (n + TWELVE)
    return s if x > ZERO else -s


@piece
def soft_and_slope(x: Any) -> Any:
    """``soft`` and its derivative."""
    a = abs(x + x)
    n = a * (SIX + a * (THREE + a))
    d = ONE / (n + TWELVE)
    s = n * d
    return s if x > ZERO else -s, TWENTY_FOUR * (SIX + a * (SIX + THREE * a)) * d * d


@piece
def scaled(c: Any, scale: Any) -> Any:
    """The control after the correction of its tuning."""
    return min(c * scale, ONE)


@piece
def flushed(x: Any, r: Floats, e: np.uintp) -> Any:
    """An adjoint on its way to the sample before: a little less, within its bounds, and 0 if it is hardly anything."""
    bounded = min(max(x * r[e + KEEP], -r[e + LIMIT]), r[e + LIMIT])
    return ZERO * bounded if abs(x) < TINY else bounded


@piece
def pole(c: Any, k0: Any) -> Any:
    """Coefficient of the ladder's poles, ``1 - exp(-2 pi k(f) f)``; the exponent is above -1.2."""
    f = EIGHTH * c
    z = -HALF * TWO_PI * f * (((CUBIC * f + SQUARE) * f - LINEAR) * f + k0)
    tail = z * E6 * (ONE + z * E7 * (ONE + z * E8 * (ONE + z * E9 * (ONE + z * E10))))
    h = z * (ONE + z * E2 * (ONE + z * E3 * (ONE + z * E4 * (ONE + z * E5 * (ONE + tail)))))  # exp(z) - 1
    return -h * (h + TWO)


@piece
def pole_slope(c: Any, k0: Any, g: Any) -> Any:
    """Derivative of ``pole``, whose value is ``g``."""
    f = EIGHTH * c
    return (ONE - g) * (EIGHTH * TWO_PI) * (((FOUR * CUBIC * f + THREE * SQUARE) * f - TWO * LINEAR) * f + k0)


@piece
def sine_and_cosine(x: Any) -> Any:
    """From 0 to pi / 2."""
    q = x * x
    sine = ONE + q * C3 * (ONE + q * C5 * (ONE + q * C7 * (ONE + q * C9 * (ONE + q * C11 * (ONE + q * C13)))))
    cosine = ONE + q * C2 * (ONE + q * C4 * (ONE + q * C6 * (ONE + q * C8 * (ONE + q * C10 * (ONE + q * C12)))))
    return x * sine, cosine


@piece
def half(middle: Any, s0: Any, s1: Any, s2: Any, s3: Any, s4: Any, s5: Any, s6: Any, s7: Any, s8: Any, s9: Any) -> Any:
    """Half-band low-pass of 19 taps."""
    return HALF * middle + H9 * (s0 + s9) + H7 * (s1 + s8) + H5 * (s2 + s7) + H3 * (s3 + s6) + H1 * (s4 + s5)


@piece
def amplified(r: Floats, e: np.uintp) -> Any:
    """Y with its gain."""
    return (r[e + GAIN_OUT] + r[e + SLOPE_OUT] * scaled(r[e + C], r[e + SCALE])) * r[e + Y]


@piece
def amplified_adjoint(r: Floats, e: np.uintp) -> None:
    """From the gradient in OUT to DY, and what of the gain."""
    n = e + NEXT
    control = scaled(r[e + C], r[e + SCALE])
    dgain = r[e + OUT] * r[e + Y]
    r[e + DY] = r[e + OUT] * (r[e + GAIN_OUT] + r[e + SLOPE_OUT] * control)
    r[e + SUM3], r[e + SUM4] = r[n + SUM3] + dgain, r[n + SUM4] + dgain * control


@piece
def given_adjoint(r: Floats, e: np.uintp, dx: Any, dx_before: Any, dc: Any) -> None:
    """Gradients of what was given, from those of the input inside, of the one before it, and of the control inside."""
    n = e + NEXT
    total = dx + r[n + DX1]
    dc = dc + r[e + OUT] * r[e + Y] * r[e + SLOPE_OUT]
    dc = dc if r[e + C] * r[e + SCALE] <= ONE else ZERO * dc
    r[e + DX1] = dx_before
    r[e + DX] = total * r[e + GAIN_IN]
    r[e + DC] = dc * r[e + SCALE]
    r[e + SUM1], r[e + SUM2] = r[n + SUM1] + total * r[e + X], r[n + SUM2] + dc * r[e + C]


@compiled
def decimate(r: Floats, first: int, last: int) -> None:
    """From T1 to T4 to Y and OUT. One loop over the lanes for all: a compiler takes small ones apart."""
    for t in range(first, last):
        oldest = np.uintp(t - 9) * NEXT
        for i in range(LANE):
            j = oldest + i
            f, e, d, c, b, a = j + NEXT4, j + NEXT5, j + NEXT6, j + NEXT7, j + NEXT8, j + NEXT9
            r[a + A] = half(
                r[d + T4], r[a + T1], r[b + T3], r[b + T1], r[c + T3], r[c + T1],
                r[d + T3], r[d + T1], r[e + T3], r[e + T1], r[f + T3],
            )  # fmt: skip
            r[a + B] = half(
                r[c + T2], r[a + T3], r[a + T1], r[b + T3], r[b + T1], r[c + T3],
                r[c + T1], r[d + T3], r[d + T1], r[e + T3], r[e + T1],
            )  # fmt: skip
            r[a + Y] = half(
                r[f + B], r[a + A], r[b + A], r[c + A], r[d + A], r[e + A],
                r[f + A], r[j + NEXT3 + A], r[j + NEXT2 + A], r[j + NEXT + A], r[j + A],
            )  # fmt: skip
            r[a + OUT] = amplified(r, a)


@compiled
def decimate_adjoint(r: Floats, first: int, last: int) -> None:
    """From the gradient in OUT to DT1 to DT4; the transpose of ``decimate``."""
    for t in range(last - 1, first - 1, -1):
        record = np.uintp(t) * NEXT
        for i in range(LANE):
            a = record + i
            b, c, d, e, f = a + NEXT, a + NEXT2, a + NEXT3, a + NEXT4, a + NEXT5
            amplified_adjoint(r, a)
            r[a + DA] = half(
                ZERO, r[a + DY], r[b + DY], r[c + DY], r[d + DY], r[e + DY],
                r[f + DY], r[a + NEXT6 + DY], r[a + NEXT7 + DY], r[a + NEXT8 + DY], r[a + NEXT9 + DY],
            )  # fmt: skip
            r[a + DB] = HALF * r[f + DY]
            r[a + DT1] = half(
                ZERO, r[a + DA], r[a + DB], r[b + DA], r[b + DB], r[c + DA],
                r[c + DB], r[d + DA], r[d + DB], r[e + DA], r[e + DB],
            )  # fmt: skip
            r[a + DT2] = HALF * r[c + DB]
            r[a + DT3] = half(
                ZERO, r[a + DB], r[b + DA], r[b + DB], r[c + DA], r[c + DB],
                r[d + DA], r[d + DB], r[e + DA], r[e + DB], r[f + DA],
            )  # fmt: skip
            r[a + DT4] = HALF * r[d + DA]


# Types 0 to 6: the ladder


@piece
def ladder_step(x: Any, g: Any, feedback: Any, y1: Any, y2: Any, y3: Any, y4: Any) -> Any:
    """The node before the first pole, and the states after one step."""
    u = x - feedback * soft(y4) * (WEAKER if y4 > ZERO else ONE)
    y1 = y1 + g * (u - y1)
    y2 = y2 + g * (y1 - y2)
    y3 = y3 + g * (y2 - y3)
    y4 = y4 + g * (y3 - y4)
    return u, y1, y2, y3, y4


@piece
def ladder_tap(u: Any, y1: Any, y2: Any, y3: Any, y4: Any, r: Floats, b: np.uintp) -> Any:
    """What is heard of a step."""
    mix = r[b + W0] * u + r[b + W1] * y1 + r[b + W2] * y2 + r[b + W3] * y3 + r[b + W4] * y4
    return mix + r[b + BENT] * (soft(mix) * (r[b + POSITIVE] if mix > ZERO else ONE) - mix)


@compiled
def ladder(r: Floats, first: int, last: int) -> None:
    """From X to T1 to T4."""
    for t in range(first, last):
        a = np.uintp(t) * NEXT
        for i in range(LANE):
            b = a + i
            c = scaled(r[b + C], r[b + SCALE])
            g = pole(c, r[b + K0])
            k = r[b + BASE] + r[b + SLOPE] * c
            x = r[b - NEXT + X] * r[b + GAIN_IN]
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


@piece
def ladder_back(
    dt: Any, g: Any, k: Any, u: Any, y: Any, z: Any, d1: Any, d2: Any, d3: Any, d4: Any, r: Floats, b: np.uintp
) -> Any:
    """Adjoint of one step from states ``y`` to ``z``: adjoints of the states, input, coefficient and feedback."""
    mix = r[b + W0] * u + r[b + W1] * z[0] + r[b + W2] * z[1] + r[b + W3] * z[2] + r[b + W4] * z[3]
    _, slope = soft_and_slope(mix)
    dt = dt * (ONE + r[b + BENT] * (slope * (r[b + POSITIVE] if mix > ZERO else ONE) - ONE))
    d4 = d4 + r[b + W4] * dt
    d3 = d3 + r[b + W3] * dt + g * d4
    d2 = d2 + r[b + W2] * dt + g * d3
    d1 = d1 + r[b + W1] * dt + g * d2
    du = r[b + W0] * dt + g * d1
    dg = d4 * (z[2] - y[3]) + d3 * (z[1] - y[2]) + d2 * (z[0] - y[1]) + d1 * (u - y[0])
    bent, slope = soft_and_slope(y[3])
    weaker = WEAKER if y[3] > ZERO else ONE
    return d1 - g * d1, d2 - g * d2, d3 - g * d3, d4 - g * d4 - k * weaker * slope * du, du, dg, -du * bent * weaker


@compiled
def ladder_adjoint(r: Floats, first: int, last: int) -> None:
    """From DT1 to DT4 and the later states' D1 to D4 to the rest of the adjoints."""
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
            before = QUARTER * (THREE * dx1 + TWO * dx2 + dx3)
            here = QUARTER * (dx1 + TWO * dx2 + THREE * dx3) + dx4
            given_adjoint(r, b, here, before, dg * pole_slope(c, r[b + K0], g) + dk * r[b + SLOPE])
            r[b + SUM5], r[b + SUM6] = r[n + SUM5] + dk, r[n + SUM6] + dk * c


# Types 7 to 9: two state-variable stages


@piece
def stage_step(x: Any, f: Any, damping: Any, band: Any, low: Any, r: Floats, b: np.uintp) -> Any:
    """New band before its limiter and after, new low, and what the stage gives."""
    low = low + (f + LEAST) * band
    high = x - low - damping * band
    wide = band + f * high
    band = TEN * soft(TENTH * wide)
    return wide, band, low, r[b + W_LOW] * low + r[b + W_HIGH] * high + r[b + W_BAND] * band


@compiled
def state_variable(r: Floats, first: int, last: int) -> None:
    """From X to T1 to T4; the states are band and low of both stages."""
    for t in range(first, last):
        a = np.uintp(t) * NEXT
        for i in range(LANE):
            b = a + i
            f = QUARTER_PI * scaled(r[b + C], r[b + SCALE])
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


@piece
def stage_back(
    dt: Any, x: Any, f: Any, damping: Any, band: Any, low: Any, dband: Any, dlow: Any, r: Floats, b: np.uintp
) -> Any:
    """Adjoint of one step of a stage, from the states before it: adjoints of band, low, input, ``f`` and damping."""
    low = low + (f + LEAST) * band
    high = x - low - damping * band
    _, slope = soft_and_slope(TENTH * (band + f * high))
    dwide = (dband + r[b + W_BAND] * dt) * slope
    dhigh = r[b + W_HIGH] * dt + f * dwide
    dlow = dlow + r[b + W_LOW] * dt - dhigh
    return dwide - damping * dhigh + (f + LEAST) * dlow, dlow, dhigh, dwide * high + dlow * band, -dhigh * band


@compiled
def state_variable_adjoint(r: Floats, first: int, last: int) -> None:
    """From DT1 to DT4 and the later states' D1 to D4 to the rest of the adjoints."""
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
            before = QUARTER * (THREE * dx1 + TWO * dx2 + dx3)
            here = QUARTER * (dx1 + TWO * dx2 + THREE * dx3) + dx4
            given_adjoint(r, b, here, before, QUARTER_PI * (df1 + df2 + df3 + df4 + df5 + df6 + df7 + df8))
            r[b + SUM5] = r[n + SUM5] + dp1 + dp2 + dp3 + dp4
            r[b + SUM6] = r[n + SUM6] + dq1 + dq2 + dq3 + dq4


# Type 10: the ladder without delay, at the base rate


@piece
def moog_nodes(x: Any, c: Any, base: Any, s1: Any, s2: Any, s3: Any, s4: Any) -> Any:
    """Coefficients, feedback and its sum, and the four poles' input and outputs."""
    sine, cosine = sine_and_cosine(HALF_PI * min(c, HIGHEST))
    a = sine / (sine + cosine)
    b = ONE - a
    more = max(QUARTER - c, ZERO)
    k = base + SIXTEEN * more * more
    sigma = b * (a * (a * (a * s1 + s2) + s3) + s4)
    u = (x - k * sigma) / (ONE + k * (a * a) * (a * a))
    y1 = a * u + b * s1
    y2 = a * y1 + b * s2
    y3 = a * y2 + b * s3
    y4 = a * y3 + b * s4
    return a, b, k, sigma, u, y1, y2, y3, y4


@compiled
def moog(r: Floats, first: int, last: int) -> None:
    """From X to Y and OUT."""
    for t in range(first, last):
        record = np.uintp(t) * NEXT
        for i in range(LANE):
            e = record + i
            n = e + NEXT
            s1, s2, s3, s4 = r[e + S1], r[e + S2], r[e + S3], r[e + S4]
            c = scaled(r[e + C], r[e + SCALE])
            _, _, _, _, _, y1, y2, y3, y4 = moog_nodes(r[e + X] * r[e + GAIN_IN], c, r[e + BASE], s1, s2, s3, s4)
            r[n + S1], r[n + S2] = TWO * y1 - s1, TWO * y2 - s2
            r[n + S3], r[n + S4] = soft(TWO * y3 - s3), soft(TWO * y4 - s4)
            r[e + Y] = y4
            r[e + OUT] = amplified(r, e)


@compiled
def moog_adjoint(r: Floats, first: int, last: int) -> None:
    """From the gradient in OUT and the later states' D1 to D4 to the rest of the adjoints."""
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
            d1, d2, d3, d4 = r[n + D1], r[n + D2], r[n + D3] * slope3, r[n + D4] * slope4
            dy4 = r[e + DY] + TWO * d4
            dy3 = TWO * d3 + a * dy4
            dy2 = TWO * d2 + a * dy3
            dy1 = TWO * d1 + a * dy2
            du = (a * dy1) / (ONE + k * (a * a) * (a * a))
            dsigma = -k * du
            da = dy4 * y3 + dy3 * y2 + dy2 * y1 + dy1 * u - FOUR * du * u * k * a * a * a
            da += dsigma * b * (a * (THREE * a * s1 + TWO * s2) + s3)
            db = dy4 * s4 + dy3 * s3 + dy2 * s2 + dy1 * s1 + dsigma * (a * (a * (a * s1 + s2) + s3) + s4)
            dk = -du * (sigma + u * (a * a) * (a * a))
            r[e + D1] = flushed(b * (dy1 + dsigma * a * a * a) - d1, r, e)
            r[e + D2] = flushed(b * (dy2 + dsigma * a * a) - d2, r, e)
            r[e + D3] = flushed(b * (dy3 + dsigma * a) - d3, r, e)
            r[e + D4] = flushed(b * (dy4 + dsigma) - d4, r, e)
            sine, cosine = sine_and_cosine(HALF_PI * min(c, HIGHEST))
            slope = HALF_PI / ((sine + cosine) * (sine + cosine)) * (ONE if c <= HIGHEST else ZERO)
            dc = (da - db) * slope - (SIXTEEN + SIXTEEN) * max(QUARTER - c, ZERO) * dk
            given_adjoint(r, e, du, ZERO * du, dc)
            r[e + SUM5], r[e + SUM6] = r[n + SUM5] + dk, r[n + SUM6]


# Whole signals


@compiled
def set_parameters(parameters: Floats, r: Floats) -> None:
    """The same parameters into every record."""
    for t in range(N_RECORDS):
        for row in range(N_PARAMETERS):
            for i in range(LANES):
                r[np.uintp(t) * NEXT + PARAMETERS + np.uintp(row * LANES + i)] = parameters[row, i]


@compiled
def forward(family: int, items: Floats, x: Floats, c: Floats, parameters: Floats, y: Floats, kept: Floats) -> None:
    """Filter some items of a batch.

    Args:
        family: ``LADDER``, ``STATE_VARIABLE`` or ``MOOG``.
        items: which ones, up to ``LANES``, integers.
        x: input, shape ``(batch, samples)``.
        c: control, likewise.
        parameters: shape ``(N_PARAMETERS, LANES)``, rows as above.
        y: result, like ``x``.
        kept: for the adjoint, shape ``(samples, N_KEPT * LANES)``; of 0 samples if there will be none.
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
            ladder(r, HISTORY, last)
            decimate(r, HISTORY, last)
        elif family == STATE_VARIABLE:
            state_variable(r, HISTORY, last)
            decimate(r, HISTORY, last)
        else:
            moog(r, HISTORY, last)
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


@compiled
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
    """Gradients of ``forward``.

    Args:
        family: as given to ``forward``.
        items: likewise.
        x: likewise.
        c: likewise.
        parameters: likewise.
        kept: as ``forward`` left it.
        dy: gradient of the result, shape ``(batch, samples)``.
        dx: gradient of the input, like ``dy``.
        dc: gradient of the control, like ``dy``.
        sums: gradients of the first ``N_FITTED`` parameters, shape ``(N_FITTED, LANES)``, zeros, double.
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


@compiled
def highpass_rows(first: int, last: int, x: Floats, a: Floats, y: Floats) -> None:
    """``y[t] = x[t] - x[t - 1] + a y[t - 1]`` for the rows from ``first`` to before ``last``."""
    for row in range(first, last):
        before = result = ZERO * x[row, 0]
        for t in range(x.shape[1]):
            result = x[row, t] - before + a[row] * result
            before = x[row, t]
            y[row, t] = result


@compiled
def highpass_adjoint_rows(first: int, last: int, a: Floats, y: Floats, dy: Floats, dx: Floats, da: Floats) -> None:
    """Gradients of ``highpass_rows`` in ``x`` and ``a``."""
    for row in range(first, last):
        n = ZERO * dy[row, 0]
        total = np.float64(0.0)
        for t in range(y.shape[1] - 1, -1, -1):
            later = n
            n = dy[row, t] + a[row] * later
            n = ZERO * n if abs(n) < TINY else n
            dx[row, t] = n
            if t + 1 < y.shape[1]:
                dx[row, t] = n - later
            if t > 0:
                total += n * y[row, t - 1]
        da[row] = total
