"""What modulates a note: LFOs, the free AD and the envelope editor, summed by what they change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.instruments.patch import Patch
from render.noisemaker import envelope_editor
from render.noisemaker.engine import lfo
from render.noisemaker.engine.envelopes import attack_decay
from render.noisemaker.routes import OTHER_LFO, ROUTES, SOURCES, Route, Shape, moves_rate

Array = NDArray[np.float64]
Signal = Array | float
"""A value over the note: one number, or shape ``(samples,)``."""


@dataclass
class Modulation:
    """Sums of all modulations over the note.

    Attributes:
        cutoff: added to the cutoff control.
        pitch1: semitones on oscillator 1.
        pitch2: semitones on oscillator 2.
        duty: added to the pulse width.
        fm: added to the FM amount.
        ring: added to the ring modulation.
        volume: gain of the voice.
        left: gain of the left side.
        right: gain of the right side.
    """

    cutoff: Signal = 0.0
    pitch1: Signal = 0.0
    pitch2: Signal = 0.0
    duty: Signal = 0.0
    fm: Signal = 0.0
    ring: Signal = 0.0
    volume: Signal = 1.0
    left: Signal = 1.0
    right: Signal = 1.0


def modulation(patch: Patch, n_samples: int, rng: np.random.Generator) -> Modulation:
    """Run the modulators of a patch along their routes.

    Args:
        patch: the patch that is played.
        n_samples: length of the signals.
        rng: generator of the random LFO waveforms.
    """
    result = Modulation()
    for name, signal in _signals(patch, n_samples, rng).items():
        for route in _routes(patch, name):
            amount = _amount(patch, name)
            size = abs(amount) if route.absolute else amount
            moved = route.reach * size * SOURCES[name].shaped(signal, route.shape)
            for target in route.targets:
                before = 0.0 if route.replaces else getattr(result, target)
                setattr(result, target, before + moved)
    return result


def _amount(patch: Patch, name: str) -> float:
    source = SOURCES[name]
    return source.curve(patch[source.amount])


def _routes(patch: Patch, name: str) -> tuple[Route, ...]:
    """The routes of a modulator, none if its amount is 0."""
    return ROUTES[name][patch.choice(SOURCES[name].destination)] if _amount(patch, name) != 0.0 else ()


def _signals(patch: Patch, n_samples: int, rng: np.random.Generator) -> dict[str, Array]:
    """Signals of the modulators that are heard other than through the rate of an LFO; shape ``(n_samples,)`` each."""
    signals = {}
    for name, other in OTHER_LFO.items():
        routes = _routes(patch, name)
        if routes and not moves_rate(routes):
            by = None
            if moves_rate(_routes(patch, other)):
                unipolar = SOURCES[other].shaped(_lfo(patch, other, n_samples, rng), Shape.UNIPOLAR)
                by = unipolar * _amount(patch, other)
            signals[name] = _lfo(patch, name, n_samples, rng, by)
    if _routes(patch, "free AD"):
        signals["free AD"] = attack_decay(patch["freeadattack"], patch["freeaddecay"], n_samples)
    if _routes(patch, "envelope editor"):
        speed, one_shot = patch.index("envelopeeditorspeed"), patch["envelopeoneshot"] > 0.0
        signals["envelope editor"] = envelope_editor.curve(patch.extra, speed, one_shot, n_samples)
    return signals


def _lfo(patch: Patch, name: str, n_samples: int, rng: np.random.Generator, by: Array | None = None) -> Array:
    """The output of an LFO, whose rate is modulated by ``by``."""
    rate = lfo.rate_hz(patch[f"{name}rate"], synced=patch[f"{name}sync"] > 0.0)
    # Only a voice that sounds moves the LFOs: without key trigger they stand at 0 until the first note.
    start = patch[f"{name}phase"] if patch[f"{name}keytrigger"] > 0.0 else 0.0
    rates = rate if by is None else rate * lfo.rate_factor(by)
    return lfo.wave(patch.index(f"{name}waveform"), lfo.cycles(rates, start, n_samples), rng)
