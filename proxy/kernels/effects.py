"""The recursions of the effects with their adjoints: two filter sections, a feedback delay, a swept line, a reverb.

Each is a ``torch.autograd.Function`` around a compiled forward and a compiled backward loop
(``proxy/kernels/compiled.py``). The structures are those of ``render/faust/delay.dsp``, ``chorus.dsp`` and
``reverb.dsp``, which were fitted to renders of the real synth. States are float64 inside a loop, whatever the signals
are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxy.kernels.compiled import compiled, per_item, to_numpy

Rows = NDArray[Any]
"""Shape ``(rows, ...)``, float32 or float64."""

COMBS = 4
PASS_GAIN = 0.68
"""Of the reverb's all-passes (``render/faust/reverb.dsp``)."""
PASS_LENGTHS = np.array([[263, 281, 307, 331, 353], [251, 269, 293, 311, 337]])
"""Of the reverb's all-passes in samples, left and right (as above)."""


def two_sections(signal: Tensor, coefficients: Tensor) -> Tensor:
    """Two first-order sections in series, each ``y[n] = b0 x[n] + b1 x[n-1] - a y[n-1]``.

    Shape:
        signal ``(rows, samples)``, coefficients ``(rows, 6)``: ``b0, b1, a`` of one and of the other; result as signal.
    """
    return _TwoSections.apply(signal, coefficients)  # type: ignore[no-any-return, no-untyped-call]


def delay_loop(signal: Tensor, coefficients: Tensor, whole: Tensor) -> Tensor:
    """What a delay line with feedback gives: low-pass, low cut and soft clip in the loop, without the dry signal.

    Args:
        signal: shape ``(rows, samples)``.
        coefficients: shape ``(rows, 4)``: feedback, ``g`` of the low-pass, pole of the low cut, coefficient of the
            all-pass that makes the delay's fraction of a sample.
        whole: whole samples of the delay, at least 2, shape ``(rows,)``, int64.

    A feedback above 1 makes a loop that grows into its soft clip. The gradient of such a loop is dominated by the few
    samples at which it is not clipped yet, and grows without bound; there the adjoint runs with a feedback of 1.
    """
    return _DelayLoop.apply(signal, coefficients, whole)  # type: ignore[no-any-return, no-untyped-call]


def swept_line(signal: Tensor, whole: Rows, pole: Rows) -> Tensor:
    """A line whose delay moves on a fixed course: ``late[n] = p x[n-w] + x[n-w-1] - p late[n-1]``.

    Args:
        signal: shape ``(rows, samples)``.
        whole: ``w`` of every sample, shape ``(courses, samples)``, int64; rows take the courses in turn.
        pole: ``p`` of every sample, shape ``(courses, samples)``, float64.
    """
    return _SweptLine.apply(signal, whole, pole)  # type: ignore[no-any-return, no-untyped-call]


def reverb_network(signal: Tensor, decay: Tensor, lengths: Tensor) -> Tensor:
    """Four combs in parallel, with signs + - + -, then five all-passes, for both sides.

    Args:
        signal: shape ``(rows, samples)``.
        decay: feedback of the combs, shape ``(rows,)``.
        lengths: of the combs in samples, at least 2, shape ``(rows, 2, COMBS)``; without gradient. The fraction of a
            sample is made by a first-order all-pass.

    Returns:
        Shape ``(rows, 2, samples)``.
    """
    return _Reverb.apply(signal, decay, lengths)  # type: ignore[no-any-return, no-untyped-call]


class _TwoSections(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, signal: Tensor, coefficients: Tensor) -> Tensor:
        x = to_numpy(signal)
        y, z = np.empty_like(x), np.empty_like(x)
        per_item(_sections_forward, len(x), x, to_numpy(coefficients.double()), y, z)
        ctx.save_for_backward(signal, coefficients, tensor(y, signal), tensor(z, signal))
        return tensor(z, signal)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        signal, coefficients, y, z = ctx.saved_tensors
        grad_x = np.empty_like(to_numpy(signal))
        grad_c = np.zeros(coefficients.shape)
        given = [to_numpy(one) for one in (signal, coefficients.double(), y, z, grads[0])]
        per_item(_sections_backward, len(grad_x), *given, grad_x, grad_c)
        return tensor(grad_x, signal), tensor(grad_c, coefficients)


@compiled
def _sections_forward(first: int, last: int, x: Rows, c: Rows, y: Rows, z: Rows) -> None:
    for row in range(first, last):
        b0, b1, a, d0, d1, e = c[row]
        x1 = y1 = z1 = 0.0
        for n in range(x.shape[1]):
            x0 = x[row, n] * 1.0
            y0 = b0 * x0 + b1 * x1 - a * y1
            z1 = d0 * y0 + d1 * y1 - e * z1
            x1, y1 = x0, y0
            y[row, n] = y0
            z[row, n] = z1


@compiled
def _sections_backward(
    first: int, last: int, x: Rows, c: Rows, y: Rows, z: Rows, grad: Rows, grad_x: Rows, grad_c: Rows
) -> None:
    for row in range(first, last):
        b0, b1, a, d0, d1, e = c[row]
        # Adjoints of z, y at the sample after this one.
        w1 = v1 = 0.0
        s0 = s1 = s2 = s3 = s4 = s5 = 0.0
        for n in range(x.shape[1] - 1, -1, -1):
            w0 = grad[row, n] - e * w1
            v0 = d0 * w0 + d1 * w1 - a * v1
            grad_x[row, n] = b0 * v0 + b1 * v1
            # The products with a sample before are counted from the sample that they come from.
            s0 += v0 * x[row, n]
            s1 += v1 * x[row, n]
            s2 -= v1 * y[row, n]
            s3 += w0 * y[row, n]
            s4 += w1 * y[row, n]
            s5 -= w1 * z[row, n]
            w1, v1 = w0, v0
        grad_c[row] = (s0, s1, s2, s3, s4, s5)


class _DelayLoop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, signal: Tensor, coefficients: Tensor, whole: Tensor) -> Tensor:
        x = to_numpy(signal)
        u, y, c, s, late = (np.empty_like(x) for _ in range(5))
        line = np.empty_like(x)
        per_item(_delay_forward, len(x), x, to_numpy(coefficients.double()), to_numpy(whole), u, y, c, s, late, line)
        ctx.states = u, y, c, s, late
        ctx.save_for_backward(signal, coefficients, whole)
        return tensor(line, signal)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        signal, coefficients, whole = ctx.saved_tensors
        grad_x, of_c, of_late = (np.empty_like(ctx.states[0]) for _ in range(3))
        grad_c = np.zeros(coefficients.shape)
        given = [to_numpy(coefficients.double()), to_numpy(whole), *ctx.states, to_numpy(grads[0])]
        per_item(_delay_backward, len(grad_x), *given, of_c, of_late, grad_x, grad_c)
        return tensor(grad_x, signal), tensor(grad_c, coefficients), None


@compiled
def _soft(x: float) -> float:
    """``tanh~`` of the published facts."""
    y = 2.0 * x
    a = abs(y)
    p = 6.0 + a * (3.0 + a)
    return y * p / (a * p + 12.0)


@compiled
def _soft_slope(x: float) -> float:
    """Its derivative."""
    a = 2.0 * abs(x)
    p = 6.0 + a * (3.0 + a)
    q = a * p + 12.0
    rise = 6.0 + a * (6.0 + 3.0 * a)  # of a p
    return 24.0 * rise / (q * q)


@compiled
def _delay_forward(
    first: int,
    last: int,
    x: Rows,
    coefficients: Rows,
    whole: Rows,
    u: Rows,
    y: Rows,
    c: Rows,
    s: Rows,
    late: Rows,
    line: Rows,
) -> None:
    n_samples = x.shape[1]
    for row in range(first, last):
        feedback, g, a, pole = coefficients[row]
        w = whole[row]
        late1 = y1 = z1 = c1 = 0.0
        for n in range(n_samples):
            line[row, n] = late1
            u0 = x[row, n] + feedback * late1
            y0 = g * u0 + (1.0 - g) * y1
            z0 = 0.875 * y0 + 0.125 * y1
            c1 = z0 - z1 + a * c1
            u[row, n] = u0
            y[row, n] = y0
            c[row, n] = c1
            s[row, n] = _soft(c1)
            new = s[row, n - w + 1] * pole if n >= w - 1 else 0.0
            old = s[row, n - w] if n >= w else 0.0
            late1 = new + old - pole * late1
            late[row, n] = late1
            y1, z1 = y0, z0


@compiled
def _delay_backward(
    first: int,
    last: int,
    coefficients: Rows,
    whole: Rows,
    u: Rows,
    y: Rows,
    c: Rows,
    s: Rows,
    late: Rows,
    grad: Rows,
    of_c: Rows,
    of_late: Rows,
    grad_x: Rows,
    grad_c: Rows,
) -> None:
    n_samples = u.shape[1]
    for row in range(first, last):
        feedback, g, a, pole = coefficients[row]
        feedback = min(feedback, 1.0)
        w = whole[row]
        grad1 = late1 = c1 = z1 = y1 = u1 = 0.0
        of_feedback = of_g = of_a = of_pole = 0.0
        for n in range(n_samples - 1, -1, -1):
            late0 = grad1 + feedback * u1 - pole * late1
            of_late[row, n] = late0
            s0 = pole * of_late[row, n + w - 1] if n + w - 1 < n_samples else 0.0
            if n + w < n_samples:
                s0 += of_late[row, n + w]
            c0 = _soft_slope(c[row, n]) * s0 + a * c1
            z0 = c0 - c1
            y0 = 0.875 * z0 + 0.125 * z1 + (1.0 - g) * y1
            u0 = g * y0
            grad_x[row, n] = u0
            of_feedback += u1 * late[row, n]
            of_g += y0 * u[row, n] - y1 * y[row, n]
            of_a += c1 * c[row, n]
            if n >= w - 1:
                of_pole += late0 * s[row, n - w + 1]
            of_pole -= late1 * late[row, n]
            grad1 = grad[row, n]
            late1, c1, z1, y1, u1 = late0, c0, z0, y0, u0
        grad_c[row] = (of_feedback, of_g, of_a, of_pole)


class _SweptLine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, signal: Tensor, whole: Rows, pole: Rows) -> Tensor:
        x = to_numpy(signal)
        late = np.empty_like(x)
        per_item(_swept_forward, len(x), x, whole, pole, late)
        ctx.course = whole, pole
        return tensor(late, signal)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        grad = to_numpy(grads[0])
        grad_x = np.zeros_like(grad)
        per_item(_swept_backward, len(grad), grad, *ctx.course, grad_x)
        return tensor(grad_x, grads[0]), None, None


@compiled
def _swept_forward(first: int, last: int, x: Rows, whole: Rows, pole: Rows, late: Rows) -> None:
    for row in range(first, last):
        late1 = 0.0
        course = row % len(whole)
        for n in range(x.shape[1]):
            at = n - whole[course, n]
            p = pole[course, n]
            new = x[row, at] * p if at >= 0 else 0.0
            old = x[row, at - 1] if at >= 1 else 0.0
            late1 = new + old - p * late1
            late[row, n] = late1


@compiled
def _swept_backward(first: int, last: int, grad: Rows, whole: Rows, pole: Rows, grad_x: Rows) -> None:
    for row in range(first, last):
        carried = 0.0
        course = row % len(whole)
        for n in range(grad.shape[1] - 1, -1, -1):
            at = n - whole[course, n]
            p = pole[course, n]
            late0 = grad[row, n] + carried
            if at >= 0:
                grad_x[row, at] += p * late0
            if at >= 1:
                grad_x[row, at - 1] += late0
            carried = -p * late0


class _Reverb(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, signal: Tensor, decay: Tensor, lengths: Tensor) -> Tensor:
        x = to_numpy(signal)
        rows, n_samples = x.shape
        combs = np.empty((rows, 2, n_samples, COMBS), x.dtype)
        sides = np.empty((rows, 2, n_samples), x.dtype)
        gain = np.array(PASS_GAIN, x.dtype)
        per_item(
            _reverb_forward,
            rows,
            x,
            to_numpy(decay.double()),
            to_numpy(lengths.double()),
            PASS_LENGTHS,
            gain,
            combs,
            sides,
        )
        ctx.combs = combs
        ctx.save_for_backward(signal, decay, lengths)
        return tensor(sides, signal)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        signal, decay, lengths = ctx.saved_tensors
        grad = to_numpy(grads[0])
        grad_x = np.zeros((len(grad), grad.shape[2]), grad.dtype)
        grad_decay = np.zeros(len(grad))
        gain = np.array(PASS_GAIN, grad.dtype)
        given = to_numpy(decay.double()), to_numpy(lengths.double()), PASS_LENGTHS, gain, ctx.combs, grad
        per_item(_reverb_backward, len(grad), *given, grad_x, grad_decay)
        return tensor(grad_x, signal), tensor(grad_decay, decay), None


@compiled
def _reverb_forward(
    first: int,
    last: int,
    x: Rows,
    decay: Rows,
    lengths: Rows,
    passes: Rows,
    pass_gain: Rows,
    combs: Rows,
    sides: Rows,
) -> None:
    n_samples = x.shape[1]
    g = pass_gain.item()
    state = np.empty(n_samples, x.dtype)
    fed = np.empty((n_samples, COMBS), x.dtype)
    before = np.empty(COMBS)
    for row in range(first, last):
        d = decay[row]
        wholes = np.floor(lengths[row]).astype(np.int64)
        poles = 1.0 - (lengths[row] - wholes)
        for side in range(2):
            out = sides[row, side]
            o = combs[row, side]
            before[:] = 0.0
            for n in range(n_samples):
                total = 0.0
                for k in range(COMBS):
                    w = before[k]
                    whole, pole = wholes[side, k], poles[side, k]
                    o[n, k] = w
                    fed[n, k] = x[row, n] + d * w
                    total += w if k % 2 == 0 else -w
                    new = fed[n - whole + 1, k] * pole if n >= whole - 1 else 0.0
                    old = fed[n - whole, k] if n >= whole else 0.0
                    before[k] = new + old - pole * w
                out[n] = total
            for length in passes[side]:
                # Within one length nothing depends on itself: the inner loops are vectors.
                m = min(length, n_samples)
                state[:m] = out[:m]
                out[:m] *= -g
                for start in range(length, n_samples, length):
                    stop = min(start + length, n_samples)
                    now, past, y = state[start:stop], state[start - length : stop - length], out[start:stop]
                    for i in range(stop - start):
                        v = y[i] + g * past[i]
                        now[i] = v
                        y[i] = past[i] - g * v


@compiled
def _reverb_backward(
    first: int,
    last: int,
    decay: Rows,
    lengths: Rows,
    passes: Rows,
    pass_gain: Rows,
    combs: Rows,
    grad: Rows,
    grad_x: Rows,
    grad_decay: Rows,
) -> None:
    n_samples = grad.shape[2]
    g = pass_gain.item()
    out = np.empty(n_samples, grad.dtype)
    state = np.empty(n_samples, grad.dtype)
    of_w = np.empty((n_samples, COMBS), grad.dtype)
    later = np.empty(COMBS)
    for row in range(first, last):
        d = decay[row]
        wholes = np.floor(lengths[row]).astype(np.int64)
        poles = 1.0 - (lengths[row] - wholes)
        for side in range(2):
            out[:] = grad[row, side]
            for k in range(passes.shape[1] - 1, -1, -1):
                # The all-pass run backwards: its own transpose.
                length = passes[side, k]
                m = max(n_samples - length, 0)
                state[m:] = -g * out[m:]
                for stop in range(m, 0, -length):
                    start = max(stop - length, 0)
                    now, after = state[start:stop], state[start + length : stop + length]
                    y, y_after = out[start:stop], out[start + length : stop + length]
                    for i in range(stop - start):
                        now[i] = y_after[i] - g * y[i] + g * after[i]
                out[:] = state
            o = combs[row, side]
            later[:] = 0.0
            summed = 0.0
            out1 = 0.0
            for n in range(n_samples - 1, -1, -1):
                fed_sum = 0.0
                for k in range(COMBS):
                    whole, pole = wholes[side, k], poles[side, k]
                    w = later[k] + (out1 if k % 2 == 0 else -out1)
                    of_w[n, k] = w
                    v = of_w[n + whole - 1, k] * pole if n + whole - 1 < n_samples else 0.0
                    if n + whole < n_samples:
                        v += of_w[n + whole, k]
                    later[k] = d * v - pole * w
                    fed_sum += v
                    summed += v * o[n, k]
                grad_x[row, n] += fed_sum
                out1 = out[n]
            grad_decay[row] += summed


def tensor(rows: Rows, like: Tensor) -> Tensor:
    """A kernel's result on the device of ``like``, in its type."""
    return torch.from_numpy(rows).to(like)
