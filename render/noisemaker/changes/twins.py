"""Other waveforms, and the same sound with the parts of the oscillators exchanged.

The fundamentals of waveforms differ in level, which hides that another one would be right. And only oscillator 1 has a
pulse whose width can be modulated, and only oscillator 2 plays triangles and sines: a match in which another one, or
the sub, plays that part is close to the clip, but no change of one section leads to what it lacks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from render.instruments.patch import Patch
from render.noisemaker.changes.lfos import Change
from render.noisemaker.curves import LEVEL
from render.noisemaker.facts import OSC1_WAVEFORMS, OSC2_WAVEFORMS, SUB_SEMITONES
from render.noisemaker.pitches import tuning
from render.noisemaker.routes import SOURCES

_KNOBS, _PHASES = ("volume", "tune", "finetune"), ("osc1phase", "osc2phase")
_FAINT = 0.25  # of the louder oscillator
_OTHER = {"osc1": "osc2", "osc2": "osc1"}
_BOTH = frozenset(OSC1_WAVEFORMS) & frozenset(OSC2_WAVEFORMS)
_FUNDAMENTALS: Mapping[str, float] = {
    "saw": 2.0 / math.pi,
    "pulse": 4.0 / math.pi,
    "triangle": 8.0 / math.pi**2,
    "sine": 1.0,
}
"""Amplitudes of the fundamentals of waveforms that reach from -1 to 1, the pulse with equal halves."""


def exchanged(patch: Patch) -> Patch | None:
    """A patch in which each oscillator plays what the other one did, a pulse with equal halves.

    Phases that stand at their defaults, as most do, stay there; others are exchanged too.

    Args:
        patch: patch to change.

    Returns:
        The changed patch; None where oscillator 2 has a waveform that oscillator 1 lacks, and with FM, in which they
        have different parts.
    """
    waveforms = {index: str(patch.setting(f"osc{index}waveform")) for index in (1, 2)}
    if patch["osc2volume"] == 0.0:
        waveforms[2] = waveforms[1]
    if waveforms[2] not in _BOTH or patch["osc2fm"] > 0.0:
        return None
    knobs = {f"osc{index}{name}": patch[f"osc{3 - index}{name}"] for index in (1, 2) for name in _KNOBS}
    if any(patch[name] != patch.table.default[name] for name in _PHASES):
        knobs |= dict(zip(_PHASES, (patch[name] for name in reversed(_PHASES)), strict=True))
    choices: dict[str, str] = {"osc1waveform": waveforms[2], "osc2waveform": waveforms[1]}
    for source in SOURCES.values():
        destination = str(patch.setting(source.destination))
        if destination in _OTHER:
            choices[source.destination] = _OTHER[destination]
    return patch.with_knobs(knobs | {"osc1pw": 0.5}).with_settings(choices)


def instead_of_sub(patch: Patch) -> Patch | None:
    """A patch in which oscillator 1 plays what the sub did, and oscillator 2 what the louder one of both did.

    Args:
        patch: patch to change.

    Returns:
        The changed patch; None without a sub, where both oscillators are needed, and with FM.
    """
    levels = [LEVEL.setting(patch[f"osc{index}volume"]) for index in (1, 2)]
    if patch["osc3volume"] == 0.0 or patch["osc2fm"] > 0.0 or min(levels) > _FAINT * max(levels):
        return None
    quieter = 1 + levels.index(min(levels))
    silenced = patch.with_knobs({f"osc{quieter}volume": 0.0})
    alone = silenced if quieter == 1 else exchanged(silenced)
    if alone is None:
        return None
    played = {**tuning(1, SUB_SEMITONES), "osc1volume": patch["osc3volume"], "osc3volume": 0.0}
    played |= {"osc1pw": 0.5, "osc1phase": 0.5}
    both = {source.destination for source in SOURCES.values() if alone.setting(source.destination) == "osc1&2"}
    return alone.with_knobs(played).with_settings(dict.fromkeys(both, "osc2") | {"osc1waveform": "pulse"})


def other_waveforms(patch: Patch) -> Iterator[Change]:
    """Patches in which an oscillator has another waveform, with a fundamental that is as loud as before.

    What oscillator 1 plays is played by oscillator 2 where it has a waveform that oscillator 1 lacks.

    Args:
        patch: patch to change.
    """
    for index, base in ((1, patch), (2, patch), (2, exchanged(patch)), (1, instead_of_sub(patch))):
        before = "" if base is None else str(base.setting(f"osc{index}waveform"))
        if base is None or before not in _FUNDAMENTALS or not base.sounds(f"osc{index}tune"):
            continue
        for waveform in OSC1_WAVEFORMS if index == 1 else OSC2_WAVEFORMS:
            known = waveform in _BOTH and index == 2 and base is not patch  # as another waveform of oscillator 1
            if waveform in _FUNDAMENTALS and waveform != before and not known:
                yield f"osc {index} waveform", with_waveform(base, index, waveform)


def usual_phases(patch: Patch) -> Iterator[Change]:
    """The patch with the phases of both oscillators at their defaults: alone, neither may be better there.

    Args:
        patch: patch to change.
    """
    moved = {name: patch.table.default[name] for name in _PHASES if patch.sounds(name)}
    if any(patch[name] != default for name, default in moved.items()):
        yield "phases", patch.with_knobs(moved)


def with_waveform(patch: Patch, index: int, waveform: str, width: float = 0.5) -> Patch:
    """A patch in which an oscillator has another waveform, with a fundamental that is as loud as before.

    Args:
        patch: patch to change; an oscillator that plays noise keeps its level.
        index: number of the oscillator.
        waveform: one of saw, pulse, triangle and sine.
        width: width of the pulse for which the level is computed; the patch keeps its own.
    """
    before = _FUNDAMENTALS.get(str(patch.setting(f"osc{index}waveform")))
    if waveform == patch.setting(f"osc{index}waveform") or before is None:
        return patch.with_settings({f"osc{index}waveform": waveform})
    after = _FUNDAMENTALS[waveform] * (math.sin(math.pi * width) if waveform == "pulse" else 1.0)
    level = min(LEVEL.setting(patch[f"osc{index}volume"]) * before / after, 1.0)
    return patch.with_settings({f"osc{index}waveform": waveform, f"osc{index}volume": level})
