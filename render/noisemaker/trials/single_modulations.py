"""Simple patches with a single modulation, whose exact settings a match should find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from render.instruments.patch import Patch
from render.noisemaker.table import TABLE
from render.note import Note

NOTE = Note(48, 100, 1.8, 2.0)

RATES_HZ = (0.5, 2.0, 7.0)

_SAW: Mapping[str, float] = {"osc1volume": 0.8, "osc2volume": 0.0, "osc3volume": 0.0, "osc1tune": 0.5}
"""Knobs of oscillator 1 alone, at the pitch of the key."""

_LFO_ON: Mapping[str, tuple[Mapping[str, float], Mapping[str, str]]] = {
    "filter": ({"cutoff": 0.5, "lfo1amount": 0.85}, {"lfo1destination": "filter"}),
    "pitch, faintly": ({"lfo1amount": 0.58}, {"lfo1destination": "osc1"}),
    "pitch": ({"lfo1amount": 0.65}, {"lfo1destination": "osc1"}),
    "pulse width": ({"lfo1amount": 0.85, "osc1pw": 0.5}, {"lfo1destination": "pulse width", "osc1waveform": "pulse"}),
}
"""Knobs and choices with which one sine LFO moves something."""


def single_modulations() -> Iterator[tuple[str, Patch]]:
    """Name and patch of each, always the same: LFOs by destination and rate, a detuned pair, a filter sweep."""
    base = TABLE.patch(_SAW)
    for destination, (knobs, choices) in _LFO_ON.items():
        for rate in RATES_HZ:
            moved = base.with_knobs({**knobs, "lfo1keytrigger": 1.0})
            yield f"LFO on {destination}, {rate:g} Hz", moved.with_settings({**choices, "lfo1rate": rate})
    detuned = base.with_knobs({"osc2volume": 0.8, "osc2tune": 0.5})
    yield "detuned pair", detuned.with_settings({"osc2finetune": 0.1})
    yield (
        "filter sweep",
        base.with_knobs({"cutoff": 0.3, "filtercontour": 0.9, "filterdecay": 0.35, "filtersustain": 0.0}),
    )
