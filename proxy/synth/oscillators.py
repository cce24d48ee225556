"""The oscillators: phases, hard sync, FM and band-limited waveforms, differentiable in pitch, phase and pulse width.

The loops over samples are in ``proxy.kernels.oscillators``. They run where their tensors are; gradients are computed on
the CPU.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from proxy.kernels.compiled import per_item, to_numpy
from proxy.kernels.launch import launch
from proxy.kernels.oscillators import (
    MAX_INCREMENT,
    Array,
    blep_tables,
    fm_backward,
    fm_forward,
    sine_table,
    wave_backward,
    wave_forward,
)
from render.noisemaker.curves import frequency_hz
from render.noisemaker.engine.noise import white
from render.noisemaker.facts import FRESH_NOISE
from render.note import SAMPLE_RATE


def phase_increments(number: Tensor, bend: Tensor | None = None) -> Tensor:
    """Phase increments of a note in cycles per sample, capped at ``facts.MAX_HZ``.

        >>> float(44100.0 * phase_increments(torch.tensor([[69.0]], dtype=torch.float64)))
        440.0

    Args:
        number: note number.
        bend: semitones added to it, if any.

    Shape:
        number: ``(batch, 1)``
        bend: ``(batch, 1 or samples)``
        output: as ``bend``, or as ``number`` without one
    """
    increments = frequency_hz(number) / SAMPLE_RATE
    if bend is not None:
        # Not as a power with an operator: exp2 takes a seventh of the time, and this is every sample's.
        increments = increments * torch.exp2(bend / 12.0)
    return increments.clamp(max=MAX_INCREMENT)


def wave(
    waveform: Tensor,
    increments: Tensor,
    start: Tensor,
    width: Tensor,
    sync: Tensor,
    n_samples: int,
    noise_state: int = FRESH_NOISE,
) -> Tensor:
    """A band-limited waveform, -0.5..0.5.

    Args:
        waveform: ``SAW`` to ``NOISE``, int64.
        increments: cycles per sample.
        start: phase before the first sample, in cycles.
        width: share of a cycle for which a slow pulse is high; the faster it is, the closer to a half.
        sync: cycles per sample of the oscillator whose cycles restart this one (a sine excepted); 0 for none.
        n_samples: length.
        noise_state: state of the noise generator, see ``noise``.

    Returns:
        Samples with the dtype of ``start``.

    Shape:
        waveform: ``(batch,)``
        increments: ``(batch, 1 or n_samples + 1)``
        start: ``(batch,)``
        width: ``(batch, 1 or n_samples + 1)``
        sync: ``(batch,)``
        output: ``(batch, n_samples)``
    """
    given = waveform, increments, start, width, sync, n_samples, noise_state
    output: Tensor = _Wave.apply(*given)  # type: ignore[no-untyped-call]
    return output


def fm(increments1: Tensor, increments2: Tensor, amount: Tensor, reach: float, n_samples: int) -> Tensor:
    """Phase increments of oscillator 2 when oscillator 1 modulates it, capped.

    What is added is ``reach amount increments1 (1 + sin(2 pi phase))``, with a phase that runs from 0 at oscillator 1's
    frequency.

    Args:
        increments1: cycles per sample of oscillator 1.
        increments2: cycles per sample of oscillator 2.
        amount: FM amount, 0 or more.
        reach: multiples of oscillator 1's frequency at an amount of 1.
        n_samples: length of the waveform.

    Shape:
        increments1: ``(batch, 1 or n_samples + 1)``
        increments2: ``(batch, 1 or n_samples + 1)``
        amount: ``(batch, 1 or n_samples + 1)``
        output: ``(batch, n_samples + 1)``
    """
    modulated: Tensor = _Fm.apply(increments1, increments2, amount, reach, n_samples)  # type: ignore[no-untyped-call]
    return modulated


def noise_state(seed: int) -> int:
    """State of the noise generator: that of a freshly opened plug-in for seed 0, any other for another seed."""
    return FRESH_NOISE if seed == 0 else 2 * int(np.random.default_rng(seed).integers(np.iinfo(np.int32).max)) + 1


@lru_cache(maxsize=10)
def noise(n_samples: int, state: int = FRESH_NOISE) -> Array:
    """White noise from a state of the generator on, shape ``(n_samples,)``."""
    return white(n_samples, state)


@cache
def dither(n_samples: int) -> Array:
    """White noise, -1..1, for the noise floor of the filters; shape ``(n_samples,)``."""
    return np.random.default_rng(0).uniform(-1.0, 1.0, n_samples)


class _Wave(torch.autograd.Function):
    """See ``wave``."""

    @staticmethod
    def forward(
        ctx: Any,
        waveform: Tensor,
        increments: Tensor,
        start: Tensor,
        width: Tensor,
        sync: Tensor,
        n_samples: int,
        noise_state: int,
    ) -> Tensor:
        given = waveform, increments, start, width, sync
        output = start.new_zeros(len(start), n_samples)
        tables = blep_tables(), sine_table(), noise(n_samples, noise_state)
        launch(wave_forward, len(start), *given, *tables, output)
        ctx.save_for_backward(*given)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        arrays = tuple(to_numpy(tensor) for tensor in ctx.saved_tensors)
        grads = tuple(np.zeros_like(array) for array in arrays[1:])
        per_item(wave_backward, len(grad), *arrays, blep_tables(), sine_table(), to_numpy(grad), *grads)
        by_increments, by_start, by_width, by_sync = (torch.from_numpy(array).to(grad.device) for array in grads)
        return None, by_increments, by_start, by_width, by_sync, None, None


class _Fm(torch.autograd.Function):
    """See ``fm``."""

    @staticmethod
    def forward(
        ctx: Any, increments1: Tensor, increments2: Tensor, amount: Tensor, reach: float, n_samples: int
    ) -> Tensor:
        given = increments1, increments2, amount
        output = increments1.new_empty(len(increments1), n_samples + 1)
        launch(fm_forward, len(increments1), *given, reach, sine_table(), output)
        ctx.save_for_backward(*given)
        ctx.reach = reach
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        arrays = tuple(to_numpy(tensor) for tensor in ctx.saved_tensors)
        grads = tuple(np.zeros_like(array) for array in arrays)
        per_item(fm_backward, len(grad), *arrays, ctx.reach, sine_table(), to_numpy(grad), *grads)
        by_increments1, by_increments2, by_amount = (torch.from_numpy(array).to(grad.device) for array in grads)
        return by_increments1, by_increments2, by_amount, None, None
