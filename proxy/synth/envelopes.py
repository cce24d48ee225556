"""The two ADSRs and the free AD, differentiable in every stage's knob.

A stage falls or rises exponentially towards its target, so a sample costs one multiplication and every derivative is
known in closed form. Unlike the instrument's, a decay begins between two samples, at the moment when the attack reaches
1: so a longer attack delays the decay smoothly, and its gradient shows that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from proxy.kernels.compiled import compiled, per_item, to_numpy
from proxy.kernels.launch import launch
from render.noisemaker.curves import attack_rate, attack_top, decay_rate, release_rate
from render.noisemaker.facts import ENVELOPE_STEP, RELEASE_RAMP

Array = NDArray[np.float64]

ATTACK, TOP, DECAY, SUSTAIN, RELEASE, INSTANT = range(6)
"""Columns of the stages' settings."""


@dataclass(frozen=True)
class Adsr:
    """Settings of an envelope, each ``(batch,)``; ``sustain`` is a level 0..1, the others are knobs."""

    attack: Tensor
    decay: Tensor
    sustain: Tensor
    release: Tensor


def adsr(stages: Adsr, n_gate: Tensor, n_samples: int, *, instant: bool = False) -> Tensor:
    """An ADSR over one note.

    Args:
        stages: three knobs and the sustain level.
        n_gate: samples until the key is released, at least 1, int64, shape ``(batch,)``.
        n_samples: length.
        instant: with the attack knob at 0 stand at 1 for as long as the attack would last.

    Returns:
        Levels 0..1, shape ``(batch, n_samples)``.
    """
    attack, decay, release = stages.attack.double(), stages.decay.double(), stages.release.double()
    at_once = (attack == 0.0) & instant
    settings = torch.stack(
        [
            attack_rate(attack),
            attack_top(attack),
            decay_rate(decay),
            stages.sustain.double(),
            release_rate(release),
            at_once.double(),
        ],
        dim=1,
    )
    levels: Tensor = _Levels.apply(settings, n_gate, n_samples, stages.attack.dtype)  # type: ignore[no-untyped-call]
    return levels


def attack_decay(attack: Tensor, decay: Tensor, n_samples: int) -> Tensor:
    """The free AD, which the release of the key does not end.

    Shape:
        attack: ``(batch,)``
        decay: ``(batch,)``
        output: ``(batch, n_samples)``
    """
    zero = torch.zeros_like(attack)
    held = torch.full(attack.shape, n_samples, device=attack.device)
    return adsr(Adsr(attack, decay, zero, zero), held, n_samples, instant=True)


class _Levels(torch.autograd.Function):
    """Stage settings ``(batch, 6)`` to levels ``(batch, n_samples)``."""

    @staticmethod
    def forward(ctx: Any, settings: Tensor, n_gate: Tensor, n_samples: int, dtype: torch.dtype) -> Tensor:
        levels = settings.new_empty(len(settings), n_samples, dtype=dtype)
        launch(_run, len(settings), settings, n_gate, levels)
        ctx.save_for_backward(settings, n_gate)
        return levels

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        settings, n_gate = (to_numpy(tensor) for tensor in ctx.saved_tensors)
        grads = np.zeros_like(settings)
        per_item(_run_back, len(settings), settings, n_gate, to_numpy(grad), grads)
        return torch.from_numpy(grads).to(grad.device), None, None, None


@compiled
def _attack_time(setting: Array) -> float:
    """Samples until the attack reaches 1, not rounded."""
    return float(math.log((setting[TOP] - 1.0) / setting[TOP]) / math.log1p(-setting[ATTACK]))


@compiled
def _run(first: int, last: int, settings: Array, n_gates: NDArray[np.int64], levels: Array) -> None:
    n_samples = levels.shape[1]
    for item in range(first, last):
        setting = settings[item]
        n_held = min(n_gates[item], n_samples)
        attack_time = _attack_time(setting)
        n_rise = min(int(attack_time), n_held)
        top, floor = setting[TOP], setting[SUSTAIN]
        level, remaining = 0.0, 1.0
        for t in range(n_rise):
            remaining *= 1.0 - setting[ATTACK]
            level = 1.0 if setting[INSTANT] else top - top * remaining
            levels[item, t] = level
        offset = (1.0 + ENVELOPE_STEP) * (1.0 - setting[DECAY]) ** (n_rise + 1.0 - attack_time)
        for t in range(n_rise, n_held):
            level = max(offset - ENVELOPE_STEP, floor)
            levels[item, t] = level
            offset *= 1.0 - setting[DECAY]
        offset = level + ENVELOPE_STEP
        for t in range(n_held, n_samples):
            offset *= 1.0 - setting[RELEASE] * min((t - n_held + 1) / RELEASE_RAMP, 1.0)
            levels[item, t] = max(offset - ENVELOPE_STEP, 0.0)


@compiled
def _run_back(
    first: int, last: int, settings: Array, n_gates: NDArray[np.int64], grad_levels: Array, grads: Array
) -> None:
    n_samples = grad_levels.shape[1]
    for item in range(first, last):
        setting, grad, out = settings[item], grad_levels[item], grads[item]
        n_held = min(n_gates[item], n_samples)
        attack_time = _attack_time(setting)
        n_rise = min(int(attack_time), n_held)
        level = _level_at(setting, n_held, attack_time, n_rise)
        # Release: product of (1 - rate w), whose derivative by the rate is the product times a running sum.
        by_level, by_rate, product, slope = 0.0, 0.0, 1.0, 0.0
        for t in range(n_held, n_samples):
            weight = min((t - n_held + 1) / RELEASE_RAMP, 1.0)
            factor = 1.0 - setting[RELEASE] * weight
            product *= factor
            slope -= weight / factor
            if (level + ENVELOPE_STEP) * product <= ENVELOPE_STEP:
                break
            by_level += grad[t] * product
            by_rate += grad[t] * product * slope
        out[RELEASE] = by_rate * (level + ENVELOPE_STEP)
        # What the release owes to its start belongs to the last sample that the key was held.
        top, keep = setting[TOP], 1.0 - setting[ATTACK]
        if not setting[INSTANT]:
            remaining = 1.0
            for t in range(n_rise):
                remaining *= keep
                g = grad[t] + (by_level if t == n_held - 1 else 0.0)
                out[TOP] += g * (1.0 - remaining)
                out[ATTACK] += g * top * (t + 1) * remaining / keep
        keep = 1.0 - setting[DECAY]
        offset = (1.0 + ENVELOPE_STEP) * keep ** (n_rise + 1.0 - attack_time)
        by_time = 0.0
        for t in range(n_rise, n_held):
            g = grad[t] + (by_level if t == n_held - 1 else 0.0)
            if offset - ENVELOPE_STEP > setting[SUSTAIN]:
                out[DECAY] -= g * offset * (t + 1 - attack_time) / keep
                by_time -= g * offset * math.log(keep)
                offset *= keep
            else:
                out[SUSTAIN] += g
        log_keep = math.log1p(-setting[ATTACK])
        out[TOP] += by_time * (1.0 / (top - 1.0) - 1.0 / top) / log_keep
        out[ATTACK] += by_time * attack_time / log_keep / (1.0 - setting[ATTACK])


@compiled
def _level_at(setting: Array, n_held: int, attack_time: float, n_rise: int) -> float:
    """The level of the last sample that the key is held."""
    if n_rise < n_held:
        fallen = (1.0 + ENVELOPE_STEP) * (1.0 - setting[DECAY]) ** (n_held - attack_time) - ENVELOPE_STEP
        return float(max(fallen, setting[SUSTAIN]))
    return float(1.0 if setting[INSTANT] else setting[TOP] * (1.0 - (1.0 - setting[ATTACK]) ** n_held))
