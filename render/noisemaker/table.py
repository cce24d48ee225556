"""The instrument's parameter table: one row per parameter that belongs to a sound.

Everything that needs to know a parameter (patches, preset files, hosts, the search space, network heads, report
columns) is derived from ``PARAMETERS``. A value has three forms: the **knob** (0..1, what the plug-in takes), the
**setting** (human units, or the name of a choice) and, elsewhere, the **code** (what an optimiser or a network sees).

Buttons and interface state of the plug-in (panic, MIDI learn, tabs, preset load and save) have no row: they must never
be set.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from render.errors import OutOfRange, UnknownName
from render.noisemaker import curves, facts
from render.noisemaker.curves import Curve
from render.noisemaker.routes import ROUTES


class Kind(StrEnum):
    """How a knob is read: the stored form of a discrete value differs between the three discrete kinds."""

    CONTINUOUS = "continuous"
    CHOICE = "choice"  # floor(v (n - 1) + 0.5)
    STEPPED = "stepped"  # trunc(scale v - offset), offset counted from the first choice
    SWITCH = "switch"  # on is anything above 0


@dataclass(frozen=True, slots=True)
class Condition:
    """One atom of a row's ``needs``: a discrete knob is one of ``indices``, or a continuous one is not ``inert``."""

    name: str
    indices: tuple[int, ...] = ()
    inert: float = 0.0


Clause = tuple[Condition, ...]
"""Holds when any of its conditions holds."""

LFO_WAVEFORMS = facts.LFO_WAVEFORMS
LFO1_DESTINATIONS, LFO2_DESTINATIONS = tuple(ROUTES["lfo1"]), tuple(ROUTES["lfo2"])
FILTER_TYPES = tuple(kind.label for kind in facts.FILTERS)
OFF_ON = ("off", "on")
SEMITONES = tuple(f"{k:+d}" if k else "0" for k in range(-facts.TUNE_SEMITONES, facts.TUNE_SEMITONES + 1))
TRANSPOSITIONS = tuple(f"{k:+d}" if k else "0" for k in facts.TRANSPOSITIONS)
_NOTE_VALUES = ("1/16", "1/8", "1/4", "1/2", "1/1", "2/1")
DIVISIONS = tuple(value + suffix for suffix in ("", "T", "D") for value in _NOTE_VALUES)
"""What a tempo-synced rate or time picks with ``trunc(17 v)``: straight, triplet, dotted."""

EFFECT_GROUPS = frozenset({"delay", "chorus", "reverb"})


@dataclass(frozen=True)
class Parameter:
    """One row of the table.

    Attributes:
        name: the plug-in's name in lower case, which is also the preset attribute.
        label: what a person reads.
        group: section of the panel.
        kind: how the knob is read.
        default: knob of a fresh patch.
        choices: names of the values of a discrete row, in order.
        curve: knob to human units of a continuous row.
        needs: clauses that must all hold for the parameter to be heard in a single note.
        silent: never heard in a single note played from silence (portamento, pitch wheel, ...).
        synced_by: name of the switch that turns this time or rate into one of ``DIVISIONS``.
        scale, offset: of a stepped row.
    """

    name: str
    label: str
    group: str
    kind: Kind
    default: float
    choices: tuple[str, ...] = ()
    curve: Curve = curves.AMOUNT
    needs: tuple[Clause, ...] = ()
    silent: bool = False
    synced_by: str | None = None
    scale: float = 1.0
    offset: int = 0

    @property
    def discrete(self) -> bool:
        """Whether the row has ``choices``."""
        return self.kind is not Kind.CONTINUOUS

    def index(self, knob: float) -> int:
        """Position in ``choices`` that a knob stands for, as the plug-in reads it."""
        last = len(self.choices) - 1
        match self.kind:
            case Kind.CHOICE:
                position = math.floor(knob * last + 0.5)
            case Kind.STEPPED:
                position = math.trunc(self.scale * knob - self.offset) + self.offset
            case Kind.SWITCH:
                position = int(knob > 0.0)
            case Kind.CONTINUOUS:
                raise TypeError(f"{self.name} is continuous")
        return min(max(position, 0), last)

    @cached_property
    def choice_knobs(self) -> tuple[float, ...]:
        """The knob that this project writes for each choice: safely inside the range that reads as the choice."""
        last = len(self.choices) - 1
        if self.kind is Kind.STEPPED and self.offset:
            # Truncation goes towards the middle: a quarter step outwards is clear of every rounding error.
            nudged = (k + 0.25 * ((k > self.offset) - (k < self.offset)) for k in range(last + 1))
            return tuple(min(max(k / self.scale, 0.0), 1.0) for k in nudged)
        return tuple(k / last for k in range(last + 1))

    def snap(self, knob: float) -> float:
        """The standard knob of the choice that ``knob`` stands for; a continuous knob is returned as it is."""
        return self.choice_knobs[self.index(knob)] if self.discrete else knob

    def setting(self, knob: float, *, synced: bool = False) -> float | str:
        """Human form of a knob: a number in ``curve.unit``, or the name of a choice or division."""
        if self.discrete:
            return self.choices[self.index(knob)]
        if synced:
            return DIVISIONS[min(int((len(DIVISIONS) - 1) * knob), len(DIVISIONS) - 1)]
        return self.curve.setting(knob)

    def knob(self, setting: float | str | bool, *, synced: bool = False) -> float:
        """The knob of a setting.

        Raises:
            UnknownName: for a choice that does not exist.
            OutOfRange: for a number that the curve does not reach.
        """
        if self.discrete:
            return self.choice_knobs[self._choice(setting)]
        if synced and isinstance(setting, str):
            if setting not in DIVISIONS:
                raise UnknownName(f"{self.name} division", setting, DIVISIONS)
            return min((DIVISIONS.index(setting) + 0.5) / (len(DIVISIONS) - 1), 1.0)
        try:
            return self.curve.knob(float(setting))
        except ValueError:
            low, high = self.curve.range
            allowed = f"{low:.4g} to {high:.4g} {self.curve.unit}".rstrip()
            raise OutOfRange(self.name, setting, allowed) from None

    def _choice(self, setting: float | str | bool) -> int:
        if isinstance(setting, bool):
            text = OFF_ON[setting]
        elif isinstance(setting, str):
            text = setting.strip().lower()
        else:
            text = f"{setting:+g}" if setting else "0"
        lowered = [choice.lower() for choice in self.choices]
        for candidate in (text, f"+{text}"):
            if candidate in lowered:
                return lowered.index(candidate)
        raise UnknownName(f"{self.name} choice", setting, self.choices)


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
    name: str,
    label: str,
    group: str,
    default: float,
    curve: Curve = curves.AMOUNT,
    *needs: Clause,
    silent: bool = False,
    synced_by: str | None = None,
) -> Parameter:
    return Parameter(
        name, label, group, Kind.CONTINUOUS, default, curve=curve, needs=needs, silent=silent, synced_by=synced_by
    )


def _choice(
    name: str, label: str, group: str, choices: Sequence[str], *needs: Clause, silent: bool = False
) -> Parameter:
    return Parameter(name, label, group, Kind.CHOICE, 0.0, tuple(choices), needs=needs, silent=silent)


def _switch(name: str, label: str, group: str, *needs: Clause, silent: bool = False) -> Parameter:
    return Parameter(name, label, group, Kind.SWITCH, 0.0, OFF_ON, needs=needs, silent=silent)


def _stepped(
    name: str,
    label: str,
    group: str,
    default: float,
    choices: Sequence[str],
    scale: float,
    *needs: Clause,
    offset: int = 0,
) -> Parameter:
    return Parameter(name, label, group, Kind.STEPPED, default, tuple(choices), needs=needs, scale=scale, offset=offset)


# fmt: off
PARAMETERS: tuple[Parameter, ...] = (
    _continuous("volume", "Volume", "master", 0.5, curves.VOLUME),
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
    _continuous("oscmastertune", "Master tune", "oscillators", 0.5, curves.SEMITONE, _ANY_OSC),
    _stepped("osc1tune", "Osc 1 tune", "oscillators", 0.25, SEMITONES, 48.0, _OSC1, _OSC1_TONE, offset=24),
    _stepped("osc2tune", "Osc 2 tune", "oscillators", 0.5, SEMITONES, 48.0, _OSC2, _OSC2_TONE, offset=24),
    _continuous("osc1finetune", "Osc 1 fine tune", "oscillators", 0.5, curves.SEMITONE, _OSC1, _OSC1_TONE),
    _continuous("osc2finetune", "Osc 2 fine tune", "oscillators", 0.5, curves.SEMITONE, _OSC2, _OSC2_TONE),
    _choice("osc1waveform", "Osc 1 waveform", "oscillators", _OSC1_WAVEFORMS, _OSC1),
    _choice("osc2waveform", "Osc 2 waveform", "oscillators", _OSC2_WAVEFORMS, _OSC2),
    _switch("oscsync", "Sync to sub", "oscillators", _MAIN_OSC),
    _stepped("lfo1waveform", "LFO 1 waveform", "lfo1", 0.0, LFO_WAVEFORMS, 5.000001, *_LFO1_ON),
    _stepped("lfo2waveform", "LFO 2 waveform", "lfo2", 0.0, LFO_WAVEFORMS, 5.000001, *_LFO2_ON),
    _continuous("lfo1rate", "LFO 1 rate", "lfo1", 0.0, curves.LFO_RATE, *_LFO1_ON, synced_by="lfo1sync"),
    _continuous("lfo2rate", "LFO 2 rate", "lfo2", 0.0, curves.LFO_RATE, *_LFO2_ON, synced_by="lfo2sync"),
    _continuous("lfo1amount", "LFO 1 amount", "lfo1", 0.5, curves.BIPOLAR, _LFO1),
    _continuous("lfo2amount", "LFO 2 amount", "lfo2", 0.5, curves.BIPOLAR, _LFO2),
    _choice("lfo1destination", "LFO 1 destination", "lfo1", LFO1_DESTINATIONS, _LFO1_MOVES),
    _choice("lfo2destination", "LFO 2 destination", "lfo2", LFO2_DESTINATIONS, _LFO2_MOVES),
    _continuous("lfo1phase", "LFO 1 phase", "lfo1", 0.0, curves.AMOUNT, *_LFO1_ON,
                (_chosen("lfo1keytrigger", OFF_ON, "on"),)),
    _continuous("lfo2phase", "LFO 2 phase", "lfo2", 0.0, curves.AMOUNT, *_LFO2_ON,
                (_chosen("lfo2keytrigger", OFF_ON, "on"),)),
    _continuous("osc2fm", "FM", "oscillators", 0.0, curves.LEVEL, _OSC2, _OSC2_TONE),
    _continuous("osc2phase", "Osc 2 phase", "oscillators", 0.0, curves.AMOUNT, _OSC2, _OSC2_TONE),
    _continuous("osc1pw", "Osc 1 pulse width", "oscillators", 0.5, curves.AMOUNT, _OSC1, _PULSE),
    _continuous("osc1phase", "Osc 1 phase", "oscillators", 0.5, curves.AMOUNT, _OSC1, _OSC1_TONE),
    _stepped("transpose", "Transpose", "oscillators", 0.5, TRANSPOSITIONS, 3.00001, _ANY_OSC),
    _continuous("freeadattack", "AD attack", "free AD", 0.0, curves.ATTACK, _AD, _AD_MOVES),
    _continuous("freeaddecay", "AD decay", "free AD", 0.0, curves.DECAY, _AD, _AD_MOVES),
    _continuous("freeadamount", "AD amount", "free AD", 0.0, curves.BIPOLAR, _AD),
    _choice("freeaddestination", "AD destination", "free AD", _AD_DESTINATIONS, _AD_MOVES),
    _switch("lfo1sync", "LFO 1 tempo sync", "lfo1", *_LFO1_ON),
    _switch("lfo1keytrigger", "LFO 1 key trigger", "lfo1", *_LFO1_ON),
    _switch("lfo2sync", "LFO 2 tempo sync", "lfo2", *_LFO2_ON),
    _switch("lfo2keytrigger", "LFO 2 key trigger", "lfo2", *_LFO2_ON),
    _continuous("portamento", "Portamento", "performance", 0.0, silent=True),
    _choice("portamentomode", "Portamento mode", "performance", ("off", "auto", "on"), silent=True),
    _choice("voices", "Voices", "performance", ("mono", "2", "3", "4", "5", "6"), silent=True),
    _continuous("velocityvolume", "Velocity to volume", "performance", 0.0),
    _continuous("velocitycontour", "Velocity to contour", "performance", 0.0, curves.LOG8, _FILTERED),
    _continuous("velocitycutoff", "Velocity to cutoff", "performance", 0.0, curves.LOG8, _FILTERED),
    _continuous("pitchwheelcutoff", "Pitch wheel to cutoff", "performance", 0.0, silent=True),
    _continuous("pitchwheelpitch", "Pitch wheel to pitch", "performance", 0.0, silent=True),
    _continuous("ringmodulation", "Ring modulation", "oscillators", 0.0, curves.AMOUNT, _MAIN_OSC),
    _switch("chorus1enable", "Chorus 1", "chorus"),
    _switch("chorus2enable", "Chorus 2", "chorus"),
    _continuous("reverbwet", "Reverb wet", "reverb", 0.0, curves.LEVEL),
    _continuous("reverbdecay", "Reverb decay", "reverb", 0.5, curves.REVERB_DECAY, _REVERB),
    _continuous("reverbpredelay", "Reverb pre-delay", "reverb", 0.0, curves.PREDELAY, _REVERB),
    _continuous("reverbhighcut", "Reverb high cut", "reverb", 0.0, curves.AMOUNT, _REVERB),
    _continuous("reverblowcut", "Reverb low cut", "reverb", 1.0, curves.AMOUNT, _REVERB),
    _continuous("oscbitcrusher", "Bit crusher", "oscillators", 1.0, curves.AMOUNT, _MAIN_OSC),
    _continuous("highpass", "High-pass", "master", 0.0, curves.HIGHPASS),
    _continuous("detune", "Random detune", "oscillators", 0.0, curves.SQUARE, _ANY_OSC),
    _continuous("vintagenoise", "Vintage noise", "oscillators", 0.0, curves.AMOUNT),
    _choice("envelopeeditordest1", "Envelope editor destination", "envelope editor", _EDITOR_DESTINATIONS,
            _EDITOR_MOVES),
    _choice("envelopeeditorspeed", "Envelope editor speed", "envelope editor",
            tuple(f"x{speed}" for speed in facts.EDITOR_SPEEDS), _EDITOR, _EDITOR_MOVES),
    _continuous("envelopeeditoramount", "Envelope editor amount", "envelope editor", 0.0, curves.SQUARE, _EDITOR),
    _switch("envelopeoneshot", "Envelope editor one shot", "envelope editor", _EDITOR, _EDITOR_MOVES),
    # Renders run at 120 bpm, which is what the fixed tempo is: the switch cannot be heard.
    _switch("envelopefixtempo", "Envelope editor fixed tempo", "envelope editor", silent=True),
    _continuous("filterdrive", "Filter drive", "filter", 0.0, curves.DRIVE),
    _continuous("delaywet", "Delay wet", "delay", 0.0),
    _continuous("delaytime", "Delay time", "delay", 0.5, curves.DELAY_TIME, _DELAY, synced_by="delaysync"),
    _switch("delaysync", "Delay tempo sync", "delay", _DELAY),
    _switch("delayfactorl", "Delay left half time", "delay", _DELAY),
    _switch("delayfactorr", "Delay right half time", "delay", _DELAY),
    _continuous("delayhighshelf", "Delay high shelf", "delay", 0.0, curves.AMOUNT, _DELAY),
    _continuous("delaylowshelf", "Delay low shelf", "delay", 0.0, curves.AMOUNT, _DELAY),
    _continuous("delayfeedback", "Delay feedback", "delay", 0.5, curves.FEEDBACK, _DELAY),
)
# fmt: on

NAMES: tuple[str, ...] = tuple(row.name for row in PARAMETERS)
_POSITIONS = {name: position for position, name in enumerate(NAMES)}


def position(name: str) -> int:
    """Row number of a parameter in ``PARAMETERS``.

    Raises:
        UnknownName: if there is no such parameter.
    """
    try:
        return _POSITIONS[name]
    except KeyError:
        raise UnknownName("parameter", name, NAMES) from None


def parameter(name: str) -> Parameter:
    """The row of a parameter; raises ``UnknownName``."""
    return PARAMETERS[position(name)]


def _canonical() -> str:
    rows = [
        [row.name, row.kind, row.default, row.choices, row.curve.name, row.scale, row.offset, row.synced_by]
        for row in PARAMETERS
    ]
    return json.dumps(rows, separators=(",", ":"))


TABLE_HASH = hashlib.sha256(_canonical().encode()).hexdigest()[:16]
"""Identifies the meaning of a knob vector; kept files carry it and are refused when it differs."""
