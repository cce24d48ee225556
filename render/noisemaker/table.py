"""NoiseMaker's parameter table: one row per parameter that is part of a sound.

Buttons and interface state of the plug-in (panic, MIDI learn, tabs, preset load and save) have no row, because they
must never be set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from render.instruments.curve import Curve
from render.instruments.parameter import OFF_ON, Clause, Condition, Kind, Parameter, Role
from render.instruments.table import Table
from render.noisemaker import curves, facts
from render.noisemaker.routes import ROUTES

LFO_WAVEFORMS = facts.LFO_WAVEFORMS
LFO1_DESTINATIONS, LFO2_DESTINATIONS = tuple(ROUTES["lfo1"]), tuple(ROUTES["lfo2"])
FILTER_TYPES = tuple(kind.label for kind in facts.FILTERS)
SEMITONES = tuple(f"{k:+d}" if k else "0" for k in range(-facts.TUNE_SEMITONES, facts.TUNE_SEMITONES + 1))
TRANSPOSITIONS = tuple(f"{k:+d}" if k else "0" for k in facts.TRANSPOSITIONS)
_NOTE_VALUES = ("1/16", "1/8", "1/4", "1/2", "1/1", "2/1")
DIVISIONS = tuple(value + suffix for suffix in ("", "T", "D") for value in _NOTE_VALUES)
"""Note values that a tempo-synced rate or time selects with ``trunc(17 v)``: straight, triplet, dotted."""

_INTERVALS = (-24, -12, -7, -5, 5, 7, 12, 24)
"""Semitones by which an oscillator is retuned in neighbours of a patch: octaves, fifths and fourths."""


def _differs(name: str, inert: float = 0.0) -> Condition:
    return Condition(name, inert=inert)


def _chosen(name: str, choices: Sequence[str], *wanted: str) -> Condition:
    return Condition(name, indices=tuple(choices.index(w) for w in wanted))


_OSC1_WAVEFORMS, _OSC2_WAVEFORMS = facts.OSC1_WAVEFORMS, facts.OSC2_WAVEFORMS
_AD_DESTINATIONS, _EDITOR_DESTINATIONS = tuple(ROUTES["free AD"]), tuple(ROUTES["envelope editor"])

_OSC1 = (_differs("osc1volume"),)
_OSC2 = (_differs("osc2volume"),)
_MAIN_OSC = _OSC1 + _OSC2
_ANY_OSC = (*_MAIN_OSC, _differs("osc3volume"))
_OSC1_TONE = (_chosen("osc1waveform", _OSC1_WAVEFORMS, "saw", "pulse"), _differs("osc2fm"))
_OSC2_TONE = (_chosen("osc2waveform", _OSC2_WAVEFORMS, "saw", "pulse", "triangle", "sine"),)
_PULSE = (_chosen("osc1waveform", _OSC1_WAVEFORMS, "pulse"),)
_FILTERED = (Condition("filtertype", indices=tuple(range(len(FILTER_TYPES) - 1))),)
_CONTOUR = (_differs("filtercontour", 0.5), _differs("velocitycontour"))
_AD = (_chosen("freeaddestination", _AD_DESTINATIONS, *_AD_DESTINATIONS[1:]),)
_AD_MOVES = (_differs("freeadamount", 0.5),)
_LFO1 = (_chosen("lfo1destination", LFO1_DESTINATIONS, *LFO1_DESTINATIONS[1:]),)
_LFO1_MOVES = (_differs("lfo1amount", 0.5),)
_LFO2 = (_chosen("lfo2destination", LFO2_DESTINATIONS, *LFO2_DESTINATIONS[1:]),)
_LFO2_MOVES = (_differs("lfo2amount", 0.5),)
_LFO1_ON, _LFO2_ON = (_LFO1, _LFO1_MOVES), (_LFO2, _LFO2_MOVES)
_EDITOR = (_chosen("envelopeeditordest1", _EDITOR_DESTINATIONS, *_EDITOR_DESTINATIONS[1:]),)
_EDITOR_MOVES = (_differs("envelopeeditoramount"),)
_DELAY, _REVERB = (_differs("delaywet"),), (_differs("reverbwet"),)


def _continuous(
    name: str, label: str, group: str, default: float, curve: Curve = curves.AMOUNT, *needs: Clause, **columns: Any
) -> Parameter:
    divisions = DIVISIONS if "synced_by" in columns else ()
    return Parameter(
        name, label, group, Kind.CONTINUOUS, default, curve=curve, needs=needs, divisions=divisions, **columns
    )


def _choice(name: str, label: str, group: str, choices: Sequence[str], *needs: Clause, **columns: Any) -> Parameter:
    return Parameter(name, label, group, Kind.CHOICE, 0.0, tuple(choices), needs=needs, **columns)


def _switch(name: str, label: str, group: str, *needs: Clause, **columns: Any) -> Parameter:
    return Parameter(name, label, group, Kind.SWITCH, 0.0, OFF_ON, needs=needs, **columns)


def _stepped(
    name: str,
    label: str,
    group: str,
    default: float,
    choices: Sequence[str],
    scale: float,
    *needs: Clause,
    **columns: Any,
) -> Parameter:
    return Parameter(name, label, group, Kind.STEPPED, default, tuple(choices), needs=needs, scale=scale, **columns)


# fmt: off
PARAMETERS: tuple[Parameter, ...] = (
    _continuous("volume", "Volume", "master", 0.5, curves.VOLUME, role=Role.LEVEL),
    _choice("filtertype", "Filter type", "filter", FILTER_TYPES),
    _continuous("cutoff", "Cutoff", "filter", 1.0, curves.CUTOFF, _FILTERED),
    _continuous("resonance", "Resonance", "filter", 0.0, curves.AMOUNT, _FILTERED),
    _continuous("keyfollow", "Key follow", "filter", 0.0, curves.SQUARE, _FILTERED),
    _continuous("filtercontour", "Filter contour", "filter", 0.5, curves.BIPOLAR, _FILTERED),
    _continuous("filterattack", "Filter attack", "filter", 0.0, curves.ATTACK, _FILTERED, _CONTOUR),
    _continuous("filterdecay", "Filter decay", "filter", 0.0, curves.DECAY, _FILTERED, _CONTOUR,
                (_differs("filtersustain", 1.0),)),
    _continuous("filtersustain", "Filter sustain", "filter", 1.0, curves.LEVEL, _FILTERED, _CONTOUR),
    _continuous("filterrelease", "Filter release", "filter", 0.0, curves.RELEASE, _FILTERED, _CONTOUR,
                (_differs("amprelease"),)),
    _continuous("ampattack", "Amp attack", "amp", 0.0, curves.ATTACK),
    _continuous("ampdecay", "Amp decay", "amp", 0.0, curves.DECAY, (_differs("ampsustain", 1.0),)),
    _continuous("ampsustain", "Amp sustain", "amp", 1.0, curves.AMOUNT),
    _continuous("amprelease", "Amp release", "amp", 0.0, curves.RELEASE),
    _continuous("osc1volume", "Osc 1 volume", "oscillators", 0.8, curves.LEVEL),
    _continuous("osc2volume", "Osc 2 volume", "oscillators", 0.0, curves.LEVEL),
    _continuous("osc3volume", "Sub volume", "oscillators", 0.8, curves.LEVEL),
    _continuous("oscmastertune", "Master tune", "oscillators", 0.5, curves.SEMITONE, _ANY_OSC, descended=False,
                learned=False),
    _stepped("osc1tune", "Osc 1 tune", "oscillators", 0.25, SEMITONES, 48.0, _OSC1, _OSC1_TONE, offset=24,
                steps=_INTERVALS),
    _stepped("osc2tune", "Osc 2 tune", "oscillators", 0.5, SEMITONES, 48.0, _OSC2, _OSC2_TONE, offset=24,
                steps=_INTERVALS),
    _continuous("osc1finetune", "Osc 1 fine tune", "oscillators", 0.5, curves.SEMITONE, _OSC1, _OSC1_TONE,
                descended=False, learned=False),
    _continuous("osc2finetune", "Osc 2 fine tune", "oscillators", 0.5, curves.SEMITONE, _OSC2, _OSC2_TONE,
                descended=False, learned=False),
    _choice("osc1waveform", "Osc 1 waveform", "oscillators", _OSC1_WAVEFORMS, _OSC1),
    _choice("osc2waveform", "Osc 2 waveform", "oscillators", _OSC2_WAVEFORMS, _OSC2),
    _switch("oscsync", "Sync to sub", "oscillators", _MAIN_OSC),
    _stepped("lfo1waveform", "LFO 1 waveform", "lfo1", 0.0, LFO_WAVEFORMS, 5.000001, *_LFO1_ON),
    _stepped("lfo2waveform", "LFO 2 waveform", "lfo2", 0.0, LFO_WAVEFORMS, 5.000001, *_LFO2_ON),
    _continuous("lfo1rate", "LFO 1 rate", "lfo1", 0.0, curves.LFO_RATE, *_LFO1_ON, synced_by="lfo1sync",
                descended=False, learned=False),
    _continuous("lfo2rate", "LFO 2 rate", "lfo2", 0.0, curves.LFO_RATE, *_LFO2_ON, synced_by="lfo2sync",
                descended=False, learned=False),
    _continuous("lfo1amount", "LFO 1 amount", "lfo1", 0.5, curves.BIPOLAR, _LFO1, learned=False),
    _continuous("lfo2amount", "LFO 2 amount", "lfo2", 0.5, curves.BIPOLAR, _LFO2, learned=False),
    _choice("lfo1destination", "LFO 1 destination", "lfo1", LFO1_DESTINATIONS, _LFO1_MOVES),
    _choice("lfo2destination", "LFO 2 destination", "lfo2", LFO2_DESTINATIONS, _LFO2_MOVES),
    _continuous("lfo1phase", "LFO 1 phase", "lfo1", 0.0, curves.AMOUNT, *_LFO1_ON,
                (_chosen("lfo1keytrigger", OFF_ON, "on"),), descended=False, learned=False),
    _continuous("lfo2phase", "LFO 2 phase", "lfo2", 0.0, curves.AMOUNT, *_LFO2_ON,
                (_chosen("lfo2keytrigger", OFF_ON, "on"),), descended=False, learned=False),
    _continuous("osc2fm", "FM", "oscillators", 0.0, curves.LEVEL, _OSC2, _OSC2_TONE, learned=False),
    _continuous("osc2phase", "Osc 2 phase", "oscillators", 0.0, curves.AMOUNT, _OSC2, _OSC2_TONE, descended=False,
                learned=False),
    _continuous("osc1pw", "Osc 1 pulse width", "oscillators", 0.5, curves.AMOUNT, _OSC1, _PULSE, learned=False),
    _continuous("osc1phase", "Osc 1 phase", "oscillators", 0.5, curves.AMOUNT, _OSC1, _OSC1_TONE, descended=False,
                learned=False),
    _stepped("transpose", "Transpose", "oscillators", 0.5, TRANSPOSITIONS, 3.00001, _ANY_OSC, role=Role.TRANSPOSE),
    _continuous("freeadattack", "AD attack", "free AD", 0.0, curves.ATTACK, _AD, _AD_MOVES, learned=False),
    _continuous("freeaddecay", "AD decay", "free AD", 0.0, curves.DECAY, _AD, _AD_MOVES, learned=False),
    _continuous("freeadamount", "AD amount", "free AD", 0.0, curves.BIPOLAR, _AD, learned=False),
    _choice("freeaddestination", "AD destination", "free AD", _AD_DESTINATIONS, _AD_MOVES),
    _switch("lfo1sync", "LFO 1 tempo sync", "lfo1", *_LFO1_ON),
    _switch("lfo1keytrigger", "LFO 1 key trigger", "lfo1", *_LFO1_ON),
    _switch("lfo2sync", "LFO 2 tempo sync", "lfo2", *_LFO2_ON),
    _switch("lfo2keytrigger", "LFO 2 key trigger", "lfo2", *_LFO2_ON),
    _continuous("portamento", "Portamento", "performance", 0.0, silent=True),
    _choice("portamentomode", "Portamento mode", "performance", ("off", "auto", "on"), silent=True),
    _choice("voices", "Voices", "performance", ("mono", "2", "3", "4", "5", "6"), silent=True, role=Role.VOICES),
    _continuous("velocityvolume", "Velocity to volume", "performance", 0.0),
    _continuous("velocitycontour", "Velocity to contour", "performance", 0.0, curves.LOG8, _FILTERED),
    _continuous("velocitycutoff", "Velocity to cutoff", "performance", 0.0, curves.LOG8, _FILTERED),
    _continuous("pitchwheelcutoff", "Pitch wheel to cutoff", "performance", 0.0, silent=True),
    _continuous("pitchwheelpitch", "Pitch wheel to pitch", "performance", 0.0, silent=True),
    _continuous("ringmodulation", "Ring modulation", "oscillators", 0.0, curves.AMOUNT, _MAIN_OSC),
    _switch("chorus1enable", "Chorus 1", "chorus", role=Role.EFFECT),
    _switch("chorus2enable", "Chorus 2", "chorus", role=Role.EFFECT),
    _continuous("reverbwet", "Reverb wet", "reverb", 0.0, curves.LEVEL, role=Role.EFFECT),
    _continuous("reverbdecay", "Reverb decay", "reverb", 0.5, curves.REVERB_DECAY, _REVERB),
    _continuous("reverbpredelay", "Reverb pre-delay", "reverb", 0.0, curves.PREDELAY, _REVERB, descended=False,
                learned=False),
    _continuous("reverbhighcut", "Reverb high cut", "reverb", 0.0, curves.AMOUNT, _REVERB),
    _continuous("reverblowcut", "Reverb low cut", "reverb", 1.0, curves.AMOUNT, _REVERB),
    _continuous("oscbitcrusher", "Bit crusher", "oscillators", 1.0, curves.AMOUNT, _MAIN_OSC, learned=False),
    _continuous("highpass", "High-pass", "master", 0.0, curves.HIGHPASS),
    _continuous("detune", "Random detune", "oscillators", 0.0, curves.SQUARE, _ANY_OSC, descended=False, learned=False),
    _continuous("vintagenoise", "Vintage noise", "oscillators", 0.0, curves.AMOUNT, learned=False),
    _choice("envelopeeditordest1", "Envelope editor destination", "envelope editor", _EDITOR_DESTINATIONS,
            _EDITOR_MOVES),
    _choice("envelopeeditorspeed", "Envelope editor speed", "envelope editor",
            tuple(f"x{speed}" for speed in facts.EDITOR_SPEEDS), _EDITOR, _EDITOR_MOVES),
    _continuous("envelopeeditoramount", "Envelope editor amount", "envelope editor", 0.0, curves.SQUARE, _EDITOR,
                learned=False),
    _switch("envelopeoneshot", "Envelope editor one shot", "envelope editor", _EDITOR, _EDITOR_MOVES),
    # Renders run at 120 bpm, which is what the fixed tempo is: the switch cannot be heard.
    _switch("envelopefixtempo", "Envelope editor fixed tempo", "envelope editor", silent=True),
    _continuous("filterdrive", "Filter drive", "filter", 0.0, curves.DRIVE),
    _continuous("delaywet", "Delay wet", "delay", 0.0, role=Role.EFFECT),
    _continuous("delaytime", "Delay time", "delay", 0.5, curves.DELAY_TIME, _DELAY, synced_by="delaysync",
                descended=False, learned=False),
    _switch("delaysync", "Delay tempo sync", "delay", _DELAY),
    _switch("delayfactorl", "Delay left half time", "delay", _DELAY),
    _switch("delayfactorr", "Delay right half time", "delay", _DELAY),
    _continuous("delayhighshelf", "Delay high shelf", "delay", 0.0, curves.AMOUNT, _DELAY),
    _continuous("delaylowshelf", "Delay low shelf", "delay", 0.0, curves.AMOUNT, _DELAY),
    _continuous("delayfeedback", "Delay feedback", "delay", 0.5, curves.FEEDBACK, _DELAY),
)
# fmt: on

TABLE = Table("TAL-NoiseMaker", "render.noisemaker.table:TABLE", PARAMETERS)
"""NoiseMaker's parameters."""
