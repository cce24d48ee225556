"""The two ADSRs and the free AD, in closed form per stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.noisemaker.curves import ENVELOPE_STEP

Array = NDArray[np.float64]

_SLOW = 0.0003 * ENVELOPE_STEP  # rate of the slowest stage (docs/noisemaker.md)
_RELEASE_RAMP = round(1.0 / ENVELOPE_STEP)  # samples in which a release reaches its full rate


@dataclass(frozen=True)
class Adsr:
    """Knobs of an envelope; ``sustain`` is a level 0..1, not a knob."""

    attack: float
    decay: float
    sustain: float
    release: float


def _attack(knob: float, n_samples: int) -> Array:
    """From 0 to 1: the samples after each step, at most ``n_samples`` of them."""
    rate = (_SLOW + 7.0 * ENVELOPE_STEP * (1.0 - 0.5 * knob) ** 24) * 200.0 * ENVELOPE_STEP
    top = 1.04 + 0.5 * knob
    n_needed = int(np.ceil(np.log((top - 1.0) / top) / np.log1p(-rate)))
    steps = np.arange(1, min(n_needed, n_samples) + 1)
    rise: Array = np.minimum(top - top * (1.0 - rate) ** steps, 1.0)
    return rise


def _decay(start: float, knob: float, floor: float, n_samples: int) -> Array:
    """From ``start`` down to ``floor``, then there; shape ``(n_samples,)``."""
    rate = _SLOW + 7.0 * ENVELOPE_STEP * (1.0 - 0.5 * knob) ** 23
    stage = np.full(n_samples, min(start, floor))
    if start > floor:
        fall = np.log((floor + ENVELOPE_STEP) / (start + ENVELOPE_STEP)) / np.log1p(-rate)
        steps = np.arange(1, min(int(np.ceil(fall)), n_samples + 1))
        stage[: len(steps)] = (start + ENVELOPE_STEP) * (1.0 - rate) ** steps - ENVELOPE_STEP
    return stage


def _release(start: float, knob: float, n_samples: int) -> Array:
    """From ``start`` to 0; shape ``(n_samples,)``."""
    rate = 8.0 * (_SLOW + 2.0 * ENVELOPE_STEP * (1.0 - 0.5 * knob) ** 22)
    stage = np.zeros(n_samples)
    n_ramp = min(_RELEASE_RAMP, n_samples)
    ramp = np.arange(1, n_ramp + 1) / _RELEASE_RAMP
    offset = start + ENVELOPE_STEP
    stage[:n_ramp] = offset * np.cumprod(1.0 - rate * ramp) - ENVELOPE_STEP
    if n_samples > n_ramp and stage[n_ramp - 1] > 0.0:
        offset = stage[n_ramp - 1] + ENVELOPE_STEP
        fall = np.log(ENVELOPE_STEP / offset) / np.log1p(-rate)
        steps = np.arange(1, min(int(np.ceil(fall)), n_samples - n_ramp) + 1)
        stage[n_ramp : n_ramp + len(steps)] = offset * (1.0 - rate) ** steps - ENVELOPE_STEP
    return np.maximum(stage, 0.0)


def adsr(knobs: Adsr, n_gate: int, n_samples: int, *, instant: bool = False) -> Array:
    """An ADSR over one note.

    Args:
        knobs: its settings.
        n_gate: samples until the key is released.
        n_samples: length.
        instant: with the attack knob at 0 stand at 1 for as long as the attack would last (golden ``filter_decay``,
            ``free_ad``).

    Returns:
        Levels 0..1, shape ``(n_samples,)``.
    """
    n_held = min(n_gate, n_samples)
    rise = _attack(knobs.attack, n_held)
    if instant and knobs.attack == 0.0:
        rise = np.ones_like(rise)
    start = float(rise[-1])
    held = np.concatenate([rise, _decay(start, knobs.decay, knobs.sustain, n_held - len(rise))])
    if n_held == n_samples:
        return held
    return np.concatenate([held, _release(float(held[-1]), knobs.release, n_samples - n_held)])


def attack_decay(attack: float, decay: float, n_samples: int) -> Array:
    """The free AD, left alone by the key's release; levels 0..1, shape ``(n_samples,)``."""
    return adsr(Adsr(attack, decay, 0.0, 0.0), n_samples, n_samples, instant=True)
