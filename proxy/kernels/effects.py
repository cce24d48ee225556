"""The recursions of the effects with their adjoints: cascaded first-order sections, a feedback delay, a modulated
delay line and a reverb.

Each is a ``torch.autograd.Function`` around a compiled forward and a compiled backward loop
(``proxy/kernels/compiled.py``). The structures are those of the embedded engine's ``delay.dsp``, ``chorus.dsp`` and
``reverb.dsp``, whose figures were fitted to renders of the real plug-in (``docs/noisemaker.md``, "Effects"). States are
float64 inside a loop, whatever the type of the signals is.

A **fractional delay** of ``w + f`` samples, ``w`` whole and ``0 <= f < 1``, is a first-order all-pass interpolator:
``d[n] = eta x[n - w] + x[n - w - 1] - eta d[n - 1]`` with ``eta = 1 - f`` (``docs/noisemaker.md``).

Every backward loop is the transpose of its forward loop, run from the last sample to the first: where the forward loop
reads ``y[n] = a x[n - k]``, the backward loop adds ``a dy[n + k]`` to ``dx[n]``. In comments, ``dx`` is the derivative
of the loss by ``x``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from proxy.kernels.compiled import compiled, per_item, to_numpy, to_tensor
from proxy.kernels.launch import launch
from render.noisemaker import facts
from render.noisemaker.facts import DELAY_AVERAGE

Rows = NDArray[Any]
"""Shape ``(rows, ...)``, float32 or float64."""

COMBS = len(facts.REVERB_COMBS[0])
"""Comb filters on each side of the reverb."""
ALL_PASS_LENGTHS = np.array(facts.REVERB_ALL_PASSES)
"""Delays of the reverb's all-passes in samples, left and right."""


def cascaded_sections(signal: Tensor, coefficients: Tensor) -> Tensor:
    """Two first-order IIR sections in cascade, each ``y[n] = b0 x[n] + b1 x[n - 1] - a y[n - 1]``.

        >>> impulse = torch.tensor([[1.0, 0.0, 0.0]])
        >>> cascaded_sections(impulse, torch.tensor([[1.0, 0.0, -0.5, 1.0, 0.0, 0.0]]))
        tensor([[1.0000, 0.5000, 0.2500]])

    Args:
        signal: input.
        coefficients: ``b0, b1, a`` of the first section, then of the second.

    Shape:
        signal: ``(rows, samples)``.
        coefficients: ``(rows, 6)``.
        Returns: ``(rows, samples)``.
    """
    return _CascadedSections.apply(signal, coefficients)  # type: ignore[no-any-return, no-untyped-call]


def feedback_delay(signal: Tensor, coefficients: Tensor, whole_samples: Tensor) -> Tensor:
    """The wet signal of a feedback delay whose loop has a low-pass, a low cut and a soft clip in front of the line.

    A feedback above 1 makes the loop grow into its soft clip. The exact gradient of such a loop is dominated by the few
    samples that are not clipped yet, and grows without bound; there the adjoint runs with a feedback of 1.

    Args:
        signal: input.
        coefficients: feedback gain, coefficient ``g`` of the low-pass, pole of the low cut, and coefficient of the
            all-pass that makes the fractional part of the delay.
        whole_samples: whole part of the delay in samples, 2 or more, int64.

    Shape:
        signal: ``(rows, samples)``.
        coefficients: ``(rows, 4)``.
        whole_samples: ``(rows,)``.
        Returns: ``(rows, samples)``.
    """
    return _FeedbackDelay.apply(signal, coefficients, whole_samples)  # type: ignore[no-any-return, no-untyped-call]


def modulated_delay_line(signal: Tensor, whole_samples: Rows, all_pass: Rows) -> Tensor:
    """A delay line whose length follows a given curve: ``d[n] = eta x[n - w] + x[n - w - 1] - eta d[n - 1]``.

    Args:
        signal: input.
        whole_samples: ``w``, the whole part of the delay at every sample, int64. Rows of the signal take the curves in
            turn.
        all_pass: ``eta``, the coefficient of the all-pass at every sample, float64.

    Shape:
        signal: ``(rows, samples)``.
        whole_samples: ``(curves, samples)``.
        all_pass: ``(curves, samples)``.
        Returns: ``(rows, samples)``.
    """
    return _ModulatedDelayLine.apply(signal, whole_samples, all_pass)  # type: ignore[no-any-return, no-untyped-call]


def reverb_network(signal: Tensor, decay: Tensor, lengths: Tensor) -> Tensor:
    """A Schroeder reverb: per side four parallel combs with signs + - + -, then five all-passes in series.

    Args:
        signal: input.
        decay: feedback gain of the combs.
        lengths: delays of the combs in samples, 2 or more, with a fractional part; they have no gradient.

    Shape:
        signal: ``(rows, samples)``.
        decay: ``(rows,)``.
        lengths: ``(rows, 2, COMBS)``.
        Returns: ``(rows, 2, samples)``.
    """
    return _Reverb.apply(signal, decay, lengths)  # type: ignore[no-any-return, no-untyped-call]


class _CascadedSections(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, signal: Tensor, coefficients: Tensor) -> Tensor:
        y, z = signal.new_empty(signal.shape), signal.new_empty(signal.shape)
        launch(_sections_forward, len(signal), signal, coefficients.double(), y, z)
        ctx.save_for_backward(signal, coefficients, y, z)
        return z

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        signal, coefficients, y, z = ctx.saved_tensors
        grad_x = np.empty_like(to_numpy(signal))
        grad_c = np.zeros(coefficients.shape)
        given = [to_numpy(one) for one in (signal, coefficients.double(), y, z, grads[0])]
        per_item(_sections_backward, len(grad_x), *given, grad_x, grad_c)
        return to_tensor(grad_x, signal), to_tensor(grad_c, coefficients)


@compiled
def _sections_forward(first: int, last: int, x: Rows, c: Rows, y: Rows, z: Rows) -> None:
    for row in range(first, last):
        b0, b1, a, d0, d1, e = c[row]
        x1 = y1 = z1 = 0.0
        for n in range(x.shape[1]):
            x0 = x[row, n] * 1.0
            y0 = b0 * x0 + b1 * x1 - a * y1  # y[n] = b0 x[n] + b1 x[n-1] - a y[n-1]
            z1 = d0 * y0 + d1 * y1 - e * z1  # z[n] = d0 y[n] + d1 y[n-1] - e z[n-1]
            x1, y1 = x0, y0
            y[row, n] = y0
            z[row, n] = z1


@compiled
def _sections_backward(
    first: int, last: int, x: Rows, c: Rows, y: Rows, z: Rows, grad: Rows, grad_x: Rows, grad_c: Rows
) -> None:
    for row in range(first, last):
        b0, b1, a, d0, d1, e = c[row]
        # Derivatives of the loss by z and y: w0 and v0 at sample n, w1 and v1 at sample n + 1.
        w1 = v1 = 0.0
        s0 = s1 = s2 = s3 = s4 = s5 = 0.0
        for n in range(x.shape[1] - 1, -1, -1):
            w0 = grad[row, n] - e * w1  # dz[n] = grad[n] - e dz[n+1]
            v0 = d0 * w0 + d1 * w1 - a * v1  # dy[n] = d0 dz[n] + d1 dz[n+1] - a dy[n+1]
            grad_x[row, n] = b0 * v0 + b1 * v1  # dx[n] = b0 dy[n] + b1 dy[n+1]
            s0 += v0 * x[row, n]  # db0 = sum dy[n] x[n]
            s1 += v1 * x[row, n]  # db1 = sum dy[n+1] x[n]
            s2 -= v1 * y[row, n]  # da = -sum dy[n+1] y[n]
            s3 += w0 * y[row, n]  # dd0 = sum dz[n] y[n]
            s4 += w1 * y[row, n]  # dd1 = sum dz[n+1] y[n]
            s5 -= w1 * z[row, n]  # de = -sum dz[n+1] z[n]
            w1, v1 = w0, v0
        grad_c[row] = (s0, s1, s2, s3, s4, s5)


class _FeedbackDelay(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, signal: Tensor, coefficients: Tensor, whole_samples: Tensor) -> Tensor:
        *states, wet = (signal.new_empty(signal.shape) for _ in range(6))
        launch(_delay_forward, len(signal), signal, coefficients.double(), whole_samples, *states, wet)
        ctx.save_for_backward(signal, coefficients, whole_samples, *states)
        return wet

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        signal, coefficients, whole_samples, *states = ctx.saved_tensors
        grad_x, grad_delayed = (np.empty_like(to_numpy(signal)) for _ in range(2))
        grad_c = np.zeros(coefficients.shape)
        given = [to_numpy(one) for one in (coefficients.double(), whole_samples, *states, grads[0])]
        per_item(_delay_backward, len(grad_x), *given, grad_delayed, grad_x, grad_c)
        return to_tensor(grad_x, signal), to_tensor(grad_c, coefficients), None


@compiled
def _soft(x: float) -> float:
    """The instrument's rational tanh: ``y (6 + |y| (3 + |y|)) / (|y| (6 + |y| (3 + |y|)) + 12)``, ``y = 2 x``."""
    y = 2.0 * x
    a = abs(y)
    p = 6.0 + a * (3.0 + a)
    return y * p / (a * p + 12.0)


@compiled
def _soft_slope(x: float) -> float:
    """Derivative of ``_soft``."""
    a = 2.0 * abs(x)
    p = 6.0 + a * (3.0 + a)
    q = a * p + 12.0
    rise = 6.0 + a * (6.0 + 3.0 * a)  # derivative of a p by a
    return 24.0 * rise / (q * q)


@compiled
def _delay_forward(
    first: int,
    last: int,
    x: Rows,
    coefficients: Rows,
    whole_samples: Rows,
    u: Rows,
    y: Rows,
    c: Rows,
    s: Rows,
    delayed: Rows,
    wet: Rows,
) -> None:
    n_samples = x.shape[1]
    for row in range(first, last):
        feedback, g, a, eta = coefficients[row]
        w = whole_samples[row]
        delayed1 = y1 = z1 = c1 = 0.0  # states at sample n - 1
        for n in range(n_samples):
            wet[row, n] = delayed1  # wet[n] = d[n-1]
            u0 = x[row, n] + feedback * delayed1  # u[n] = x[n] + feedback d[n-1]
            y0 = g * u0 + (1.0 - g) * y1  # low-pass, first pole: y[n] = g u[n] + (1 - g) y[n-1]
            z0 = (1.0 - DELAY_AVERAGE) * y0 + DELAY_AVERAGE * y1  # low-pass, zero: z[n] = 7/8 y[n] + 1/8 y[n-1]
            c1 = z0 - z1 + a * c1  # low cut: c[n] = z[n] - z[n-1] + a c[n-1]
            u[row, n] = u0
            y[row, n] = y0
            c[row, n] = c1
            s[row, n] = _soft(c1)  # soft clip: s[n] = soft(c[n])
            new = s[row, n - w + 1] * eta if n >= w - 1 else 0.0
            old = s[row, n - w] if n >= w else 0.0
            delayed1 = new + old - eta * delayed1  # fractional delay: d[n] = eta s[n-w+1] + s[n-w] - eta d[n-1]
            delayed[row, n] = delayed1
            y1, z1 = y0, z0


@compiled
def _delay_backward(
    first: int,
    last: int,
    coefficients: Rows,
    whole_samples: Rows,
    u: Rows,
    y: Rows,
    c: Rows,
    s: Rows,
    delayed: Rows,
    grad: Rows,
    grad_delayed: Rows,
    grad_x: Rows,
    grad_c: Rows,
) -> None:
    n_samples = u.shape[1]
    for row in range(first, last):
        feedback, g, a, eta = coefficients[row]
        feedback = min(feedback, 1.0)
        w = whole_samples[row]
        # Derivatives of the loss by the signals of the forward loop: names with 1 are those at sample n + 1.
        grad1 = delayed1 = c1 = z1 = y1 = u1 = 0.0
        sum_feedback = sum_g = sum_a = sum_eta = 0.0
        for n in range(n_samples - 1, -1, -1):
            delayed0 = grad1 + feedback * u1 - eta * delayed1  # dd[n] = grad[n+1] + feedback du[n+1] - eta dd[n+1]
            grad_delayed[row, n] = delayed0
            s0 = eta * grad_delayed[row, n + w - 1] if n + w - 1 < n_samples else 0.0
            if n + w < n_samples:
                s0 += grad_delayed[row, n + w]  # ds[n] = eta dd[n+w-1] + dd[n+w]
            c0 = _soft_slope(c[row, n]) * s0 + a * c1  # dc[n] = soft'(c[n]) ds[n] + a dc[n+1]
            z0 = c0 - c1  # dz[n] = dc[n] - dc[n+1]
            # dy[n] = 7/8 dz[n] + 1/8 dz[n+1] + (1 - g) dy[n+1]
            y0 = (1.0 - DELAY_AVERAGE) * z0 + DELAY_AVERAGE * z1 + (1.0 - g) * y1
            u0 = g * y0  # du[n] = g dy[n]
            grad_x[row, n] = u0  # dx[n] = du[n]
            sum_feedback += u1 * delayed[row, n]  # dfeedback = sum du[n+1] d[n]
            sum_g += y0 * u[row, n] - y1 * y[row, n]  # dg = sum dy[n] (u[n] - y[n-1])
            sum_a += c1 * c[row, n]  # da = sum dc[n+1] c[n]
            if n >= w - 1:
                sum_eta += delayed0 * s[row, n - w + 1]  # deta = sum dd[n] (s[n-w+1] - d[n-1])
            sum_eta -= delayed1 * delayed[row, n]
            grad1 = grad[row, n]
            delayed1, c1, z1, y1, u1 = delayed0, c0, z0, y0, u0
        grad_c[row] = (sum_feedback, sum_g, sum_a, sum_eta)


class _ModulatedDelayLine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, signal: Tensor, whole_samples: Rows, all_pass: Rows) -> Tensor:
        delayed = signal.new_empty(signal.shape)
        launch(_modulated_forward, len(signal), signal, whole_samples, all_pass, delayed)
        ctx.curves = whole_samples, all_pass
        return delayed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        grad = to_numpy(grads[0])
        grad_x = np.zeros_like(grad)
        per_item(_modulated_backward, len(grad), grad, *ctx.curves, grad_x)
        return to_tensor(grad_x, grads[0]), None, None


@compiled
def _modulated_forward(first: int, last: int, x: Rows, whole_samples: Rows, all_pass: Rows, delayed: Rows) -> None:
    for row in range(first, last):
        delayed1 = 0.0
        curve = row % len(whole_samples)
        for n in range(x.shape[1]):
            at = n - whole_samples[curve, n]
            eta = all_pass[curve, n]
            new = x[row, at] * eta if at >= 0 else 0.0
            old = x[row, at - 1] if at >= 1 else 0.0
            delayed1 = new + old - eta * delayed1  # d[n] = eta x[n-w] + x[n-w-1] - eta d[n-1]
            delayed[row, n] = delayed1


@compiled
def _modulated_backward(first: int, last: int, grad: Rows, whole_samples: Rows, all_pass: Rows, grad_x: Rows) -> None:
    for row in range(first, last):
        carried = 0.0
        curve = row % len(whole_samples)
        for n in range(grad.shape[1] - 1, -1, -1):
            at = n - whole_samples[curve, n]
            eta = all_pass[curve, n]
            delayed0 = grad[row, n] + carried  # dd[n] = grad[n] - eta[n+1] dd[n+1]
            if at >= 0:
                grad_x[row, at] += eta * delayed0  # dx[n-w] += eta dd[n]
            if at >= 1:
                grad_x[row, at - 1] += delayed0  # dx[n-w-1] += dd[n]
            carried = -eta * delayed0


class _Reverb(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, signal: Tensor, decay: Tensor, lengths: Tensor) -> Tensor:
        rows, n_samples = signal.shape
        combs = signal.new_empty(2 * rows, n_samples, COMBS)
        sides = signal.new_empty(2 * rows, n_samples)
        # Of the memory of each item a thread of the CPU uses only that of its first one.
        memory = signal.new_empty(2 * rows, n_samples, COMBS), signal.new_empty(2 * rows, n_samples)
        delayed = signal.new_empty(2 * rows, COMBS, dtype=torch.float64)
        whole = lengths.double().floor()
        eta = 1.0 - (lengths.double() - whole)
        gain = torch.full((1,), facts.REVERB_ALL_PASS_GAIN, dtype=signal.dtype, device=signal.device)
        given = signal, decay.double(), whole.long().flatten(0, 1), eta.flatten(0, 1), ALL_PASS_LENGTHS, gain
        launch(_reverb_forward, 2 * rows, *given, *memory, delayed, combs, sides)
        ctx.save_for_backward(signal, decay, lengths, combs)
        return sides.reshape(rows, 2, n_samples)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        signal, decay, lengths, combs = ctx.saved_tensors
        grad = to_numpy(grads[0])
        grad_x = np.zeros((len(grad), grad.shape[2]), grad.dtype)
        grad_decay = np.zeros(len(grad))
        gain = np.array(facts.REVERB_ALL_PASS_GAIN, grad.dtype)
        combs = to_numpy(combs).reshape(len(grad), 2, -1, COMBS)
        given = to_numpy(decay.double()), to_numpy(lengths.double()), ALL_PASS_LENGTHS, gain, combs, grad
        per_item(_reverb_backward, len(grad), *given, grad_x, grad_decay)
        return to_tensor(grad_x, signal), to_tensor(grad_decay, decay), None


@compiled
def _reverb_forward(
    first: int,
    last: int,
    x: Rows,
    decay: Rows,
    wholes: Rows,
    etas: Rows,
    all_pass_lengths: Rows,
    all_pass_gain: Rows,
    lines: Rows,
    states: Rows,
    delayeds: Rows,
    combs: Rows,
    sides: Rows,
) -> None:
    """The sides of the rows: item ``2 row + side``."""
    n_samples = x.shape[1]
    g = all_pass_gain[0]
    line, state, delayed = lines[first], states[first], delayeds[first]
    for item in range(first, last):
        row, side = item // 2, item % 2
        d = decay[row]
        out, o = sides[item], combs[item]
        for k in range(COMBS):
            delayed[k] = 0.0
        for n in range(n_samples):
            total = 0.0
            for k in range(COMBS):
                # Comb k, the output of its fractional delay one sample late: o[n] = delayed[n-1].
                before = delayed[k]
                w, eta = wholes[item, k], etas[item, k]
                o[n, k] = before
                line[n, k] = x[row, n] + d * before  # v[n] = x[n] + d o[n]
                total += before if k % 2 == 0 else -before  # out[n] = o_0[n] - o_1[n] + o_2[n] - o_3[n]
                new = line[n - w + 1, k] * eta if n >= w - 1 else 0.0
                old = line[n - w, k] if n >= w else 0.0
                delayed[k] = new + old - eta * before  # delayed[n] = eta v[n-w+1] + v[n-w] - eta delayed[n-1]
            out[n] = total
        for stage in range(all_pass_lengths.shape[1]):
            # All-pass of L samples: v[n] = x[n] + g v[n-L];  y[n] = v[n-L] - g v[n].
            # Within one length nothing depends on itself: the inner loops are vectors.
            length = all_pass_lengths[side, stage]
            for i in range(min(length, n_samples)):
                state[i] = out[i]
                out[i] = -g * out[i]
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
    all_pass_lengths: Rows,
    all_pass_gain: Rows,
    combs: Rows,
    grad: Rows,
    grad_x: Rows,
    grad_decay: Rows,
) -> None:
    n_samples = grad.shape[2]
    g = all_pass_gain.item()
    out = np.empty(n_samples, grad.dtype)
    state = np.empty(n_samples, grad.dtype)
    grad_delayed = np.empty((n_samples, COMBS), grad.dtype)
    later = np.empty(COMBS)
    for row in range(first, last):
        d = decay[row]
        wholes = np.floor(lengths[row]).astype(np.int64)
        etas = 1.0 - (lengths[row] - wholes)
        for side in range(2):
            out[:] = grad[row, side]
            for k in range(all_pass_lengths.shape[1] - 1, -1, -1):
                # The transpose of an all-pass is the same all-pass run backwards:
                # dv[n] = dy[n+L] - g dy[n] + g dv[n+L];  dx[n] = dv[n].
                length = all_pass_lengths[side, k]
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
            out1 = 0.0  # the gradient of out[n + 1]
            for n in range(n_samples - 1, -1, -1):
                line_sum = 0.0
                for k in range(COMBS):
                    w, eta = wholes[side, k], etas[side, k]
                    # ddelayed[n] = (dout[n+1] with the comb's sign) + d dv[n+1] - eta ddelayed[n+1]
                    here = later[k] + (out1 if k % 2 == 0 else -out1)
                    grad_delayed[n, k] = here
                    v = grad_delayed[n + w - 1, k] * eta if n + w - 1 < n_samples else 0.0
                    if n + w < n_samples:
                        v += grad_delayed[n + w, k]  # dv[n] = eta ddelayed[n+w-1] + ddelayed[n+w]
                    later[k] = d * v - eta * here
                    line_sum += v
                    summed += v * o[n, k]  # dd = sum dv[n] o[n]
                grad_x[row, n] += line_sum  # dx[n] = sum over the combs of dv[n]
                out1 = out[n]
            grad_decay[row] += summed
