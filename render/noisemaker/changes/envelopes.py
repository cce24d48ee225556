"""Envelopes whose signal resembles a curve over time: the filter's ADSR, and loops of the envelope editor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from render.instruments.patch import Patch
from render.noisemaker.changes.modulators import fitted_signals
from render.noisemaker.editor_curves import N_DESCENDED, lines
from render.noisemaker.engine.envelopes import attack_decay
from render.noisemaker.facts import EDITOR_LOOP_SECONDS, EDITOR_SPEEDS
from render.note import SAMPLE_RATE

Array = NDArray[np.float64]

_ATTACKS = tuple(np.linspace(0.0, 0.9, 10).tolist())
_DECAYS = tuple(np.linspace(0.1, 1.0, 10).tolist())
_SUSTAINS = (0.0, 0.15, 0.3, 0.5, 0.75)
_STEPS = (0.04, 0.015)  # of the knobs and the level, when an envelope is refined
_WORTH = 0.999  # largest factor of the difference from a curve after a step that is worth it
_NOISE = 0.02  # standard deviation of a curve's values about what causes them
_DEPENDENT = 4  # number of successive frames that say one thing
_BENT = 0.01  # weight of the second differences of the editor's heights


@dataclass(frozen=True)
class Envelope:
    """An ADSR while the key is held, as that of the filter.

    Attributes:
        attack: knob.
        decay: knob.
        sustain: level, 0 to 1.
    """

    attack: float
    decay: float
    sustain: float

    def signal(self, n_frames: int, hop_seconds: float) -> Array:
        """Its level in 0..1, shape ``(n_frames,)``."""
        falling = _attack_decay(self.attack, self.decay, n_frames, hop_seconds)
        peak = int(falling.argmax())
        return np.concatenate([falling[:peak], np.maximum(falling[peak:], self.sustain)])


def closest_envelope(curve: Array, hop_seconds: float, *, sustained: bool) -> Envelope:
    """The ADSR whose multiple, with a constant added, is closest to a curve.

    Args:
        curve: values at even distances, ``(frames,)``.
        hop_seconds: their distance.
        sustained: whether it may have a sustain level, as the free AD has not.
    """
    grid = [Envelope(*one) for one in product(_ATTACKS, _DECAYS, _SUSTAINS if sustained else (0.0,))]
    knobs = ("attack", "decay", "sustain") if sustained else ("attack", "decay")
    signals = np.stack([one.signal(len(curve), hop_seconds) for one in grid])
    signals -= signals.mean(axis=1, keepdims=True)
    norms = np.maximum(np.linalg.norm(signals, axis=1), 1e-6)
    best = grid[int(np.abs(signals @ (curve - curve.mean()) / norms).argmax())]
    left = _left(best, curve, hop_seconds)
    for step, name, sign in product(_STEPS, knobs, (1.0, -1.0)):
        while True:
            moved = min(max(getattr(best, name) + sign * step, 0.0), 1.0)
            other = replace(best, **{name: moved})
            closer = _left(other, curve, hop_seconds)
            if closer >= _WORTH * left:
                break
            best, left = other, closer
    return best


def _left(one: Envelope, curve: Array, hop_seconds: float) -> float:
    """Norm of what an envelope leaves of a curve."""
    _, left = fitted_signals([one.signal(len(curve), hop_seconds)], curve)
    return float(np.linalg.norm(left))


@lru_cache(maxsize=1024)
def _attack_decay(attack: float, decay: float, n_frames: int, hop_seconds: float) -> Array:
    places = np.rint(np.arange(n_frames) * hop_seconds * SAMPLE_RATE).astype(int)
    whole = attack_decay(attack, decay, int(places[-1]) + 1)
    return np.asarray(whole[places], np.float64)


@dataclass(frozen=True, eq=False)
class Loop:
    """A loop of the envelope editor.

    Attributes:
        speed: position in ``facts.EDITOR_SPEEDS``.
        one_shot: whether it is played once.
        heights: what it adds, at even distances, ``(N_DESCENDED,)``.
        positions: where in the loop the frames of the curve are, ``(frames,)``, in 0..1.
    """

    speed: int
    one_shot: bool
    heights: Array
    positions: Array

    def drawn(self, patch: Patch, destination: str, amount: float, *, low: float) -> Patch:
        """A patch whose envelope editor plays it.

        Args:
            patch: patch to change.
            destination: what the editor moves.
            amount: what it adds where the loop is highest.
            low: height at which it adds nothing.
        """
        heights = ((self.heights - low) / max(float(self.heights.max()) - low, 1e-9)).clip(0.0, 1.0)
        settings: dict[str, float | str | bool] = {
            "envelopeeditordest1": destination,
            "envelopeeditorspeed": f"x{EDITOR_SPEEDS[self.speed]}",
            "envelopeoneshot": self.one_shot,
            "envelopeeditoramount": amount,
        }
        return patch.with_settings(settings).with_extra(lines(heights.tolist()))

    def signal(self) -> Array:
        """What it adds at the frames of the curve, ``(frames,)``."""
        return np.asarray(np.interp(self.positions, np.linspace(0.0, 1.0, N_DESCENDED), self.heights), np.float64)


def closest_loops(curve: Array, hop_seconds: float, count: int) -> list[Loop]:
    """Loops of the envelope editor that are close to a curve with as few heights as possible.

    They are ranked by the Bayesian information criterion.

    Args:
        curve: values at even distances, ``(frames,)``.
        hop_seconds: their distance.
        count: number of loops.
    """
    times = np.arange(len(curve), dtype=np.float64) * hop_seconds
    found = []
    n_independent = len(curve) / _DEPENDENT
    for (speed, factor), one_shot in product(enumerate(EDITOR_SPEEDS), (False, True)):
        passed: Array = times * (factor / EDITOR_LOOP_SECONDS)
        if not one_shot and passed[-1] <= 1.0:
            continue
        loop, n_heights = _fitted(curve, speed, one_shot, np.minimum(passed, 1.0) if one_shot else passed % 1.0)
        left = float(np.mean(np.square(loop.signal() - curve)))
        cost = n_independent * np.log(left + _NOISE**2) + n_heights * np.log(n_independent)
        found.append((cost, loop))
    return [loop for _, loop in sorted(found, key=lambda one: one[0])[:count]]


def _fitted(curve: Array, speed: int, one_shot: bool, positions: Array) -> tuple[Loop, int]:
    """The loop of a speed that is closest to a curve, and the number of its heights that the curve depends on."""
    last = N_DESCENDED - 1
    places = positions * last
    left = np.minimum(places.astype(int), last - 1)
    rows = np.arange(len(curve))
    share = np.zeros((len(curve), N_DESCENDED))
    share[rows, left] = 1.0 - (places - left)
    share[rows, left + 1] = places - left
    bends = _BENT * np.diff(np.eye(N_DESCENDED), 2, axis=0)
    wanted = np.concatenate([curve, np.zeros(len(bends))])
    heights = np.linalg.lstsq(np.concatenate([share, bends]), wanted, rcond=None)[0]
    heights = heights.clip(curve.min(), curve.max())
    return Loop(speed, one_shot, heights, positions), int(np.sum(share.any(axis=0)))
