"""The sections of NoiseMaker's panel as a musician names them, and the parameters of each.

They follow the table's groups, except that tunings, the filter envelope and noise are sections of their own. The master
volume, which is not part of the timbre, and parameters that are inaudible in a single note belong to no section.
"""

from __future__ import annotations

from collections.abc import Mapping

from render.noisemaker.table import TABLE

TUNING = "tuning"
"""The section whose meaning depends on the key that is pressed."""

_MOVED: Mapping[str, tuple[str, ...]] = {
    TUNING: ("oscmastertune", "osc1tune", "osc2tune", "osc1finetune", "osc2finetune", "transpose", "detune"),
    "filter": ("highpass", "velocitycutoff"),
    "filter envelope": (
        "filtercontour",
        "filterattack",
        "filterdecay",
        "filtersustain",
        "filterrelease",
        "velocitycontour",
    ),
    "amp envelope": ("velocityvolume",),
    "noise and crusher": ("oscbitcrusher", "vintagenoise"),
}
"""Parameters whose section differs from their group."""

_NAMES = {"amp": "amp envelope", "lfo1": "LFO 1", "lfo2": "LFO 2", "free AD": "AD"}
"""Names of sections that differ from the name of their group."""


def _sections() -> dict[str, tuple[str, ...]]:
    moved = {name: section for section, names in _MOVED.items() for name in names}
    sections: dict[str, list[str]] = {"oscillators": [], TUNING: [], "filter": [], "filter envelope": []}
    for row in TABLE.parameters:
        if row is not TABLE.level and not row.silent:
            section = moved.get(row.name, _NAMES.get(row.group, row.group))
            sections.setdefault(section, []).append(row.name)
    return {section: tuple(names) for section, names in sections.items()}


SECTIONS: Mapping[str, tuple[str, ...]] = _sections()
"""Names of the parameters of each section, in the table's order."""

JOINED: Mapping[str, tuple[str, ...]] = {
    "oscillators and tuning": ("oscillators", TUNING),
    "filter and its envelope": ("filter", "filter envelope"),
    "all modulators": ("LFO 1", "LFO 2", "AD", "envelope editor"),
}
"""Sections that can replace each other: what oscillator 1 plays in one patch, oscillator 2 may play in another."""
