"""What moves while a note sounds: LFOs, the free AD and the envelope editor, gathered by destination."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from proxy.synth import editor, lfo
from proxy.synth.controls import Controls
from proxy.synth.curves import cube
from proxy.synth.envelopes import attack_decay
from render.noisemaker.facts import EDITOR_PITCH_REACH, PITCH_REACH
from render.noisemaker.table import parameter


@dataclass
class Modulation:
    """Sums of everything that moves, over the note: ``(batch, 1)`` where nothing does, else ``(batch, samples)``.

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

    cutoff: Tensor
    pitch1: Tensor
    pitch2: Tensor
    duty: Tensor
    fm: Tensor
    ring: Tensor
    volume: Tensor
    left: Tensor
    right: Tensor


_TARGETS: Mapping[str, tuple[str, ...]] = {
    "filter": ("cutoff",),
    "osc1": ("pitch1",),
    "osc2": ("pitch2",),
    "osc1&2": ("pitch1", "pitch2"),
    "pulse width": ("duty",),
    "fm": ("fm",),
    "ring mod": ("ring",),
}
"""Destinations that are added to."""


def modulation(controls: Controls, n_samples: int) -> Modulation:
    """Run everything that moves in a batch of patches.

    Destinations sound as the weighted sum of their choices, waveforms of LFOs too. What no item of the batch uses
    costs nothing.

    Shape:
        Every signal is ``(batch, 1)`` or ``(batch, n_samples)``.
    """
    zero = controls.knobs.new_zeros(controls.batch, 1)
    one = zero + 1.0
    result = Modulation(zero, zero, zero, zero, zero, zero, one, one, one)
    for number in (1, 2):
        _add_lfo(result, controls, number, n_samples)
    _add_attack_decay(result, controls, n_samples)
    _add_editor(result, controls, n_samples)
    return result


def _add_lfo(to: Modulation, controls: Controls, number: int, n_samples: int) -> None:
    amount = cube(controls.knob(f"lfo{number}amount"))
    used = _used(controls, f"lfo{number}destination", amount)
    used.pop("lfo1 rate", None), used.pop("lfo2 rate", None)  # which the other LFO asks for
    if not used:
        return
    output = _lfo(controls, number, n_samples, by_other=True)
    positive = 0.5 * (1.0 + output)
    for destination, weight in used.items():
        share = (weight * amount)[:, None]
        size = (weight * amount.abs())[:, None]
        match destination:
            case "osc1" | "osc2" | "osc1&2":
                _add(to, destination, PITCH_REACH * share * output)
            case "filter":
                _add(to, destination, share * positive)
            case "pulse width" | "fm":
                _add(to, destination, size * positive)
            case "pan":
                to.left = to.left - size * positive
                to.right = to.right - size * (1.0 - positive)
            case "volume":
                to.left = to.left - share * positive
                to.right = to.right - share * positive


def _lfo(controls: Controls, number: int, n_samples: int, *, by_other: bool) -> Tensor:
    """An LFO's output, ``(batch, n_samples)``; ``by_other``: with its rate moved by the other one."""
    synced = controls.choice(f"lfo{number}sync") == 1
    hz = lfo.rate_hz(controls.knob(f"lfo{number}rate"), synced)[:, None]
    if by_other:
        other = 3 - number
        amount = cube(controls.knob(f"lfo{other}amount"))
        weight = _used(controls, f"lfo{other}destination", amount).get(f"lfo{number} rate")
        if weight is not None:
            by = _lfo(controls, other, n_samples, by_other=False)
            hz = hz * lfo.rate_factor(0.5 * (by + 1.0) * (weight * amount)[:, None])
    # Without key trigger an LFO stands at 0 until the first note.
    start = controls.knob(f"lfo{number}phase") * (controls.choice(f"lfo{number}keytrigger") == 1)
    return weighted(
        controls.weights(f"lfo{number}waveform"),
        lambda items, waveform: lfo.wave(waveform, hz[items], start[items], n_samples),
    )


def _add_attack_decay(to: Modulation, controls: Controls, n_samples: int) -> None:
    amount = cube(controls.knob("freeadamount"))
    used = _used(controls, "freeaddestination", amount)
    if not used:
        return
    level = attack_decay(controls.knob("freeadattack"), controls.knob("freeaddecay"), n_samples)
    for destination, weight in used.items():
        match destination:
            case "osc1" | "osc2":
                reach = PITCH_REACH * amount
            case "pulse width" | "fm":
                reach = amount.abs()
            case _:
                reach = amount
        _add(to, destination, (weight * reach)[:, None] * level)


def _add_editor(to: Modulation, controls: Controls, n_samples: int) -> None:
    amount = controls.knob("envelopeeditoramount") ** 2
    used = _used(controls, "envelopeeditordest1", amount)
    if not used:
        return
    speed, one_shot = controls.choice("envelopeeditorspeed"), controls.choice("envelopeoneshot") == 1
    curve = editor.curve(controls.editor, speed, one_shot, n_samples)
    for destination, weight in used.items():
        share = (weight * amount)[:, None]
        match destination:
            case "osc1" | "osc2" | "osc1&2":
                _add(to, destination, EDITOR_PITCH_REACH * share * (2.0 * curve - 1.0))
            case "volume":
                used_volume = (weight * (amount > 0.0))[:, None]
                to.volume = to.volume - used_volume + 0.5 * share * curve
            case _:
                _add(to, destination, share * curve)


def _used(controls: Controls, name: str, amount: Tensor) -> dict[str, Tensor]:
    """Weights ``(batch,)`` of the destinations that some item's modulator reaches with an amount other than 0.

    The amounts' curves are flat at 0, so leaving such items out loses no gradient.
    """
    row = controls.weights(name)
    reached = ((row != 0.0) & (amount != 0.0)[:, None]).any(0).tolist()
    names = parameter(name).choices
    return {choice: row[:, k] for k, choice in enumerate(names) if reached[k] and choice != "off"}


def _add(to: Modulation, destination: str, signal: Tensor) -> None:
    for target in _TARGETS[destination]:
        setattr(to, target, getattr(to, target) + signal)


def weighted(weights: Tensor, play: Callable[[Tensor | slice, Tensor], Tensor]) -> Tensor:
    """The weighted sum of a block's choices, played only where the weight is not 0.

    Args:
        weights: ``(batch, choices)``.
        play: from items (an index into the batch) and their choices, ``(played,)`` int64, to ``(played, samples)``.

    Shape:
        ``(batch, samples)``.
    """
    items, choices = weights.nonzero(as_tuple=True)
    chosen = weights[items, choices]
    if len(items) == len(weights) and bool((chosen == 1.0).all()) and not weights.requires_grad:
        return play(slice(None), choices)
    played = play(items, choices) * chosen[:, None]
    return played.new_zeros(len(weights), played.shape[1]).index_add(0, items, played)
