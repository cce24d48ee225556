"""Patches with other LFOs: at rates estimated from a clip, or with signals that resemble its brightness or level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from render.instruments.hints import Hints, Partials
from render.instruments.patch import Patch
from render.noisemaker.changes.modulators import fitted, modulators, refined
from render.noisemaker.changes.strengths import pitch_bends
from render.noisemaker.curves import BIPOLAR, LOG8, log8
from render.noisemaker.facts import PITCH_REACH
from render.noisemaker.routes import OTHER_LFO, ROUTES, SOURCES, moves_rate
from render.noisemaker.table import TABLE

Change = tuple[str, Patch]
"""The kind of a change, and the changed patch."""

_AMOUNTS: Mapping[str, Sequence[float]] = {
    "filter": (0.1, 0.4, -0.4),
    "osc1": (0.01, -0.1, 0.4),
    "osc2": (0.01, -0.1, 0.4),
    "osc1&2": (0.01, -0.1, 0.4),
    "pulse width": (0.3,),
    "fm": (0.1,),
    "pan": (0.5,),
    "volume": (0.5,),
}
"""Amounts (the cube of the knob, -1 to 1) that are tried for a destination: a faint one and clear ones."""

_RATES = 3
"""Number of rates that are tried, the most likely first; the slowest is tried too."""
_HALF = 0.5
_LIKELY, _RESEMBLES = 4, 0.4  # LFOs that resemble a curve, and the correlation from which they do
_LIKELY_VIBRATOS = 2
_PITCHES, _SIZES = ("osc1&2", "osc1", "osc2"), (1.0, 1.6)
"""Destinations of a vibrato, and factors of what the whole sound's pitch wavers by: an oscillator alone needs more."""
_PARTS = ("waveform", "rate", "amount", "phase", "sync", "keytrigger")  # and the destination


def modulations(patch: Patch, rates_hz: Sequence[float]) -> Iterator[Change]:
    """One LFO at an estimated rate on each destination.

    Args:
        patch: patch to change.
        rates_hz: estimated rates of modulation, the most likely first.
    """
    taken: set[str] = set()
    for name, free in free_lfos(patch):
        for destination, routes in ROUTES[name].items():
            if not routes or moves_rate(routes) or destination in taken:
                continue
            taken.add(destination)
            for hz in (*rates_hz[:_RATES], *rates_hz[_RATES:][-1:]):
                for amount in _AMOUNTS[destination]:
                    yield f"{name} {destination}", with_lfo(free, name, destination, hz, amount)


def resembling(patch: Patch, held_seconds: float, hints: Hints) -> Iterator[Change]:
    """LFOs whose signal resembles the brightness or the level over time, on destinations that may cause it.

    Args:
        patch: patch to change.
        held_seconds: length of the key press.
        hints: values estimated from the clip.
    """
    for curve, destinations in (
        (hints.brightness, ("filter", "pulse width", "fm")),
        (hints.loudness, ("volume", "filter", "pulse width")),
    ):
        found = modulators(curve, hints.seconds, held_seconds, _LIKELY)
        likely = [lfos for lfos in found if lfos[0].score > _RESEMBLES]
        taken: set[str] = set()
        for (name, free), destination in product(free_lfos(patch), destinations):
            if destination not in ROUTES[name] or destination in taken:
                continue
            taken.add(destination)
            other = OTHER_LFO[name]
            sizes = {abs(amount) for amount in _AMOUNTS[destination]}
            for lfos, size in product(likely, sizes):
                if len(lfos) > 1 and destination not in ROUTES[other]:
                    continue
                changed = free
                for one, lfo in zip((name, other), lfos, strict=False):
                    # More of the volume's modulation is less level.
                    signed = size * (-lfo.semitones if destination == "volume" else lfo.semitones)
                    amount = abs(signed) if destination in {"pulse width", "fm", "pan"} else signed
                    changed = with_lfo(
                        changed, one, destination, lfo.hz, amount, waveform=lfo.waveform, phase=lfo.phase % 1.0
                    )
                yield f"{name if len(lfos) == 1 else 'lfos'} {destination}", changed


def panned(patch: Patch, held_seconds: float, hints: Hints) -> Iterator[Change]:
    """LFO 2 on the pan, where the balance of the sides changes as an LFO does.

    With an amount ``A`` and a signal ``s`` the balance is ``-A s / (2 - A)``; the amount has no sign.

    Args:
        patch: patch to change.
        held_seconds: length of the key press.
        hints: values estimated from the clip.
    """
    found = modulators(hints.balance, hints.seconds, held_seconds, _LIKELY) if hints.balance else ()
    held = max(round(len(hints.balance) * min(held_seconds / max(hints.seconds, 1e-9), 1.0)), 1)
    times = np.arange(held, dtype=np.float64) * (hints.seconds / max(len(hints.balance), 1))
    balance = np.asarray(hints.balance[:held], np.float64)
    for lfos, (name, free) in product(found, free_lfos(patch)):
        if len(lfos) > 1 or lfos[0].score < _RESEMBLES or "pan" not in ROUTES[name]:
            continue
        (lfo,) = refined(lfos, balance, times)
        (_, swing), _ = fitted([lfo], balance, times)
        amount, phase = 2.0 * abs(swing) / (1.0 + abs(swing)), lfo.phase + (_HALF if swing > 0.0 else 0.0)
        yield f"{name} pan", with_lfo(free, name, "pan", lfo.hz, amount, waveform=lfo.waveform, phase=phase % 1.0)


def vibratos(patch: Patch, partials: Partials) -> Iterator[Change]:
    """LFOs that move the pitch of the oscillators by the little that the clip's pitch wavers.

    Wider modulations are found as contours (``pitch_contours.py``).

    Args:
        patch: patch to change.
        partials: partials of the clip over time.
    """
    bends = pitch_bends(partials)
    found = modulators(tuple(bends.tolist()), partials.seconds, partials.seconds, _LIKELY_VIBRATOS)
    likely = [lfos[0] for lfos in found if len(lfos) == 1 and lfos[0].score > _RESEMBLES]
    name, free = free_lfos(patch)[0]
    for lfo in likely:
        (_, semitones), _ = fitted([lfo], bends, partials.times)
        for destination, size in product(_PITCHES, _SIZES):
            amount = size * semitones / PITCH_REACH
            phase = lfo.phase % 1.0
            yield "vibrato", with_lfo(free, name, destination, lfo.hz, amount, waveform=lfo.waveform, phase=phase)


def free_lfos(patch: Patch) -> list[tuple[str, Patch]]:
    """The LFOs that may be used for a new modulation, each with a patch in which it is free.

    If one LFO is inaudible it comes first; then the other one, if the first can take over its modulation. If both or
    neither are audible, both are returned with the patch unchanged.
    """
    free = [name for name in OTHER_LFO if not patch.sounds(f"{name}rate")]
    if len(free) != 1:
        return [(name, patch) for name in OTHER_LFO]
    name, other = free[0], OTHER_LFO[free[0]]
    destination = patch.choice(SOURCES[other].destination)
    if destination not in ROUTES[name]:
        return [(name, patch)]
    moved = {f"{name}{part}": patch[f"{other}{part}"] for part in _PARTS}
    return [(name, patch), (other, patch.with_knobs(moved).with_settings({SOURCES[name].destination: destination}))]


def with_lfo(
    patch: Patch,
    name: str,
    destination: str,
    hz: float,
    amount: float,
    *,
    waveform: str = "sine",
    phase: float = 0.0,
) -> Patch:
    """A patch with an LFO that is triggered by the key; cutoff or pulse width compensate for its mean.

    Args:
        patch: patch to change.
        name: ``lfo1`` or ``lfo2``.
        destination: choice of its destination.
        hz: its rate; the closest one that the knob reaches is used.
        amount: -1 to 1.
        waveform: its waveform.
        phase: its phase at the start, in cycles.
    """
    row = TABLE.parameter(f"{name}rate")
    knobs = {
        SOURCES[name].amount: BIPOLAR.nearest_knob(amount),
        row.name: row.curve.nearest_knob(hz),
        f"{name}phase": phase,
    }
    replaced = patch.with_knobs(knobs).with_settings(
        {
            SOURCES[name].destination: destination,
            f"{name}waveform": waveform,
            f"{name}sync": False,
            f"{name}keytrigger": True,
        }
    )
    if destination == "filter":
        still = log8(patch["cutoff"]) - _HALF * (amount - _shift(patch, name, "filter"))
        return replaced.with_knobs({"cutoff": LOG8.nearest_knob(still)})
    if destination == "pulse width":
        width = patch["osc1pw"] - _HALF * (abs(amount) - abs(_shift(patch, name, "pulse width")))
        return replaced.with_settings({"osc1waveform": "pulse"}).with_knobs({"osc1pw": min(max(width, 0.0), 1.0)})
    return replaced


def _shift(patch: Patch, name: str, destination: str) -> float:
    """Amount of an LFO that has this destination, else 0."""
    here = patch.choice(SOURCES[name].destination) == destination
    return float(SOURCES[name].curve(patch[SOURCES[name].amount])) if here else 0.0
