"""Drive, the twelve filters and the master high-pass, differentiable in their signals and knobs.

The recursions are those of ``render/faust``, in machine code with adjoints written by hand
(``proxy/kernels/filters.py``); what depends on the knobs alone is torch. The work is done by the processor: tensors on
another device are copied there and the results back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from proxy.kernels import filters as recursions
from proxy.kernels.compiled import per_item, to_numpy
from proxy.kernels.filters import LADDER, LANES, MOOG, STATE_VARIABLE, Floats
from proxy.synth.curves import log20
from render.errors import InvalidAudio, OutOfRange

N_TYPES = 12
THROUGH = 3
"""The family of the type that filters nothing."""
FAMILIES = (LADDER,) * 7 + (STATE_VARIABLE,) * 3 + (MOOG, THROUGH)
"""By filter type."""

# By type of the ladder: render/faust/ladder.dsp.
FEEDBACK = 4.2
FEEDBACK_BASE = (1.05, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
FEEDBACK_SLOPE = (1.4, 1.0, 0.9, 0.8, 1.0, 1.0, 1.0)
POLE = (1.4, 0.9988, 0.9988, 0.9988, 0.9988, 0.9988, 0.9988)
INPUT_FLAT = (0.0, 0.0, 0.0, 0.0, 1.0, 4.0, 0.0)
INPUT_POWER = (2.0, 4.0, 2.0, 2.0, 0.0, 0.0, 2.0)
"""The input's gain is the flat one, or where that is 0, two minus this power of what resonance lacks to 1."""
OUTPUT_RESONANCE = (1.1, 1.1, 1.1, 1.1, 0.0, 1.1, 1.1)
OUTPUT_SLOPE = (2.5, 1.5, 1.5, 1.5, 0.0, 1.0, 1.0)
MIXES = (
    (0.0, 0.0, 0.0, 0.0, 1.0),
    (0.0, 0.0, 0.0, 1.0, 0.0),
    (0.0, 0.0, 1.0, 0.0, 0.0),
    (0.0, 1.0, 0.0, 0.0, 0.0),
    (1.0, -2.0, 1.0, 0.0, 0.0),
    (0.0, 0.0, 2.0, -4.0, 2.0),
    (1.0, -2.0, 4.0, -4.0, 0.0),
)
"""Shares of the input's node and the four poles in what is heard."""
BENT = (1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
POSITIVE = (0.99, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Whether the soft clip bends what is heard, and what it leaves of positive values."""

STAGES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
"""Low, high and band share of types 7 to 9 (render/faust/state_variable.dsp)."""
DAMPING = (10.0, 100000.0)
DAMPING_POWER = 24.0
MOOG_GAIN = 6.0
THROUGH_GAIN = 3.0

SINGING_RESONANCE = 0.85
SINGING_MEMORY = 300.0
"""From this resonance on a filter may sing by itself, and a control moves the phase of all that follows: the exact
gradient of a spectral loss grows to thousands of times what a small step of the knob does, with any sign. There the
adjoint forgets with this time constant in samples (``docs/proxy.md``). Below, gradients are exact."""

LARGEST_ADJOINT = 1e4
"""Adjoints of a filter's state stay below this multiple of the result's largest gradient; the exact ones do, except
where a filter runs away."""

SLOWEST, SPAN = 0.999, 0.4
"""Master high-pass: feedback at knob 0, and what knob 1 takes from it (docs/noisemaker.md)."""


def filtered(
    signal: Tensor,
    cutoff: Tensor,
    resonance: Tensor,
    drive_knob: Tensor,
    filter_type: Tensor,
    *,
    cutoff_scale: Tensor | None = None,
    gain: Tensor | None = None,
) -> Tensor:
    """Drive, filter, and the division that takes the drive back.

    Args:
        signal: the mixed oscillators, with the filters' dither where they are to sing by themselves.
        cutoff: control, 0 to 1, where 1 is about Nyquist (``docs/noisemaker.md``, section 4: squared and clipped).
        resonance: knob.
        drive_knob: knob.
        filter_type: 0 to 11, not differentiable.
        cutoff_scale: correction of the tuning: the control is multiplied by it (and stays below 1).
        gain: correction of the level.

    Shape:
        ``signal`` and ``cutoff`` ``(batch, samples)``, everything else ``(batch,)``, to ``(batch, samples)``.

    Raises:
        InvalidAudio: for other shapes, or numbers that are neither float32 nor float64.
        OutOfRange: for an unknown filter type.
    """
    if signal.ndim != 2 or signal.numel() == 0 or signal.dtype not in (torch.float32, torch.float64):
        wanted = "(batch, samples), not empty, float32 or float64"
        raise InvalidAudio(f"signal has shape {tuple(signal.shape)} and type {signal.dtype}; allowed: {wanted}")
    _check_shape("cutoff", cutoff, signal.shape)
    knobs = {"resonance": resonance, "drive_knob": drive_knob, "filter_type": filter_type}
    options = {"cutoff_scale": cutoff_scale, "gain": gain}
    for name, value in (knobs | {name: value for name, value in options.items() if value is not None}).items():
        _check_shape(name, value, signal.shape[:1])
    kinds = tuple(int(kind) for kind in filter_type.tolist())
    for kind in kinds:
        if not 0 <= kind < N_TYPES:
            raise OutOfRange("filter type", kind, f"0 to {N_TYPES - 1}")
    sings = tuple(bool(value >= SINGING_RESONANCE) for value in resonance.tolist())
    fitted = _fitted(kinds, resonance, drive_knob, cutoff_scale, gain).to(signal)
    return _Filtered.apply(signal, cutoff.to(signal), fitted, kinds, sings)  # type: ignore[no-any-return, no-untyped-call]


def highpass(signal: Tensor, knob: Tensor) -> Tensor:
    """The master high-pass, ``y[t] = x[t] - x[t - 1] + a y[t - 1]``; ``a`` falls with the knob.

    Shape:
        ``(batch, samples)`` and ``(batch,)`` to ``(batch, samples)``.

    Raises:
        InvalidAudio: for other shapes.
    """
    if signal.ndim != 2 or signal.numel() == 0:
        raise InvalidAudio(f"signal has shape {tuple(signal.shape)}; allowed: (batch, samples), not empty")
    _check_shape("knob", knob, signal.shape[:1])
    feedback = SLOWEST - SPAN * log20(knob)
    return _HighPass.apply(signal, feedback.to(signal))  # type: ignore[no-any-return, no-untyped-call]


def _check_shape(name: str, value: Tensor, shape: Sequence[int]) -> None:
    if tuple(value.shape) != tuple(shape):
        raise InvalidAudio(f"{name} has shape {tuple(value.shape)}; allowed: {tuple(shape)}")


def _fitted(
    kinds: tuple[int, ...], resonance: Tensor, drive: Tensor, scale: Tensor | None, gain: Tensor | None
) -> Tensor:
    """The parameters of ``proxy.kernels.filters`` that have gradients, shape ``(N_FITTED, batch)``."""

    def by_type(values: Sequence[float], other: float = 0.0) -> Tensor:
        """Of a ladder's types, shape ``(batch,)``."""
        return resonance.new_tensor([values[kind] if kind < len(values) else other for kind in kinds])

    def of(*members: int) -> Tensor:
        return resonance.new_tensor([float(kind in members) for kind in kinds])

    lack = 1.0 - resonance
    powers = by_type(INPUT_POWER)
    pushed = 2.0 - torch.where(powers == 4.0, lack**4, lack**2)
    flat = by_type(INPUT_FLAT)
    gain_in = torch.where(flat > 0.0, flat, pushed)
    ladder, moog, stages, through = of(*range(7)), of(10), of(7, 8, 9), of(11)
    gain_in = ladder * gain_in + stages + moog * (1.0 + 2.0 * resonance) / 4.0 + through
    gain_in = gain_in * (10.0 * drive + 1.0)
    level = (1.0 if gain is None else gain) / (5.0 * drive + 1.0)
    gain_out = 1.0 + by_type(OUTPUT_RESONANCE) * resonance
    gain_out = gain_out * (ladder + stages + MOOG_GAIN * moog + THROUGH_GAIN * through) * level
    slope_out = by_type(OUTPUT_SLOPE) * resonance * level
    damping = [1.0 / (scale_ * resonance**DAMPING_POWER + 0.5) for scale_ in DAMPING]
    base = ladder * FEEDBACK * by_type(FEEDBACK_BASE) * resonance + moog * 4.0 * resonance + stages * damping[0]
    slope = ladder * FEEDBACK * by_type(FEEDBACK_SLOPE) * resonance + stages * damping[1]
    tuning = torch.ones_like(resonance) if scale is None else scale
    return torch.stack([gain_in, tuning, gain_out, slope_out, base, slope])


def _parameters(kinds: Sequence[int], fitted: Floats) -> Floats:
    """All parameters of one group of items; rows as in ``proxy.kernels.filters``, shape ``(N_PARAMETERS, LANES)``."""
    parameters = np.zeros((recursions.N_PARAMETERS, LANES), fitted.dtype)
    parameters[: len(fitted), : len(kinds)] = fitted
    for lane, kind in enumerate(kinds):
        if kind < len(MIXES):
            parameters[6:14, lane] = (POLE[kind], *MIXES[kind], BENT[kind], POSITIVE[kind])
        elif FAMILIES[kind] == STATE_VARIABLE:
            parameters[6:9, lane] = STAGES[kind - len(MIXES)]
    return parameters


class _Filtered(torch.autograd.Function):
    """Items in groups of one family, side by side."""

    @staticmethod
    def forward(
        ctx: Any, signal: Tensor, cutoff: Tensor, fitted: Tensor, kinds: tuple[int, ...], sings: tuple[bool, ...]
    ) -> Tensor:
        x, c, values = to_numpy(signal), to_numpy(cutoff), to_numpy(fitted)
        y = np.empty_like(x)
        groups = _groups(kinds)
        needed = any(ctx.needs_input_grad)
        kept = [np.empty((x.shape[1] if needed else 0, recursions.N_KEPT * LANES), x.dtype) for _ in groups]

        def run(first: int, last: int) -> None:
            for index in range(first, last):
                family, items = groups[index]
                if family == THROUGH:
                    y[items] = x[items] * (values[0, items] * values[2, items])[:, None]
                    continue
                parameters = _parameters([kinds[item] for item in items], values[:, items])
                recursions.forward(family, np.array(items), x, c, parameters, y, kept[index])

        per_item(run, len(groups))
        ctx.save_for_backward(fitted)
        ctx.kept = (x, c, kinds, sings, kept) if needed else None
        return torch.from_numpy(y).to(signal)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        (fitted,) = ctx.saved_tensors
        x, c, kinds, sings, kept = ctx.kept
        values, dy = to_numpy(fitted), to_numpy(gradient)
        dx, dc = np.empty_like(x), np.zeros_like(x)
        sums = np.zeros(values.shape)
        groups = _groups(kinds)
        memory = math.exp(-1.0 / SINGING_MEMORY)

        def run(first: int, last: int) -> None:
            for index in range(first, last):
                family, items = groups[index]
                if family == THROUGH:
                    product = np.sum(dy[items] * x[items], axis=1, dtype=np.float64)
                    sums[0, items], sums[2, items] = product * values[2, items], product * values[0, items]
                    dx[items] = dy[items] * (values[0, items] * values[2, items])[:, None]
                    continue
                parameters = _parameters([kinds[item] for item in items], values[:, items])
                parameters[-2, : len(items)] = LARGEST_ADJOINT * np.abs(dy[items]).max(axis=1)
                parameters[-1, : len(items)] = [memory if sings[item] else 1.0 for item in items]
                total = np.zeros((recursions.N_FITTED, LANES))
                recursions.adjoint(family, np.array(items), x, c, parameters, kept[index], dy, dx, dc, total)
                sums[:, items] = total[:, : len(items)]

        per_item(run, len(groups))
        return (
            torch.from_numpy(dx).to(gradient),
            torch.from_numpy(dc).to(gradient),
            torch.from_numpy(sums).to(fitted),
            None,
            None,
        )


def _groups(kinds: tuple[int, ...]) -> list[tuple[int, list[int]]]:
    """Families with up to ``LANES`` items of them each, the slowest first."""
    groups = []
    for family in (LADDER, STATE_VARIABLE, MOOG, THROUGH):
        items = [item for item, kind in enumerate(kinds) if FAMILIES[kind] == family]
        groups += [(family, items[first : first + LANES]) for first in range(0, len(items), LANES)]
    return groups


class _HighPass(torch.autograd.Function):
    """The recursion of ``highpass``."""

    @staticmethod
    def forward(ctx: Any, signal: Tensor, feedback: Tensor) -> Tensor:
        x, a = to_numpy(signal), to_numpy(feedback)
        y = np.empty_like(x)
        per_item(recursions.highpass_rows, len(x), x, a, y)
        result = torch.from_numpy(y).to(signal)
        ctx.save_for_backward(feedback, result)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (gradient,) = gradients
        feedback, result = ctx.saved_tensors
        dy, a = to_numpy(gradient), to_numpy(feedback)
        dx, da = np.empty_like(dy), np.empty_like(a)
        per_item(recursions.highpass_adjoint_rows, len(dy), a, to_numpy(result), dy, dx, da)
        return torch.from_numpy(dx).to(gradient), torch.from_numpy(da).to(feedback)
