"""The two LFOs, differentiable in rate, phase and the modulation of the rate."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from proxy.kernels.compiled import compiled, per_item, to_numpy
from proxy.kernels.launch import launch
from render.noisemaker import facts
from render.noisemaker.curves import lfo_hz
from render.noisemaker.engine.lfo import CYCLES_PER_SAMPLE, tables
from render.noisemaker.facts import LFO_CYCLE_POINTS, LFO_SMOOTHING, LFO_WAVEFORMS

Array = NDArray[np.float64]

SINE, RANDOM_STEP, NOISE = (LFO_WAVEFORMS.index(name) for name in ("sine", "random step", "noise"))

RANDOM_VALUES = 1 << 17
"""Length of the fixed sequence that the random waveforms read: 3 s of noise."""


def rate_hz(knob: Tensor, synced: Tensor) -> Tensor:
    """Cycles per second; a tempo-synced rate has no gradient.

    Args:
        knob: rate knobs.
        synced: whether each picks a division of the beat.

    Shape:
        knob: ``(batch,)``
        synced: ``(batch,)``
        output: ``(batch,)``
    """
    division = (facts.LAST_DIVISION * knob.detach()).long()
    hz, factors = knob.new_tensor(facts.LFO_SYNCED_HZ), knob.new_tensor(facts.LFO_SYNCED_FACTORS)
    return torch.where(synced, hz[division % 6] * factors[division // 6], lfo_hz(knob))


def rate_factor(modulation: Tensor) -> Tensor:
    """What a rate is multiplied by when the other LFO modulates it by -1..1; any shape."""
    cubed = modulation**3
    return 1.0 + torch.where(cubed < 0.0, facts.LFO_SLOWER, facts.LFO_FASTER) * cubed


def wave(waveform: Tensor, hz: Tensor, start: Tensor, n_samples: int, seed: int = 0) -> Tensor:
    """An LFO's output, -1..1.

    The jumps of saw and rectangle move with the phase but have no gradient beyond the slopes of their tables.

    Args:
        waveform: position in ``LFO_WAVEFORMS``, int64.
        hz: cycles per second.
        start: phase in cycles at the first sample.
        n_samples: length.
        seed: seed of the values that the random waveforms read.

    Shape:
        waveform: ``(batch,)``
        hz: ``(batch, 1 or n_samples)``
        start: ``(batch,)``
        output: ``(batch, n_samples)``
    """
    output: Tensor = _Wave.apply(waveform, hz * CYCLES_PER_SAMPLE, start, n_samples, seed)  # type: ignore[no-untyped-call]
    return output


@lru_cache(maxsize=8)
def _random_values(seed: int) -> Array:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, RANDOM_VALUES)


class _Wave(torch.autograd.Function):
    """Waveform ``(batch,)``, cycles per sample ``(batch, 1 or n)`` and start ``(batch,)`` to ``(batch, n)``."""

    @staticmethod
    def forward(ctx: Any, waveform: Tensor, increments: Tensor, start: Tensor, n_samples: int, seed: int) -> Tensor:
        output = increments.new_empty(len(start), n_samples)
        launch(_run, len(start), waveform, increments, start, tables(), _random_values(seed), output)
        ctx.save_for_backward(waveform, increments, start)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        waveform, increments, start = (to_numpy(tensor) for tensor in ctx.saved_tensors)
        grad_increments, grad_start = np.zeros_like(increments), np.zeros_like(start)
        given = waveform, increments, start, tables(), to_numpy(grad)
        per_item(_run_back, len(start), *given, grad_increments, grad_start)
        return (
            None,
            torch.from_numpy(grad_increments).to(grad.device),
            torch.from_numpy(grad_start).to(grad.device),
            None,
            None,
        )


@compiled
def _run(
    first: int,
    last: int,
    waveforms: NDArray[np.int64],
    increments: Array,
    starts: Array,
    tables: Array,
    random: Array,
    output: Array,
) -> None:
    n_samples, moving = output.shape[1], int(increments.shape[1] > 1)
    for item in range(first, last):
        waveform, cycles, turns, smooth = waveforms[item], float(starts[item]), 0, 0.0
        for t in range(n_samples):
            if t > 0:
                cycles += increments[item, t * moving]
            while cycles >= 1.0:
                cycles -= 1.0
                turns += 1
            if waveform == NOISE:
                raw = random[t % RANDOM_VALUES]
            elif waveform == RANDOM_STEP:
                raw = random[turns % RANDOM_VALUES]
            else:
                position = cycles * LFO_CYCLE_POINTS
                index = int(position)
                here = tables[waveform, index]
                raw = here + (tables[waveform, index + 1] - here) * (position - index)
            smooth = raw if t == 0 else smooth + LFO_SMOOTHING * (raw - smooth)
            output[item, t] = smooth


@compiled
def _run_back(
    first: int,
    last: int,
    waveforms: NDArray[np.int64],
    increments: Array,
    starts: Array,
    tables: Array,
    grads: Array,
    grad_increments: Array,
    grad_start: Array,
) -> None:
    n_samples, moving = grads.shape[1], int(increments.shape[1] > 1)
    slopes = np.zeros(n_samples)
    for item in range(first, last):
        waveform, cycles = waveforms[item], float(starts[item])
        if waveform >= RANDOM_STEP:
            continue
        for t in range(n_samples):
            if t > 0:
                cycles += increments[item, t * moving]
            while cycles >= 1.0:
                cycles -= 1.0
            index = int(cycles * LFO_CYCLE_POINTS)
            slopes[t] = (tables[waveform, index + 1] - tables[waveform, index]) * LFO_CYCLE_POINTS
        smooth, by_cycles, by_increments = 0.0, 0.0, 0.0
        for t in range(n_samples - 1, -1, -1):
            smooth = grads[item, t] + (1.0 - LFO_SMOOTHING) * smooth
            by_cycles += (LFO_SMOOTHING if t > 0 else 1.0) * smooth * slopes[t]
            if t > 0:
                by_increments += by_cycles
                if moving:
                    grad_increments[item, t] = by_cycles
        if not moving:
            grad_increments[item, 0] = by_increments
        grad_start[item] = by_cycles
