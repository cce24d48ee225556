"""Changes of a patch's structure: several knobs and choices at once, which only have an effect together.

A modulator without a destination, or a destination without an amount, changes nothing, and the interval of an
oscillator that is off is inaudible. Each change therefore sets everything that belongs together. Where a modulation is
added, the cutoff or the pulse width is shifted to compensate for its mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from render.instruments.hints import Hints
from render.instruments.patch import Patch
from render.noisemaker.changes.delays import delays
from render.noisemaker.changes.explained import explained
from render.noisemaker.changes.lfos import Change, modulations, panned, resembling, vibratos
from render.noisemaker.changes.pairings import pairings
from render.noisemaker.changes.twins import other_waveforms, usual_phases
from render.noisemaker.curves import BIPOLAR, LOG8, contour_amount, log8, log20, still_cutoff
from render.noisemaker.editor_curves import N_DESCENDED, lines
from render.noisemaker.facts import (
    EDITOR_LOOP_SECONDS,
    EDITOR_SPEEDS,
    MAX_VELOCITY,
    OSC2_WAVEFORMS,
    TRANSPOSITIONS,
    TUNE_SEMITONES,
)
from render.noisemaker.table import TABLE
from render.note import Note

_INTERVALS = (-24, -12, -7, -5, 0, 5, 7, 12, 19, 24)
"""Semitones from the other oscillator that are tried when an oscillator is switched on."""
_ON, _AUDIBLE, _FAINT = 0.75, 0.6, 0.15
_HALF = 0.5
_CURVE_AMOUNTS: Mapping[str, Sequence[float]] = {"filter": (0.15, 0.5), "volume": (0.9,), "osc1&2": (0.2,)}

EXTRAS = frozenset(
    {
        *("osc2fm", "ringmodulation", "oscbitcrusher", "vintagenoise", "detune", "oscsync"),
        *("filterdrive", "keyfollow", "velocitycutoff", "velocitycontour", "velocityvolume", "filtercontour"),
        *("lfo1amount", "lfo2amount", "freeadamount", "envelopeeditoramount"),
        *("lfo1destination", "lfo2destination", "freeaddestination", "envelopeeditordest1"),
        *("delaywet", "reverbwet", "chorus1enable", "chorus2enable"),
    }
)
"""Parameters whose default means that a part of the synth is not used; the others make a plain subtractive voice."""

_CONTOUR = "filtercontour"


def plain(patch: Patch, note: Note) -> Iterator[Change]:
    """The patch without modulators, effects, sync, FM and the like; both without and with its filter envelope.

    The unneeded parts of a patch compensate for each other, so that none of them can be corrected alone.

    Args:
        patch: patch to reduce.
        note: key press, for the effect of velocity and key on the cutoff.
    """
    velocity = note.velocity / MAX_VELOCITY
    knobs = (patch[name] for name in ("cutoff", "velocitycutoff", "keyfollow"))
    still = still_cutoff(*knobs, float(note.number), velocity)
    contour = contour_amount(patch[_CONTOUR], patch["velocitycontour"], velocity)
    reduced = _centred(patch.with_knobs({name: TABLE.parameter(name).default for name in EXTRAS}))
    held = LOG8.nearest_knob(still + contour * log20(patch["filtersustain"]))
    yield "plain", reduced.with_knobs({"cutoff": held})
    if patch["osc3volume"] and (patch["osc1volume"] or patch["osc2volume"]):
        yield "plain without sub", _centred(reduced.with_knobs({"cutoff": held, "osc3volume": 0.0}))
    if contour:
        moved = {"cutoff": LOG8.nearest_knob(still), _CONTOUR: BIPOLAR.nearest_knob(contour)}
        yield "plain with filter envelope", reduced.with_knobs(moved)


def _centred(patch: Patch) -> Patch:
    """The same pitches with the transposition that leaves both oscillators the widest range of other intervals."""
    names = [f"osc{index}tune" for index in (1, 2) if patch.sounds(f"osc{index}tune")]
    row, tune = TABLE.parameter("transpose"), TABLE.parameter("osc1tune")
    here = TRANSPOSITIONS[patch.index("transpose")]
    totals = {name: patch.index(name) - TUNE_SEMITONES + here for name in names}
    best = min(TRANSPOSITIONS, key=lambda one: max((abs(total - one) for total in totals.values()), default=abs(one)))
    if any(abs(total - best) > TUNE_SEMITONES for total in totals.values()) or patch["osc3volume"] > 0.0:
        return patch  # the sub oscillator has no interval of its own
    tuned = {name: tune.choice_knobs[total - best + TUNE_SEMITONES] for name, total in totals.items()}
    return patch.with_knobs({**tuned, "transpose": row.choice_knobs[TRANSPOSITIONS.index(best)]})


def changes(patch: Patch, note: Note, hints: Hints) -> Iterator[Change]:
    """Every change worth trying; kinds are named by section and destination.

    Args:
        patch: patch to change.
        note: key press.
        hints: values estimated from the clip.
    """
    yield from _intervals(patch)
    yield from other_waveforms(patch)
    yield from usual_phases(patch)
    yield from explained(patch, note)
    yield from modulations(patch, hints.rates_hz)
    yield from resembling(patch, note.gate_seconds, hints)
    yield from panned(patch, note.gate_seconds, hints)
    yield from delays(patch, hints.delays_seconds)
    if hints.partials is not None:
        yield from vibratos(patch, hints.partials)
        for pairing in pairings(hints, note.number):
            if pairing.moving:
                yield pairing.kind, pairing.played(patch, note.number)
    if not patch.sounds("envelopeeditorspeed"):
        yield from _curves(patch, hints)


def _intervals(patch: Patch) -> Iterator[Change]:
    """Every interval of each audible oscillator, at a clearly audible level; and oscillators that are off, switched on.

    A faint sub oscillator is removed, because it may need a transposition that limits the others' intervals.
    """
    if patch["osc3volume"] < _FAINT:
        patch = _centred(patch.with_knobs({"osc3volume": 0.0}))
    for index, other in ((1, 2), (2, 1)):
        name, volume = f"osc{index}tune", f"osc{index}volume"
        row = TABLE.parameter(name)
        if patch.sounds(name):
            for index_of_tune, knob in enumerate(row.choice_knobs):
                if index_of_tune != patch.index(name):
                    tuned = {name: knob, volume: max(patch[volume], _AUDIBLE), f"osc{index}finetune": _HALF}
                    yield f"osc {index} interval", patch.with_knobs(tuned)
            continue
        middle = patch.index(f"osc{other}tune")
        waveforms = ("saw", "pulse") if index == 1 else tuple(one for one in OSC2_WAVEFORMS if one != "noise")
        for waveform in waveforms:
            for interval in _INTERVALS if waveform == waveforms[0] else (0, 12, -12):
                if 0 <= middle + interval < len(row.choices):
                    on = {volume: _ON, name: row.choice_knobs[middle + interval]}
                    yield f"osc {index} on", patch.with_knobs(on).with_settings({f"osc{index}waveform": waveform})


def _curves(patch: Patch, hints: Hints) -> Iterator[Change]:
    """The envelope editor with the clip's brightness on the filter or its level on the volume; one-shot or looped."""
    once = max((speed for speed in EDITOR_SPEEDS if EDITOR_LOOP_SECONDS / speed >= hints.seconds), default=1)
    for destination, curve in (("filter", hints.brightness), ("volume", hints.loudness), ("osc1&2", hints.brightness)):
        for speed in (once, 2 * once, 4 * once):
            if len(curve) < N_DESCENDED or speed not in EDITOR_SPEEDS:
                continue
            heights = _folded(curve, hints.seconds * speed / EDITOR_LOOP_SECONDS)
            for amount in _CURVE_AMOUNTS[destination]:
                knobs = {"envelopeeditoramount": amount**_HALF}
                if destination == "filter":
                    knobs["cutoff"] = LOG8.nearest_knob(log8(patch["cutoff"]) - _HALF * amount)
                chosen: dict[str, str | bool] = {
                    "envelopeeditordest1": destination,
                    "envelopeeditorspeed": f"x{speed}",
                    "envelopeoneshot": speed == once,
                }
                kind = f"editor {destination}"
                yield kind, patch.with_knobs(knobs).with_settings(chosen).with_extra(lines(heights))


def _folded(curve: Sequence[float], loops: float) -> list[float]:
    """The mean over some loops of a curve, at ``N_DESCENDED`` even distances of one loop."""
    positions = np.arange(len(curve)) / len(curve) * loops
    heights = []
    for k in range(N_DESCENDED):
        distance = (
            np.abs((positions - k / (N_DESCENDED - 1) + _HALF) % 1.0 - _HALF)
            if loops > 1.0
            else np.abs(positions - k / (N_DESCENDED - 1))
        )
        near = distance <= max(float(distance.min()), _HALF / (N_DESCENDED - 1))
        heights.append(float(np.mean(np.asarray(curve)[near])))
    return heights
