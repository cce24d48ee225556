"""The mixer of the two main oscillators and their ring modulation, one loop for the sum and one for its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from proxy.kernels.compiled import compiled, per_item, to_numpy
from proxy.kernels.launch import launch
from render.noisemaker.facts import RING_GAIN

Array = NDArray[np.float64]


def mixed(first: Tensor, second: Tensor, level1: Tensor, level2: Tensor, ring: Tensor) -> Tensor:
    """``(1 - ring) (a + b) + RING_GAIN ring a b``, where ``a`` and ``b`` are the oscillators at their levels.

    Args:
        first: oscillator 1 at full level.
        second: oscillator 2 at full level.
        level1: gain of oscillator 1.
        level2: gain of oscillator 2.
        ring: amount of ring modulation.

    Shape:
        first: ``(batch, samples)``
        second: ``(batch, samples)``
        level1: ``(batch,)``
        level2: ``(batch,)``
        ring: ``(batch, 1 or at least samples)``
        output: ``(batch, samples)``
    """
    return _Mixed.apply(first, second, level1, level2, ring)  # type: ignore[no-any-return, no-untyped-call]


class _Mixed(torch.autograd.Function):
    """See ``mixed``."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        output = tensors[0].new_empty(tensors[0].shape)
        launch(_run, len(output), *tensors, output)
        ctx.save_for_backward(*tensors)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        arrays = tuple(to_numpy(tensor) for tensor in ctx.saved_tensors)
        grads = tuple(np.zeros_like(array) for array in arrays)
        per_item(_run_back, len(grad), *arrays, to_numpy(grad), *grads)
        return tuple(torch.from_numpy(array).to(grad.device) for array in grads)


@compiled
def _run(
    first: int, last: int, one: Array, two: Array, level1: Array, level2: Array, ring: Array, output: Array
) -> None:
    moving = int(ring.shape[1] > 1)
    for item in range(first, last):
        for t in range(output.shape[1]):
            a, b, r = level1[item] * one[item, t], level2[item] * two[item, t], ring[item, t * moving]
            output[item, t] = (a + b) + r * (RING_GAIN * a * b - (a + b))


@compiled
def _run_back(
    first: int,
    last: int,
    one: Array,
    two: Array,
    level1: Array,
    level2: Array,
    ring: Array,
    grads: Array,
    grad_one: Array,
    grad_two: Array,
    grad_level1: Array,
    grad_level2: Array,
    grad_ring: Array,
) -> None:
    moving = int(ring.shape[1] > 1)
    for item in range(first, last):
        sum1, sum2, sum_ring = 0.0, 0.0, 0.0
        for t in range(grads.shape[1]):
            a, b, r = level1[item] * one[item, t], level2[item] * two[item, t], ring[item, t * moving]
            by_a = grads[item, t] * (1.0 - r + RING_GAIN * r * b)
            by_b = grads[item, t] * (1.0 - r + RING_GAIN * r * a)
            by_ring = grads[item, t] * (RING_GAIN * a * b - (a + b))
            grad_one[item, t] = by_a * level1[item]
            grad_two[item, t] = by_b * level2[item]
            sum1 += by_a * one[item, t]
            sum2 += by_b * two[item, t]
            sum_ring += by_ring
            if moving:
                grad_ring[item, t] = by_ring
        grad_level1[item], grad_level2[item] = sum1, sum2
        if not moving:
            grad_ring[item, 0] = sum_ring
