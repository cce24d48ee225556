"""Other waveforms, and the same sound with the parts of both oscillators exchanged.

The fundamentals of waveforms differ in level, which hides that another one would be right. And only oscillator 1 has a
pulse whose width can be modulated, and only oscillator 2 plays triangles and sines: a match in which the other one
plays that part is close to the clip, but no change of one section leads to what it lacks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from render.instruments.patch import Patch
from render.noisemaker.changes.lfos import Change
from render.noisemaker.curves import LEVEL
from render.noisemaker.facts import OSC1_WAVEFORMS, OSC2_WAVEFORMS
from render.noisemaker.routes import SOURCES

_KNOBS = ("volume", "tune", "finetune", "phase")
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
    choices: dict[str, str] = {"osc1waveform": waveforms[2], "osc2waveform": waveforms[1]}
    for source in SOURCES.values():
        destination = str(patch.setting(source.destination))
        if destination in _OTHER:
            choices[source.destination] = _OTHER[destination]
    return patch.with_knobs(knobs | {"osc1pw": 0.5}).with_settings(choices)


def other_waveforms(patch: Patch) -> Iterator[Change]:
    """Patches in which an oscillator has another waveform, with a fundamental that is as loud as before.

    What oscillator 1 plays is played by oscillator 2 where it has a waveform that oscillator 1 lacks.

    Args:
        patch: patch to change.
    """
    twin = exchanged(patch)
    for index, base, waveforms in ((1, patch, OSC1_WAVEFORMS), (2, patch, OSC2_WAVEFORMS), (2, twin, OSC2_WAVEFORMS)):
        before = "" if base is None else str(base.setting(f"osc{index}waveform"))
        if base is None or before not in _FUNDAMENTALS or not base.sounds(f"osc{index}tune"):
            continue
        for waveform in waveforms:
            if waveform in _FUNDAMENTALS and waveform != before and (base is patch or waveform not in _BOTH):
                yield f"osc {index} waveform", with_waveform(base, index, waveform)


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
