"""The two ADSRs and the free AD, in closed form per stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.noisemaker.curves import attack_rate, attack_top, decay_rate, release_rate
from render.noisemaker.facts import ENVELOPE_STEP, RELEASE_RAMP

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Adsr:
    """Settings of an envelope; ``sustain`` is a level 0..1, the others are knobs."""

    attack: float
    decay: float
    sustain: float
    release: float


def _attack(knob: float, n_samples: int) -> Array:
    """From 0 to 1: the level after each sample until 1 is reached, at most ``n_samples`` of them."""
    rate, top = attack_rate(knob), attack_top(knob)
    n_needed = int(np.ceil(np.log((top - 1.0) / top) / np.log1p(-rate)))
    counts = np.arange(1, min(n_needed, n_samples) + 1)
    rise: Array = np.minimum(top - top * (1.0 - rate) ** counts, 1.0)
    return rise


def _decay(start: float, knob: float, floor: float, n_samples: int) -> Array:
    """From ``start`` down to ``floor``, then there; shape ``(n_samples,)``."""
    rate = decay_rate(knob)
    stage = np.full(n_samples, min(start, floor))
    if start > floor:
        fall = np.log((floor + ENVELOPE_STEP) / (start + ENVELOPE_STEP)) / np.log1p(-rate)
        counts = np.arange(1, min(int(np.ceil(fall)), n_samples + 1))
        stage[: len(counts)] = (start + ENVELOPE_STEP) * (1.0 - rate) ** counts - ENVELOPE_STEP
    return stage


def _release(start: float, knob: float, n_samples: int) -> Array:
    """From ``start`` to 0; shape ``(n_samples,)``."""
    rate = release_rate(knob)
    stage = np.zeros(n_samples)
    n_ramp = min(RELEASE_RAMP, n_samples)
    ramp = np.arange(1, n_ramp + 1) / RELEASE_RAMP
    offset = start + ENVELOPE_STEP
    stage[:n_ramp] = offset * np.cumprod(1.0 - rate * ramp) - ENVELOPE_STEP
    if n_samples > n_ramp and stage[n_ramp - 1] > 0.0:
        offset = stage[n_ramp - 1] + ENVELOPE_STEP
        fall = np.log(ENVELOPE_STEP / offset) / np.log1p(-rate)
        counts = np.arange(1, min(int(np.ceil(fall)), n_samples - n_ramp) + 1)
        stage[n_ramp : n_ramp + len(counts)] = offset * (1.0 - rate) ** counts - ENVELOPE_STEP
    return np.maximum(stage, 0.0)


def adsr(settings: Adsr, n_gate: int, n_samples: int, *, instant: bool = False) -> Array:
    """An ADSR over one note.

    Args:
        settings: three knobs and the sustain level.
        n_gate: samples until the key is released.
        n_samples: length.
        instant: with the attack knob at 0 stand at 1 for as long as the attack would last (golden ``filter_decay``,
            ``free_ad``).

    Returns:
        Levels 0..1, shape ``(n_samples,)``.
    """
    n_held = min(n_gate, n_samples)
    rise = _attack(settings.attack, n_held)
    if instant and settings.attack == 0.0:
        rise = np.ones_like(rise)
    start = float(rise[-1])
    held = np.concatenate([rise, _decay(start, settings.decay, settings.sustain, n_held - len(rise))])
    if n_held == n_samples:
        return held
    return np.concatenate([held, _release(float(held[-1]), settings.release, n_samples - n_held)])


def attack_decay(attack: float, decay: float, n_samples: int) -> Array:
    """The free AD, which the release of the key does not end; levels 0..1, shape ``(n_samples,)``."""
    return adsr(Adsr(attack, decay, 0.0, 0.0), n_samples, n_samples, instant=True)
