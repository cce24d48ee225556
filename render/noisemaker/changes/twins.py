"""The same sound with the parts of both oscillators exchanged.

The width of its pulse, for one, can be modulated on oscillator 1 alone. A match in which oscillator 2 plays the pulse
that the clip modulates is close to the clip, but no change of one section leads from it to the modulation.
"""

from __future__ import annotations

from render.instruments.patch import Patch
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
        The changed patch; None where oscillator 2 is silent or has a waveform that oscillator 1 lacks, and with FM, in
        which they have different parts.
    """
    waveforms = {index: str(patch.setting(f"osc{index}waveform")) for index in (1, 2)}
    if patch["osc2volume"] == 0.0 or waveforms[2] not in _BOTH or patch["osc2fm"] > 0.0:
        return None
    knobs = {f"osc{index}{name}": patch[f"osc{3 - index}{name}"] for index in (1, 2) for name in _KNOBS}
    choices: dict[str, str] = {"osc1waveform": waveforms[2], "osc2waveform": waveforms[1]}
    for source in SOURCES.values():
        destination = str(patch.setting(source.destination))
        if destination in _OTHER:
            choices[source.destination] = _OTHER[destination]
    return patch.with_knobs(knobs | {"osc1pw": 0.5}).with_settings(choices)
