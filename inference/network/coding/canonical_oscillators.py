"""Rules of ``canonical`` for the oscillators: which are audible, their order, their pitches and phases."""

from __future__ import annotations

import math
from dataclasses import dataclass

from inference.network.coding.canonical_modulators import switch_off
from inference.network.coding.draft import MODULATORS, Draft
from render.noisemaker.curves import LEVEL
from render.noisemaker.table import FILTER_TYPES, TABLE

FAINTEST_LEVEL = 0.001
"""Level of an oscillator relative to the loudest below which it counts as silent."""
LONGEST_SHIFT_SECONDS = 0.001
"""Seconds by which a sound may be shifted before the key press."""
MOST_SEMITONES = 24
"""Range of a tuning in semitones."""

_SORTED_KNOBS = ("volume", "tune", "finetune", "phase")
_TWINS = ("saw", "pulse", "noise")
"""Waveforms that both oscillators have, in the order in which they are sorted."""
_SAME_PITCH = 1e-6  # semitones


def drop_what_is_silent(draft: Draft) -> None:
    """Set levels, FM, ring modulation, sync and modulators that have no effect in this patch to 0 or off."""
    levels = {k: LEVEL.setting(draft[f"osc{k}volume"]) for k in (1, 2, 3)}
    for k, level in levels.items():
        if level < FAINTEST_LEVEL * max(levels.values()):
            draft[f"osc{k}volume"] = 0.0
    for name in MODULATORS:  # rates last, for they need the other LFO
        _drop_route(draft, name)
    for one, other in ((1, 2), (2, 1)):
        if draft.choice(f"lfo{one}destination").endswith("rate"):
            target = draft.choice(f"lfo{other}destination")
            if target == "off" or target.endswith("rate"):
                switch_off(draft, f"lfo{one}destination")
                if target.endswith("rate"):
                    switch_off(draft, f"lfo{other}destination")
    if not draft.frequency_modulated():
        draft["osc2fm"] = 0.0
    if not (draft.loud(1) and draft.loud(2)) and not draft.routed("ring mod"):
        _fold_ring(draft)
    if not any(draft.loud(k) and draft.choice(f"osc{k}waveform") in ("saw", "pulse", "triangle") for k in (1, 2)):
        draft["oscsync"] = 0.0


def sort_twins(draft: Draft) -> None:
    """Sort the oscillators if each can replace the other."""
    if draft.frequency_modulated() or not (_has_twin(draft, 1) and _has_twin(draft, 2)):
        return
    if _order(draft, 2) < _order(draft, 1):
        for name in _SORTED_KNOBS:
            draft.swap(f"osc1{name}", f"osc2{name}")
        ones = [draft.choice(f"osc{k}waveform") if draft.loud(3 - k) else "saw" for k in (1, 2)]
        draft.choose("osc1waveform", ones[1])
        draft.choose("osc2waveform", ones[0])
        if ones[1] == "pulse":
            draft["osc1pw"] = 0.5
        for name in MODULATORS:
            target = draft.choice(name)
            if target in ("osc1", "osc2"):
                draft.choose(name, "osc1" if target == "osc2" else "osc2")


@dataclass(frozen=True, slots=True)
class Pitches:
    """Note numbers, with fractions, of a patch's oscillators without modulation; None if the oscillator is inaudible.

    Attributes:
        osc1: pitch of oscillator 1.
        osc2: pitch of oscillator 2.
        base: two octaves above the pitch of the sub.
    """

    osc1: float | None
    osc2: float | None
    base: float | None

    @classmethod
    def of(cls, draft: Draft) -> Pitches:
        """The pitches of a draft."""
        transpose = 12 * (TABLE.parameter("transpose").index(draft["transpose"]) - 1)
        base = draft.number + transpose + 2.0 * draft["oscmastertune"] - 1.0
        one, two = (
            base + float(draft.choice(f"osc{k}tune")) + 2.0 * draft[f"osc{k}finetune"] - 1.0
            if draft.pitched(k)
            else None
            for k in (1, 2)
        )
        return cls(one, two, base if draft.base_audible() else None)

    @property
    def reference(self) -> float | None:
        """The reference pitch of the intervals."""
        for pitch in (self.osc1, self.osc2):
            if pitch is not None:
                return pitch
        return None if self.base is None else self.base - MOST_SEMITONES


def place_pitches(pitches: Pitches, key: int | None = None) -> tuple[dict[str, float], int]:
    """Knobs and a key whose pitches are as close as possible to given ones.

    Args:
        pitches: pitches that are wanted.
        key: key, if it is known; otherwise the transposition is 0 and the key is chosen.

    Returns:
        Knobs of transposition and tunings, and the key (which may lie outside of MIDI's range).
    """
    mains = [pitch for pitch in (pitches.osc1, pitches.osc2) if pitch is not None]
    if pitches.base is not None:
        base = pitches.base
    elif not mains:
        base = 60.0 if key is None else float(key)
    else:
        lowest, highest = max(mains) - MOST_SEMITONES - 1, min(mains) + MOST_SEMITONES + 1
        wanted = mains[0] if key is None else float(key)
        base = float(min(max(round(wanted), math.ceil(lowest)), math.floor(highest)))
        if key is None:
            base = min(max(base, 0.0), 127.0)
    octave = 0
    if key is None:
        number = round(base)
    else:
        number = key
        octave = min((-1, 0, 1, 2), key=lambda k: abs(base - key - 12 * k))
    master = min(max(base - number - 12 * octave, -1.0), 1.0)
    if pitches.base is None:
        master = 0.0
    base = number + 12 * octave + master
    knobs = {
        "transpose": TABLE.parameter("transpose").choice_knobs[octave + 1],
        "oscmastertune": 0.5 + 0.5 * _rounded(master),
    }
    for k, pitch in ((1, pitches.osc1), (2, pitches.osc2)):
        offset = 0.0 if pitch is None else pitch - base
        tune = min(max(round(offset), -MOST_SEMITONES), MOST_SEMITONES)
        row = TABLE.parameter(f"osc{k}tune")
        knobs[row.name] = row.choice_knobs[tune + MOST_SEMITONES] if pitch is not None else row.default
        knobs[f"osc{k}finetune"] = 0.5 + 0.5 * _rounded(min(max(offset - tune, -1.0), 1.0))
    return knobs, number


def fold_pitches(draft: Draft) -> None:
    """Set the transposition to 0, the tunings to the smallest ones, and the key accordingly.

    The key stays the same if a cutoff below 0 needs key follow, which nothing else can express.
    """
    knobs, draft.number = place_pitches(Pitches.of(draft), draft.number if draft.control < 0.0 else None)
    draft.knobs |= knobs


def fold_phases(draft: Draft) -> None:
    """Set phases that only shift the sound by less than a cycle to their defaults; fold pulse widths to one half."""
    sounding = [k for k in (1, 2) if draft.loud(k) and draft.choice(f"osc{k}waveform") != "noise"]
    defaults = {k: TABLE.parameter(f"osc{k}phase").default for k in (1, 2)}
    alone = len(sounding) + draft.loud(3) == 1
    if alone and not draft.on("oscsync"):
        k = next(iter(sounding), 1)
        if _is_short(draft, k, defaults[k] - draft[f"osc{k}phase"]):
            draft[f"osc{k}phase"] = defaults[k]
    elif sounding == [1, 2] and not (
        draft.base_audible() or draft.frequency_modulated() or draft.routed("osc1", "osc2")
    ):
        shift = defaults[1] - draft["osc1phase"]
        pitches = Pitches.of(draft)
        assert pitches.osc1 is not None
        assert pitches.osc2 is not None
        if _is_short(draft, 1, shift):
            ratio = 2.0 ** ((pitches.osc2 - pitches.osc1) / 12.0)
            draft["osc2phase"] = (draft["osc2phase"] + shift * ratio) % 1.0
            draft["osc1phase"] = defaults[1]
    for k in sounding:
        if draft[f"osc{k}phase"] == 1.0:
            draft[f"osc{k}phase"] = 0.0
    if alone and 1 in sounding and not draft.routed("pulse width"):
        draft["osc1pw"] = min(draft["osc1pw"], 1.0 - draft["osc1pw"])


def _is_short(draft: Draft, k: int, cycles: float) -> bool:
    """Whether a shift of an oscillator by some cycles is too short to be audible."""
    pitches = Pitches.of(draft)
    pitch = pitches.osc1 if k == 1 else pitches.osc2
    return pitch is None or abs(cycles) <= LONGEST_SHIFT_SECONDS * 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)


def _drop_route(draft: Draft, name: str) -> None:
    """Switch off a modulator whose destination is inaudible; of both pitches only an audible one stays."""
    target = draft.choice(name)
    pitched = [draft.pitched(k) for k in (1, 2)]
    match target:
        case "filter":
            useful = draft.choice("filtertype") != FILTER_TYPES[-1]
        case "osc1&2":
            useful = any(pitched)
            if useful and not all(pitched):
                draft.choose(name, "osc1" if pitched[0] else "osc2")
        case "osc1" | "osc2":
            useful = pitched[target == "osc2"]
        case "pulse width":
            useful = draft.loud(1) and draft.choice("osc1waveform") == "pulse"
        case "fm":
            useful = draft.pitched(2)
        case "ring mod":
            useful = draft.loud(1) or draft.loud(2)
        case _:
            useful = True
    if not useful and target != "off":
        switch_off(draft, name)


def _fold_ring(draft: Draft) -> None:
    """Replace the ring modulation of a single oscillator by a lower level."""
    for k in (1, 2):
        if draft.loud(k) and draft["ringmodulation"] > 0.0:
            level = LEVEL.setting(draft[f"osc{k}volume"]) * (1.0 - draft["ringmodulation"])
            draft[f"osc{k}volume"] = LEVEL.knob(level)
    draft["ringmodulation"] = 0.0


def _has_twin(draft: Draft, k: int) -> bool:
    """Whether the other oscillator can produce the sound of oscillator ``k``."""
    if not draft.loud(k):
        return True
    waveform = draft.choice(f"osc{k}waveform")
    if k == 1 and waveform == "pulse":
        return abs(draft["osc1pw"] - 0.5) < 1e-4 and not draft.routed("pulse width")
    return waveform in _TWINS


def _order(draft: Draft, k: int) -> tuple[float, ...]:
    """Sort key of an oscillator: audible ones first, then waveform, pitch, level, modulators, phase."""
    if not draft.loud(k):
        return (1.0,)
    waveform = _TWINS.index(draft.choice(f"osc{k}waveform"))
    pitch = float(draft.choice(f"osc{k}tune")) + 2.0 * draft[f"osc{k}finetune"] - 1.0
    routes = (float(draft.choice(name) != f"osc{k}") for name in MODULATORS)
    return (0.0, waveform, round(pitch / _SAME_PITCH), -draft[f"osc{k}volume"], *routes, draft[f"osc{k}phase"])


def _rounded(semitones: float) -> float:
    """Rounded, so that sums with rounding errors give equal knobs for equal tunings."""
    return round(semitones, 9)
