"""What modulates a note: LFOs, the free AD and the envelope editor, summed by what they change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from proxy.synth import editor, lfo
from proxy.synth.controls import Controls
from proxy.synth.envelopes import attack_decay
from render.noisemaker.routes import OTHER_LFO, ROUTES, SOURCES, Shape, moves_rate


@dataclass
class Modulation:
    """Sums of all modulations over the note: ``(batch, 1)`` where there is none, else ``(batch, samples)``.

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


def modulation(controls: Controls, n_samples: int, seed: int = 0) -> Modulation:
    """Run the modulators of a batch of patches along their routes.

    Destinations sound as the weighted sum of their choices, waveforms of LFOs too. What no item of the batch uses
    costs nothing.

    Args:
        controls: patches and notes.
        n_samples: length of the signals.
        seed: seed of the LFOs' random waveforms.

    Returns:
        Signals of shape ``(batch, 1)`` or ``(batch, n_samples)``.
    """
    zero = controls.knobs.new_zeros(controls.batch, 1)
    one = zero + 1.0
    result = Modulation(zero, zero, zero, zero, zero, zero, one, one, one)
    for name, source in SOURCES.items():
        amount = source.curve(controls.knob(source.amount))
        used = {
            destination: weight
            for destination, weight in _used(controls, name, amount).items()
            if not moves_rate(ROUTES[name][destination])  # which the other LFO asks for
        }
        if used:
            _add(result, name, amount, used, _signal(controls, name, n_samples, seed))
    return result


def _add(to: Modulation, name: str, amount: Tensor, used: Mapping[str, Tensor], signal: Tensor) -> None:
    """Add what a modulator does.

    Args:
        to: the sums.
        name: the modulator.
        amount: its amounts, ``(batch,)``.
        used: weights of its destinations, ``(batch,)`` each.
        signal: its signal, ``(batch, samples)``.
    """
    forms: dict[Shape, Tensor] = {}
    for destination, weight in used.items():
        for route in ROUTES[name][destination]:
            if route.shape not in forms:
                forms[route.shape] = SOURCES[name].shaped(signal, route.shape)
            size = amount.abs() if route.absolute else amount
            moved = route.reach * (weight * size)[:, None] * forms[route.shape]
            for target in route.targets:
                before = getattr(to, target)
                if route.replaces:
                    before = before - (weight * (amount > 0.0))[:, None]
                setattr(to, target, before + moved)


def _signal(controls: Controls, name: str, n_samples: int, seed: int) -> Tensor:
    """The signal of a modulator, ``(batch, n_samples)``."""
    match name:
        case "free AD":
            return attack_decay(controls.knob("freeadattack"), controls.knob("freeaddecay"), n_samples)
        case "envelope editor":
            speed, one_shot = controls.choice("envelopeeditorspeed"), controls.choice("envelopeoneshot") == 1
            return editor.curve(controls.editor, speed, one_shot, n_samples)
    other = OTHER_LFO[name]
    amount = SOURCES[other].curve(controls.knob(SOURCES[other].amount))
    for destination, weight in _used(controls, other, amount).items():
        if moves_rate(ROUTES[other][destination]):
            unipolar = SOURCES[other].shaped(_lfo(controls, other, n_samples, seed), Shape.UNIPOLAR)
            return _lfo(controls, name, n_samples, seed, unipolar * (weight * amount)[:, None])
    return _lfo(controls, name, n_samples, seed)


def _lfo(controls: Controls, name: str, n_samples: int, seed: int, by: Tensor | None = None) -> Tensor:
    """The output of an LFO, whose rate is modulated by ``by``; both ``(batch, n_samples)``."""
    synced = controls.choice(f"{name}sync") == 1
    hz = lfo.rate_hz(controls.knob(f"{name}rate"), synced)[:, None]
    if by is not None:
        hz = hz * lfo.rate_factor(by)
    # Without key trigger an LFO stands at 0 until the first note.
    start = controls.knob(f"{name}phase") * (controls.choice(f"{name}keytrigger") == 1)
    return weighted(
        controls.weights(f"{name}waveform"),
        lambda items, waveform: lfo.wave(waveform, hz[items], start[items], n_samples, seed),
    )


def _used(controls: Controls, name: str, amount: Tensor) -> dict[str, Tensor]:
    """Weights ``(batch,)`` of the destinations that some item's modulator reaches with an amount other than 0.

    The amounts' curves are flat at 0, so leaving such items out loses no gradient.
    """
    row = controls.weights(SOURCES[name].destination)
    reached = ((row != 0.0) & (amount != 0.0)[:, None]).any(0).tolist()
    return {choice: row[:, k] for k, choice in enumerate(ROUTES[name]) if reached[k] and ROUTES[name][choice]}


def weighted(weights: Tensor, play: Callable[[Tensor | slice, Tensor], Tensor]) -> Tensor:
    """The weighted sum of a block's choices, played only where the weight is not 0.

    Args:
        weights: ``(batch, choices)``.
        play: takes items (an index into the batch) and their choices, ``(played,)`` int64, and gives
            ``(played, samples)``.

    Shape:
        ``(batch, samples)``.
    """
    items, choices = weights.nonzero(as_tuple=True)
    chosen = weights[items, choices]
    if len(items) == len(weights) and bool((chosen == 1.0).all()) and not weights.requires_grad:
        return play(slice(None), choices)
    played = play(items, choices) * chosen[:, None]
    return played.new_zeros(len(weights), played.shape[1]).index_add(0, items, played)
