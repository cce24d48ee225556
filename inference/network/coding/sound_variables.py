"""The coding ``sound``: audible properties of a patch, so that patches that sound the same have the same code.

Patches are first brought into canonical form (``canonical.py``). Whether an oscillator is audible and its waveform are
one variable, destinations of modulators come before the parameters that they modulate, and pitches are intervals: that
of oscillator 1 (or 2, if 1 has no pitch) from the estimated note, the others from that one. The key is derived last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference.network.coding.canonical import canonical
from inference.network.coding.canonical_envelopes import death_seconds
from inference.network.coding.canonical_oscillators import MOST_SEMITONES, Pitches, place_pitches
from inference.network.coding.draft import Draft
from inference.network.coding.editor_heights import STEPS, height_codes, height_variables, points_of
from inference.network.coding.variables import (
    GATE_RANGE,
    N_UNIT,
    SILENT,
    Codes,
    Coding,
    Decoded,
    Variable,
    gate_codes,
    gate_seconds,
    unit_codes,
    unit_value,
)
from inference.network.features.estimated_note import UNKNOWN_NOTE
from render.instruments.parameter import Clause, Condition
from render.instruments.patch import Patch
from render.noisemaker.table import TABLE
from render.note import Note

LARGEST_INTERVAL = 48
"""Largest interval in semitones from the estimated note, and from oscillator 1 to oscillator 2."""
CENTRE = 60
"""Reference note of the intervals if no note was estimated."""

_OFF = "off"
_KINDS = {k: (_OFF, *TABLE.parameter(f"osc{k}waveform").choices) for k in (1, 2)}


class SoundCoding(Coding):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("sound", _variables())

    def encode(
        self, patches: Sequence[Patch], notes: Sequence[Note], onsets_seconds: Sequence[float] | None = None
    ) -> Codes:
        """See ``Coding``."""
        codes = np.zeros((len(patches), len(self)), np.int64)
        onsets = [0.0] * len(notes) if onsets_seconds is None else onsets_seconds
        units = {k: [0.0] * len(patches) for k, var in enumerate(self.variables) if var.row is not None and var.unit}
        first = self.index(STEPS)
        for row, (patch, note, onset) in enumerate(zip(patches, notes, onsets, strict=True)):
            patch, note = canonical(patch, note)
            for k, values in units.items():
                values[row] = patch[self.variables[k].name]
            for k, var in enumerate(self.variables):
                if var.row is not None and not var.unit:
                    codes[row, k] = patch.index(var.name)
            codes[row, self.index("gate")] = gate_codes(np.array(note.gate_seconds - onset))
            for k in (1, 2):
                loud = patch[f"osc{k}volume"] > 0.0
                codes[row, self.index(f"osc{k}")] = (1 + patch.index(f"osc{k}waveform")) if loud else 0
            for name, code in _pitch_codes(Pitches.of(Draft.of(patch, note))).items():
                codes[row, self.index(name)] = code
            codes[row, first:] = height_codes(patch)
        for k, values in units.items():
            codes[:, k] = unit_codes(np.array(values))
        self.silence(codes)
        return codes

    def relative(self, codes: Codes, notes: NDArray[np.int64]) -> Codes:
        """See ``Coding``: the pitch becomes an interval from the estimated note."""
        k = self.index("pitch")
        from_note = np.where(notes == UNKNOWN_NOTE, CENTRE, notes)
        moved = (codes[:, k] - from_note + LARGEST_INTERVAL).clip(0, 2 * LARGEST_INTERVAL)
        result = codes.copy()
        result[:, k] = np.where(codes[:, k] == SILENT, SILENT, moved)
        return result

    def decode(
        self, codes: Sequence[int], fractions: Sequence[float], note_number: int = UNKNOWN_NOTE, key: int | None = None
    ) -> Decoded:
        """See ``Coding``."""
        by_name = {
            var.name: (code, fraction) for var, code, fraction in zip(self.variables, codes, fractions, strict=True)
        }
        knobs = {}
        for var in self.variables:
            code, fraction = by_name[var.name]
            if var.row is not None and code != SILENT:
                knobs[var.name] = unit_value(code, fraction) if var.unit else var.row.choice_knobs[code]
        for k in (1, 2):
            kind = by_name[f"osc{k}"][0]
            if kind:
                knobs[f"osc{k}waveform"] = TABLE.parameter(f"osc{k}waveform").choice_knobs[kind - 1]
            else:
                knobs[f"osc{k}volume"] = 0.0
            if codes[self.index(f"lfo{k}destination")]:
                knobs[f"lfo{k}keytrigger"] = 1.0
        reference_note = CENTRE if note_number == UNKNOWN_NOTE else note_number
        placed, number = place_pitches(_pitches(by_name, reference_note), key)
        first = self.index(STEPS)
        patch = TABLE.patch(knobs | placed, points_of(codes[first:], fractions[first:]))
        gate, fraction = by_name["gate"]
        if gate == SILENT:
            seconds = min(death_seconds(patch["ampattack"], patch["ampdecay"]), GATE_RANGE[1])
        else:
            seconds = gate_seconds(gate, fraction)
        return Decoded(patch, min(max(number, 0), 127), seconds)

    def given(self, note: Note, *, gate: bool, key: bool) -> dict[int, int]:
        """See ``Coding``; a key is seen to when the pitches are placed."""
        return {self.index("gate"): int(gate_codes(np.array(note.gate_seconds)))} if gate else {}


def _variables() -> tuple[Variable, ...]:
    variables: list[Variable] = []

    def add(name: str, *needs: Clause, size: int = 0, default: int = 0) -> None:
        """A variable of its own with ``size`` categories, else a row of the table."""
        if size:
            variables.append(Variable(name, size, size == N_UNIT, needs, default))
            return
        row = TABLE.parameter(name)
        size = len(row.choices) if row.discrete else N_UNIT
        default = row.index(row.default) if row.discrete else int(unit_codes(np.array(row.default)))
        variables.append(Variable(name, size, not row.discrete, needs, default, row))

    def kind(k: int, *waveforms: str) -> Condition:
        return Condition(f"osc{k}", tuple(_KINDS[k].index(waveform) for waveform in waveforms or _KINDS[k][1:]))

    def goes_to(name: str, *destinations: str) -> Condition:
        choices = TABLE.parameter(name).choices
        wanted = destinations or tuple(choice for choice in choices if choice != _OFF)
        return Condition(name, tuple(choices.index(choice) for choice in wanted if choice in choices))

    modulators = ("lfo1destination", "lfo2destination", "freeaddestination", "envelopeeditordest1")
    pitched1, pitched2 = kind(1, "saw", "pulse"), kind(2, "saw", "pulse", "triangle", "sine")
    sub = Condition("osc3volume")
    sync = Condition("oscsync", (1,))
    modulated = (Condition("osc2fm"), *(goes_to(n, "fm") for n in ("lfo1destination", *modulators[2:])))
    filtered = (Condition("filtertype", tuple(range(len(TABLE.parameter("filtertype").choices) - 1))),)
    contoured = (Condition("filtercontour", inert=0.5),)
    held = (Condition("ampsustain"),)

    for k in (1, 2):
        add(f"osc{k}", size=len(_KINDS[k]), default=0)
    add("osc3volume")
    for name in modulators:
        add(name)
    add("osc2fm", (pitched2,))
    add("oscsync", (pitched1, kind(2, "saw", "pulse", "triangle")))
    add("ringmodulation", (kind(1),), (kind(2),))
    add("osc1volume", (kind(1),))
    add("osc2volume", (kind(2),))
    add("pitch", (pitched1, pitched2, sub), size=2 * LARGEST_INTERVAL + 1)
    add("pitch fine", (pitched1, pitched2, sub), size=N_UNIT)
    add("osc2 interval", (pitched2,), (pitched1, *modulated), size=2 * LARGEST_INTERVAL + 1)
    add("osc2 fine", (pitched2,), (pitched1, *modulated), size=N_UNIT)
    add("base interval", (sub, sync), (pitched1, pitched2), size=2 * MOST_SEMITONES + 3)
    add("base fine", (sub, sync), (pitched1, pitched2), size=N_UNIT)
    add("osc1pw", (kind(1, "pulse"),))
    add("osc1phase", (pitched1,), (sub, sync, *modulated, pitched2))
    add("osc2phase", (pitched2,), (pitched1, sub, sync))
    for k in (1, 2):
        on = (goes_to(f"lfo{k}destination"),)
        for name in ("amount", "rate", "waveform", "phase"):
            add(f"lfo{k}{name}", on)
    for name in ("amount", "attack", "decay"):
        add(f"freead{name}", (goes_to("freeaddestination"),))
    edited = (goes_to("envelopeeditordest1"),)
    add("envelopeeditoramount", edited)
    add("envelopeeditorspeed", edited)
    add("envelopeoneshot", edited, (Condition("envelopeeditorspeed", (2, 3, 4, 5)),))
    add("filtertype")
    for name in ("cutoff", "resonance", "filtercontour"):
        add(name, filtered)
    add("filterdrive")
    add("ampattack")
    add("ampsustain")
    add("ampdecay", (Condition("ampsustain", inert=1.0),))
    add("gate", held, size=N_UNIT)
    add("amprelease", held)
    add("filterattack", filtered, contoured)
    add("filtersustain", filtered, contoured)
    add("filterdecay", filtered, contoured, (Condition("filtersustain", inert=1.0),))
    add("filterrelease", filtered, contoured, held, (Condition("filtersustain"),), (Condition("amprelease"),))
    add("oscbitcrusher", (kind(1), kind(2)))
    for name in ("vintagenoise", "highpass", "chorus1enable", "chorus2enable"):
        add(name)
    for effect, names in (
        ("delaywet", ("time", "factorl", "factorr", "feedback", "highshelf", "lowshelf")),
        ("reverbwet", ("decay", "predelay", "highcut", "lowcut")),
    ):
        add(effect)
        for name in names:
            add(effect.removesuffix("wet") + name, (Condition(effect),))
    return (*variables, *height_variables((edited,)))


def _pitch_codes(pitches: Pitches) -> dict[str, int]:
    """Categories of the pitches; that of ``pitch`` itself is a note number until the estimated note is known."""
    reference = pitches.reference
    if reference is None:
        return {}
    codes = {"pitch": round(reference), "pitch fine": _fine_code(reference - round(reference))}
    for name, pitch, largest in (
        ("osc2", None if pitches.osc1 is None else pitches.osc2, LARGEST_INTERVAL),
        ("base", pitches.base, MOST_SEMITONES + 1),
    ):
        if pitch is not None:
            interval = pitch - reference
            codes[f"{name} interval"] = min(max(round(interval), -largest), largest) + largest
            codes[f"{name} fine"] = _fine_code(interval - round(interval))
    return codes


def _pitches(by_name: dict[str, tuple[int, float]], note_number: int) -> Pitches:
    """The pitches that categories stand for."""
    if by_name["pitch"][0] == SILENT:
        return Pitches(None, None, None)
    reference = note_number + by_name["pitch"][0] - LARGEST_INTERVAL + _fine(*by_name["pitch fine"])
    code = by_name["osc2 interval"][0]
    first: float | None = reference
    second = base = None
    if code != SILENT:
        second = reference + code - LARGEST_INTERVAL + _fine(*by_name["osc2 fine"])
    elif by_name["osc2"][0] not in (0, _KINDS[2].index("noise")):
        first, second = None, reference
    elif by_name["osc1"][0] not in (1, 2):
        first = None
    code = by_name["base interval"][0]
    if code != SILENT:
        base = reference + code - (MOST_SEMITONES + 1) + _fine(*by_name["base fine"])
    elif first is None and second is None:
        base = reference + MOST_SEMITONES
    return Pitches(first, second, base)


def _fine_code(semitones: float) -> int:
    """Category of -0.5 to 0.5 semitones, finer near 0."""
    share = math.copysign(math.sqrt(min(2.0 * abs(semitones), 1.0)), semitones) if abs(semitones) > 1e-6 else 0.0
    return int(unit_codes(np.array(0.5 + 0.5 * share)))


def _fine(code: int, fraction: float) -> float:
    """Semitones of a category."""
    share = 2.0 * unit_value(code, fraction) - 1.0
    return math.copysign(0.5 * share * share, share)


SOUND = SoundCoding()
