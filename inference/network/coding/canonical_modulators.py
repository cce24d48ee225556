"""Rules of ``canonical`` for LFOs, the free AD and the envelope editor."""

from __future__ import annotations

from inference.network.coding.draft import Draft
from render.noisemaker.curves import LFO_RATE, cube
from render.noisemaker.engine import lfo

INAUDIBLE = {
    "filter": 0.0003,
    "osc1": 0.0001,
    "osc2": 0.0001,
    "osc1&2": 0.0001,
    "pulse width": 0.01,
    "fm": 0.00002,
    "ring mod": 0.01,
    "pan": 0.03,
    "volume": 0.03,
    "lfo1 rate": 0.015,
    "lfo2 rate": 0.015,
}
"""Amounts (1 is the full range) below which a modulation changes the sound by at most 0.3 dB."""

_SIGNLESS = ("pulse width", "fm", "pan")
"""Destinations that use the absolute value of the amount."""
_SYMMETRIC = ("sine", "triangle", "rectangle")
"""LFO waveforms whose second half is the first half inverted."""
_MIRRORED = {"filter": 0.3, "osc1": 0.02, "osc2": 0.02, "osc1&2": 0.02}
"""Largest amounts whose sign equals a shift by half a cycle. Larger ones reveal that a cycle lacks a 256th."""
_ORDER = ("osc1&2", "osc1", "osc2", "filter", "rate", "pulse width", "fm", "pan", "volume", "off")
_LFO_KNOBS = ("waveform", "rate", "amount", "phase", "sync", "keytrigger")


def rewrite_rates_and_signs(draft: Draft) -> None:
    """Free rates for synced ones, a phase for a missing key trigger, positive amounts where the sign has no effect."""
    for k in (1, 2):
        _rewrite_lfo(draft, f"lfo{k}")
    _switch_off(draft, "freeaddestination", "freeadamount", abs(cube(draft["freeadamount"])))
    if draft.choice("freeaddestination") in _SIGNLESS:
        draft["freeadamount"] = max(draft["freeadamount"], 1.0 - draft["freeadamount"])
    if draft.choice("envelopeeditordest1") == "volume" and draft["envelopeeditoramount"] > 0.0:
        draft.scale_volume(draft["envelopeeditoramount"] ** 2)
        draft["envelopeeditoramount"] = 1.0
    _switch_off(draft, "envelopeeditordest1", "envelopeeditoramount", draft["envelopeeditoramount"] ** 2)
    if draft.choice("envelopeeditordest1") == "off":
        draft["envelopeeditoramount"] = 0.0


def switch_off(draft: Draft, destination: str) -> None:
    """Switch a modulator off."""
    draft.choose(destination, "off")
    amount = {"freeaddestination": "freeadamount", "envelopeeditordest1": "envelopeeditoramount"}.get(destination)
    if amount is not None:
        draft[amount] = 0.5 if amount == "freeadamount" else 0.0
    else:
        draft[destination.replace("destination", "amount")] = 0.5


def sort_lfos(draft: Draft) -> None:
    """Make the LFO whose destination comes first in ``_ORDER`` number 1, if each can replace the other."""
    ones = [_swapped(draft.choice(f"lfo{k}destination")) for k in (1, 2)]
    if ones[0] in ("pulse width", "fm") or ones[1] in ("pan", "volume"):
        return
    keys = []
    for k in (1, 2):
        destination = draft.choice(f"lfo{k}destination")
        place = _ORDER.index("rate" if destination.endswith("rate") else destination)
        keys.append((place, *(draft[f"lfo{k}{name}"] for name in _LFO_KNOBS)))
    if keys[1] < keys[0]:
        for name in _LFO_KNOBS:
            draft.swap(f"lfo1{name}", f"lfo2{name}")
        draft.choose("lfo1destination", ones[1])
        draft.choose("lfo2destination", ones[0])


def _swapped(destination: str) -> str:
    """Name of the same destination for the other LFO."""
    return {"lfo1 rate": "lfo2 rate", "lfo2 rate": "lfo1 rate"}.get(destination, destination)


def _rewrite_lfo(draft: Draft, name: str) -> None:
    destination = f"{name}destination"
    _switch_off(draft, destination, f"{name}amount", abs(cube(draft[f"{name}amount"])))
    target = draft.choice(destination)
    if target == "off":
        return
    if draft.on(f"{name}sync"):
        draft[f"{name}rate"] = LFO_RATE.knob(lfo.rate_hz(draft[f"{name}rate"], synced=True))
        draft[f"{name}sync"] = 0.0
    if not draft.on(f"{name}keytrigger"):
        draft[f"{name}keytrigger"], draft[f"{name}phase"] = 1.0, 0.0
    if draft[f"{name}phase"] == 1.0:
        draft[f"{name}phase"] = 0.0
    amount = cube(draft[f"{name}amount"])
    if amount > 0.0:
        return
    if target in _SIGNLESS:
        draft[f"{name}amount"] = 1.0 - draft[f"{name}amount"]
    elif draft.choice(f"{name}waveform") in _SYMMETRIC and -amount <= _MIRRORED.get(target, 0.0):
        if target == "filter":
            if draft.control + amount < 0.0:
                return
            draft.control += amount  # the LFO goes up from there instead of down from the knob
        draft[f"{name}amount"] = 1.0 - draft[f"{name}amount"]
        draft[f"{name}phase"] = (draft[f"{name}phase"] + 0.5) % 1.0


def _switch_off(draft: Draft, destination: str, amount: str, reach: float) -> None:
    target = draft.choice(destination)
    if target == "off" or reach < INAUDIBLE[target]:
        switch_off(draft, destination)
