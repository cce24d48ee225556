"""Drive, the twelve filters and the master high-pass, differentiable in their signals and knobs.

The recursions are those of the engine's Faust programs (``render/noisemaker/engine/faust``), compiled by numba, with
adjoints written by hand (``proxy/kernels/filters.py``); what depends on the knobs alone is torch. The recursions run
where their tensors are; with gradients they run on the CPU, and tensors of another device are copied there and back.
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
from proxy.kernels.launch import launch
from render.errors import InvalidAudio, OutOfRange
from render.noisemaker import facts
from render.noisemaker.curves import log20
from render.noisemaker.facts import FILTERS, Family

N_TYPES = len(FILTERS)
THROUGH = 3
"""The family of the type without a filter, beside those of ``proxy.kernels.filters``."""
_KERNELS = {
    Family.LADDER: LADDER,
    Family.STATE_VARIABLE: STATE_VARIABLE,
    Family.MOOG: MOOG,
    Family.THROUGH: THROUGH,
}
FAMILIES = tuple(_KERNELS[row.family] for row in FILTERS)
"""By filter type."""

SINGING_MEMORY = 300.0
"""From ``facts.SINGING_RESONANCE`` on a filter may self-oscillate, and a control shifts the phase of everything that
follows: the exact gradient of a spectral loss is thousands of times the effect of a small step of the knob, with either
sign. There the adjoint decays with this time constant in samples (``docs/proxy.md``). Below, gradients are exact."""

LARGEST_ADJOINT = 1e4
"""Adjoints of a filter's state are limited to this multiple of the result's largest gradient; exact ones exceed it only
where a filter is unstable."""


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
    """Drive, filter, and the division that compensates for the drive.

    Args:
        signal: the mixed oscillators and the noise floor, without which no filter starts to self-oscillate.
        cutoff: control, 0 to 1, where 1 is about Nyquist (``docs/noisemaker.md``, "Filter").
        resonance: knob.
        drive_knob: knob.
        filter_type: position in ``facts.FILTERS``, int64.
        cutoff_scale: correction of the tuning: the control is multiplied by it and limited to 1.
        gain: correction of the level.

    Shape:
        signal: ``(batch, samples)``
        cutoff: ``(batch, samples)``
        resonance: ``(batch,)``
        drive_knob: ``(batch,)``
        filter_type: ``(batch,)``
        cutoff_scale: ``(batch,)``
        gain: ``(batch,)``
        output: ``(batch, samples)``

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
    oscillates = tuple(bool(value >= facts.SINGING_RESONANCE) for value in resonance.tolist())
    fitted = _fitted(kinds, resonance, drive_knob, cutoff_scale, gain).to(signal)
    return _Filtered.apply(signal, cutoff.to(signal), fitted, kinds, oscillates)  # type: ignore[no-any-return, no-untyped-call]


def highpass(signal: Tensor, knob: Tensor) -> Tensor:
    """The master high-pass, ``y[t] = x[t] - x[t - 1] + a y[t - 1]``; ``a`` falls with the knob.

    Shape:
        signal: ``(batch, samples)``
        knob: ``(batch,)``
        output: ``(batch, samples)``

    Raises:
        InvalidAudio: for other shapes.
    """
    if signal.ndim != 2 or signal.numel() == 0:
        raise InvalidAudio(f"signal has shape {tuple(signal.shape)}; allowed: (batch, samples), not empty")
    _check_shape("knob", knob, signal.shape[:1])
    feedback = facts.HIGHPASS_POLE - facts.HIGHPASS_SPAN * log20(knob)
    return _HighPass.apply(signal, feedback.to(signal))  # type: ignore[no-any-return, no-untyped-call]


def _check_shape(name: str, value: Tensor, shape: Sequence[int]) -> None:
    if tuple(value.shape) != tuple(shape):
        raise InvalidAudio(f"{name} has shape {tuple(value.shape)}; allowed: {tuple(shape)}")


def _fitted(
    kinds: tuple[int, ...], resonance: Tensor, drive: Tensor, scale: Tensor | None, gain: Tensor | None
) -> Tensor:
    """The parameters of ``proxy.kernels.filters`` that have gradients, shape ``(N_FITTED, batch)``."""

    def by_type(name: str) -> Tensor:
        """A figure of each item's filter type, shape ``(batch,)``."""
        return resonance.new_tensor([getattr(FILTERS[kind], name) for kind in kinds])

    def is_of(family: int) -> Tensor:
        return resonance.new_tensor([float(FAMILIES[kind] == family) for kind in kinds])

    ladder, stages, moog = is_of(LADDER), is_of(STATE_VARIABLE), is_of(MOOG)
    powers, lack = by_type("input_power"), 1.0 - resonance
    lost = torch.ones_like(lack)
    for power in sorted({row.input_power for row in FILTERS} - {0}):
        lost = torch.where(powers == power, lack**power, lost)
    gain_in = by_type("input_gain") * (2.0 - lost) * (1.0 + facts.MOOG_INPUT_RESONANCE * moog * resonance)
    gain_in = gain_in * (facts.DRIVE_INPUT * drive + 1.0)
    level = (1.0 if gain is None else gain) / (facts.DRIVE_OUTPUT * drive + 1.0)
    level = by_type("output_gain") * level
    gain_out = (1.0 + by_type("output_resonance") * resonance) * level
    slope_out = by_type("output_slope") * resonance * level
    damping = [1.0 / (scale_ * resonance**facts.DAMPING_POWER + facts.DAMPING_FLOOR) for scale_ in facts.DAMPING_SCALE]
    feedback = facts.LADDER_FEEDBACK * ladder
    base = feedback * by_type("feedback_base") * resonance + facts.MOOG_FEEDBACK * moog * resonance
    base = base + stages * damping[0]
    slope = feedback * by_type("feedback_slope") * resonance + stages * damping[1]
    tuning = torch.ones_like(resonance) if scale is None else scale
    return torch.stack([gain_in, tuning, gain_out, slope_out, base, slope])


def _parameters(kinds: Sequence[int], fitted: Floats) -> Floats:
    """All parameters of some items, rows as in ``proxy.kernels.filters``, shape ``(N_PARAMETERS, LANES or more)``."""
    parameters = np.zeros((recursions.N_PARAMETERS, max(LANES, len(kinds))), fitted.dtype)
    parameters[: len(fitted), : len(kinds)] = fitted
    for lane, row in enumerate(FILTERS[kind] for kind in kinds):
        if row.family is Family.LADDER:
            parameters[6:14, lane] = (row.k0, *row.mix, row.clipped, row.clip_positive)
        elif row.family is Family.STATE_VARIABLE:
            parameters[6:9, lane] = row.mix
    return parameters


class _Filtered(torch.autograd.Function):
    """Items in groups of one family, side by side."""

    @staticmethod
    def forward(
        ctx: Any, signal: Tensor, cutoff: Tensor, fitted: Tensor, kinds: tuple[int, ...], oscillates: tuple[bool, ...]
    ) -> Tensor:
        needed = any(ctx.needs_input_grad)
        if signal.is_cuda and not needed:
            return filtered_alone(signal, cutoff, fitted, kinds)
        x, c, values = to_numpy(signal), to_numpy(cutoff), to_numpy(fitted)
        y = np.empty_like(x)
        groups = _groups(kinds)
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
        ctx.kept = (x, c, kinds, oscillates, kept) if needed else None
        return torch.from_numpy(y).to(signal)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        (fitted,) = ctx.saved_tensors
        x, c, kinds, oscillates, kept = ctx.kept
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
                parameters[-1, : len(items)] = [memory if oscillates[item] else 1.0 for item in items]
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


def filtered_alone(signal: Tensor, cutoff: Tensor, fitted: Tensor, kinds: Sequence[int]) -> Tensor:
    """As ``filtered``, each item by itself, which is how a GPU computes them; without a gradient.

    Args:
        signal: see ``filtered``.
        cutoff: see ``filtered``.
        fitted: the parameters that have gradients elsewhere, ``(N_FITTED, batch)``.
        kinds: position of each item's type in ``facts.FILTERS``.
    """
    y = torch.empty_like(signal)
    # Neighbouring threads of a GPU go through the same instructions, so items of a family are next to each other.
    families = np.array([FAMILIES[kind] for kind in kinds])
    items = np.argsort(families, kind="stable")[: np.count_nonzero(families != THROUGH)]
    through = torch.from_numpy(np.flatnonzero(families == THROUGH)).to(signal.device)
    y[through] = signal[through] * (fitted[0, through] * fitted[2, through])[:, None]
    parameters = _parameters([kinds[item] for item in items], to_numpy(fitted)[:, items])[:, : len(items)].T.copy()
    of_items = [torch.from_numpy(array).to(signal.device) for array in (families[items], items, parameters)]
    n_groups = -(-len(items) // LANES)
    records = signal.new_zeros(n_groups * recursions.N_RECORDS * recursions.N_ROWS * LANES)
    launch(recursions.forward_alone, len(items), *of_items, signal, cutoff, y, records)
    return y


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
        result = signal.new_empty(signal.shape)
        launch(recursions.highpass_rows, len(signal), signal, feedback, result)
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
