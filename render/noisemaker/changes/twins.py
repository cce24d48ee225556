"""The same sound with the parts of both oscillators exchanged.

Only oscillator 1 has a pulse whose width can be modulated, and only oscillator 2 plays triangles and sines. A match in
which the other one plays that part is close to the clip, but no change of one section leads to what it lacks.
"""

from __future__ import annotations

from collections.abc import Iterator

from render.instruments.patch import Patch
from render.noisemaker.changes.lfos import Change
from render.noisemaker.facts import OSC1_WAVEFORMS, OSC2_WAVEFORMS
from render.noisemaker.routes import SOURCES

_KNOBS = ("volume", "tune", "finetune", "phase")
_OTHER = {"osc1": "osc2", "osc2": "osc1"}
_BOTH = frozenset(OSC1_WAVEFORMS) & frozenset(OSC2_WAVEFORMS)


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
    """Patches in which oscillator 2 plays the part of oscillator 1, with a waveform that oscillator 1 lacks.

    Args:
        patch: patch to change.
    """
    twin = exchanged(patch)
    if twin is None or not twin.sounds("osc2tune"):
        return
    for waveform in OSC2_WAVEFORMS:
        if waveform not in OSC1_WAVEFORMS:
            yield "osc 1 as osc 2", twin.with_settings({"osc2waveform": waveform})
