"""What moves while a note sounds: LFOs, the free AD and the envelope editor, gathered by destination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from render.instruments.patch import Patch
from render.noisemaker import envelope_editor
from render.noisemaker.curves import cube
from render.noisemaker.engine import lfo
from render.noisemaker.engine.envelopes import attack_decay

Array = NDArray[np.float64]
Signal = Array | float
"""A value over the note: one number, or shape ``(samples,)``."""

SEMITONES = 48.0
"""Reach of LFOs and free AD on a pitch at full amount (``docs/noisemaker.md``)."""

EDITOR_SEMITONES = 24.0
"""Reach of the envelope editor on a pitch (as above)."""


@dataclass
class Modulation:
    """Sums of everything that moves, over the note.

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
    """Run everything that moves in a patch.

    Args:
        patch: what is played.
        n_samples: length of the signals.
        rng: of the random LFO waveforms.
    """
    result = Modulation()
    for number, output in _lfos(patch, n_samples, rng).items():
        _add_lfo(result, patch.choice(f"lfo{number}destination"), output, cube(patch[f"lfo{number}amount"]))
    _add_attack_decay(result, patch, n_samples)
    _add_editor(result, patch, n_samples)
    return result


LfoNumber = Literal[1, 2]


def _lfos(patch: Patch, n_samples: int, rng: np.random.Generator) -> dict[LfoNumber, Array]:
    """Outputs of the LFOs that are heard, other than through the rate of the other one; shape ``(n_samples,)`` each."""
    amounts: dict[LfoNumber, float] = {n: cube(patch[f"lfo{n}amount"]) for n in _NUMBERS}
    active = {n: amounts[n] != 0.0 and patch.choice(f"lfo{n}destination") != "off" for n in _NUMBERS}
    on_rate = {n: active[n] and patch.choice(f"lfo{n}destination").endswith("rate") for n in _NUMBERS}

    def run(number: LfoNumber, by: Array | None = None) -> Array:
        rate = lfo.rate_hz(patch[f"lfo{number}rate"], synced=patch[f"lfo{number}sync"] > 0.0)
        # Only a voice that sounds moves the LFOs: without key trigger they stand at 0 until the first note.
        start = patch[f"lfo{number}phase"] if patch[f"lfo{number}keytrigger"] > 0.0 else 0.0
        rates = rate if by is None else rate * lfo.rate_factor(0.5 * (by + 1.0) * amounts[_OTHER[number]])
        return lfo.wave(patch.index(f"lfo{number}waveform"), lfo.cycles(rates, start, n_samples), rng)

    outputs: dict[LfoNumber, Array] = {}
    for number in _NUMBERS:
        if not active[number] or on_rate[number]:
            continue
        other = _OTHER[number]
        outputs[number] = run(number, by=run(other) if on_rate[other] else None)
    return outputs


_NUMBERS: tuple[LfoNumber, ...] = (1, 2)
_OTHER: dict[LfoNumber, LfoNumber] = {1: 2, 2: 1}


def _add_lfo(to: Modulation, destination: str, output: Array, amount: float) -> None:
    positive = 0.5 * (1.0 + output)
    match destination:
        case "filter":
            to.cutoff += positive * amount
        case "osc1":
            to.pitch1 += SEMITONES * amount * output
        case "osc2":
            to.pitch2 += SEMITONES * amount * output
        case "osc1&2":
            to.pitch1 += SEMITONES * amount * output
            to.pitch2 += SEMITONES * amount * output
        case "pulse width":
            to.duty += positive * abs(amount)
        case "fm":
            to.fm += positive * abs(amount)
        case "pan":
            to.left = 1.0 - positive * abs(amount)
            to.right = 1.0 - (1.0 - positive) * abs(amount)
        case "volume":
            to.left = to.right = 1.0 - positive * amount


def _add_attack_decay(to: Modulation, patch: Patch, n_samples: int) -> None:
    amount = cube(patch["freeadamount"])
    destination = patch.choice("freeaddestination")
    if amount == 0.0 or destination == "off":
        return
    level = attack_decay(patch["freeadattack"], patch["freeaddecay"], n_samples)
    match destination:
        case "filter":
            to.cutoff += amount * level
        case "osc1":
            to.pitch1 += SEMITONES * amount * level
        case "osc2":
            to.pitch2 += SEMITONES * amount * level
        case "pulse width":
            to.duty += abs(amount) * level
        case "fm":
            to.fm += abs(amount) * level


def _add_editor(to: Modulation, patch: Patch, n_samples: int) -> None:
    amount = patch["envelopeeditoramount"] ** 2
    destination = patch.choice("envelopeeditordest1")
    if amount == 0.0 or destination == "off":
        return
    one_shot = patch["envelopeoneshot"] > 0.0
    curve = envelope_editor.curve(patch.extra, patch.index("envelopeeditorspeed"), one_shot, n_samples)
    semitones = EDITOR_SEMITONES * amount * (2.0 * curve - 1.0)
    match destination:
        case "filter":
            to.cutoff += amount * curve
        case "osc1":
            to.pitch1 += semitones
        case "osc2":
            to.pitch2 += semitones
        case "osc1&2":
            to.pitch1 += semitones
            to.pitch2 += semitones
        case "fm":
            to.fm += amount * curve
        case "ring mod":
            to.ring += amount * curve
        case "volume":
            to.volume = 0.5 * amount * curve
