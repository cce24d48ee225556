"""Patches to test a host or the proxy with, and the parts of the panel that a patch uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from render.instruments.patch import Patch
from render.noisemaker.table import TABLE

RICH = TABLE.default.with_settings({"chorus1enable": "on", "lfo1destination": "filter"}).with_knobs(
    {"osc2volume": 0.7, "resonance": 0.5, "cutoff": 0.5, "lfo1amount": 0.7, "delaywet": 0.4, "reverbwet": 0.4}
)
"""Most parts of the panel are in use."""

ENDLESS = RICH.with_knobs({"volume": 0.8, "delaywet": 1.0, "delayfeedback": 1.0})
"""Its delay never decays, so that traces of it in a later render are easy to detect."""

_ALL = TABLE.patch(
    {"osc2volume": 0.5, "osc2waveform": 0.5, "oscsync": 1.0, "osc2fm": 0.5, "delaywet": 0.5, "reverbwet": 0.5}
).with_knobs({"chorus1enable": 1.0, "lfo1destination": 1.0 / 7.0, "lfo1amount": 0.9})

EVERYTHING = tuple(
    _ALL.with_settings({"filtertype": family}) for family in ("LP 24", "LP SV 24", "Moog 24", "Moog through")
)
"""Every part of the panel is in use; one patch for each family of filters."""

PARTS: Mapping[str, Callable[[Patch], bool]] = {
    "osc 1": lambda patch: patch["osc1volume"] > 0.0,
    "osc 2": lambda patch: patch["osc2volume"] > 0.0,
    "sub": lambda patch: patch["osc3volume"] > 0.0,
    "noise": lambda patch: "noise" in (patch.choice("osc1waveform"), patch.choice("osc2waveform")),
    "sync": lambda patch: patch.choice("oscsync") == "on",
    "FM": lambda patch: patch["osc2fm"] > 0.0,
    "ring modulation": lambda patch: patch["ringmodulation"] > 0.0,
    "LFO 1": lambda patch: patch.sounds("lfo1rate"),
    "LFO 2": lambda patch: patch.sounds("lfo2rate"),
    "AD": lambda patch: patch.sounds("freeaddecay"),
    "envelope editor": lambda patch: patch.sounds("envelopeeditorspeed"),
    "drive": lambda patch: patch["filterdrive"] > 0.0,
    "delay": lambda patch: patch["delaywet"] > 0.0,
    "chorus": lambda patch: "on" in (patch.choice("chorus1enable"), patch.choice("chorus2enable")),
    "reverb": lambda patch: patch["reverbwet"] > 0.0,
}
"""Parts of the panel, and whether a patch uses them."""
