"""Patches as what a preset stores, and back: the engine's values, the modulations, wavetables and LFO shapes.

What the table has no row for stays in ``Patch.extra`` as pairs of a key and a JSON text, sorted by key:

    setting.NAME     value of a control that has no row, if it differs from the initial preset's
    wavetable.K      wavetable of oscillator K, which is used where the row ``osc_K_wavetable`` is ``own``
    lfo.K            shape of LFO K, likewise; always used for LFOs that have no row
    modulation.N     a modulation that the table cannot express, in a slot of the engine after those of the table
    sample           sample of the sample oscillator
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from render.errors import FormatError, PresetError
from render.instruments.instrument import ExtraCodes
from render.instruments.patch import Patch
from render.vital.controls import CONTROLS
from render.vital.table import (
    CONTROL_ROWS,
    DESTINATIONS,
    LFOS,
    OCTAVES,
    OSCILLATORS,
    SLOTS,
    SOURCES,
    TABLE,
    control_knob,
    control_value,
)
from render.vital.waves import OWN, known_wavetable, lfo_shape, shape_name, wavetable_name, white_noise

FILE_VERSION = "1.0.7"
"""Version of Vital whose file format is written; every later one opens it."""

N_SLOTS, N_LFOS = 64, 8
_SLOT_PARTS = ("amount", "power", "bipolar", "stereo", "bypass")
_VOICE_TRANSPOSE = "voice_transpose"
_MIDDLE_OCTAVE = len(OCTAVES) // 2

KNOB = "volume"
"""See ``ExtraState``: any part of the panel may make the state audible. The level belongs to no section that one patch
takes from another, so that a patch keeps its own state."""


@dataclass(frozen=True, eq=False)
class State:
    """A patch in the terms of the engine.

    Attributes:
        patch: the patch.
    """

    patch: Patch

    @cached_property
    def extra(self) -> dict[str, Any]:
        """The patch's ``extra`` by key, decoded."""
        return {key: json.loads(text) for key, text in self.patch.extra}

    @cached_property
    def other_values(self) -> dict[str, float]:
        """Values of controls that have no row, where they differ from the initial preset's."""
        marked = {key.partition(".")[2]: value for key, value in self.extra.items() if key.startswith("setting.")}
        return {name: float(value) for name, value in marked.items()}

    def row_values(self) -> dict[str, float]:
        """The engine's value of every control that has a row, and of the transposition."""
        patch = self.patch
        pairs = zip(TABLE.parameters, patch.knobs, strict=True)
        values = {row.name: control_value(row, knob) for row, knob in pairs if row.name in CONTROLS}
        octaves = 12.0 * (patch.index("octave") - _MIDDLE_OCTAVE)
        low, high = CONTROLS[_VOICE_TRANSPOSE].low, CONTROLS[_VOICE_TRANSPOSE].high
        values[_VOICE_TRANSPOSE] = min(max(octaves + self.other_values.get(_VOICE_TRANSPOSE, 0.0), low), high)
        return values

    def pairs(self) -> dict[int, tuple[str, str]]:
        """Source and destination of the engine's slots that are in use, by number."""
        found = {}
        for n in SLOTS:
            source = self.patch.choice(f"modulation_{n}_source")
            destination = self.patch.choice(f"modulation_{n}_destination")
            if source != SOURCES[0] and destination != DESTINATIONS[0]:
                found[n] = source, destination
        for key, content in self.extra.items():
            if key.startswith("modulation."):
                found[int(key.partition(".")[2])] = content["source"], content["destination"]
        return dict(sorted(found.items()))

    def wavetable(self, k: int) -> str:
        """JSON text of the wavetable of an oscillator."""
        name = self.patch.choice(f"osc_{k}_wavetable")
        own: str | None = dict(self.patch.extra).get(f"wavetable.{k}")
        if name == OWN and own is not None:
            return own
        return known_wavetable("saw" if name == OWN else name, FILE_VERSION)

    def lfo(self, k: int) -> dict[str, Any]:
        """Shape of an LFO."""
        name = self.patch.choice(f"lfo_{k}_shape") if k in LFOS else OWN
        if name == OWN:
            own: dict[str, Any] = self.extra.get(f"lfo.{k}") or lfo_shape("triangle")
            return own
        return lfo_shape(name)


def preset_text(patch: Patch, name: str = "", comments: str = "") -> str:
    """The content of a preset file."""
    state = State(patch)
    settings: dict[str, Any] = {control.name: control.default for control in CONTROLS.values()}
    settings |= state.other_values
    settings |= state.row_values()
    modulations = [{"destination": "", "source": ""} for _ in range(N_SLOTS)]
    for n, (source, destination) in state.pairs().items():
        modulations[n - 1] = {"destination": destination, "source": source}
        if n not in SLOTS:
            content = state.extra[f"modulation.{n}"]
            settings |= {f"modulation_{n}_{part}": content[part] for part in _SLOT_PARTS}
    settings["modulations"] = modulations
    settings["lfos"] = [state.lfo(k) for k in range(1, N_LFOS + 1)]
    settings["wavetables"] = [json.loads(state.wavetable(k)) for k in OSCILLATORS]
    settings["sample"] = state.extra.get("sample") or json.loads(white_noise())
    head = {"author": "", "comments": comments, "preset_name": name, "preset_style": ""}
    macros = {f"macro{k}": f"MACRO {k}" for k in range(1, 5)}
    return json.dumps({**head, **macros, "settings": settings, "synth_version": FILE_VERSION})


def patch_of(settings: Mapping[str, Any]) -> Patch:
    """The patch of a preset's settings.

    Raises:
        PresetError: if they are not those of a Vital preset.
    """
    values = {control.name: _number(settings, control.name, control.default) for control in CONTROLS.values()}
    knobs = {row.name: control_knob(row, values[row.name]) for row in CONTROL_ROWS}
    extra: dict[str, Any] = {}
    listed = {row.name for row in CONTROL_ROWS}
    for name, control in CONTROLS.items():
        slot = name.startswith("modulation_")
        if name not in listed and not slot and name != _VOICE_TRANSPOSE and values[name] != control.default:
            extra[f"setting.{name}"] = values[name]
    octaves = min(max(round(values[_VOICE_TRANSPOSE] / 12.0), -_MIDDLE_OCTAVE), _MIDDLE_OCTAVE)
    knobs["octave"] = (octaves + _MIDDLE_OCTAVE) / (len(OCTAVES) - 1)
    if values[_VOICE_TRANSPOSE] != 12.0 * octaves:
        extra[f"setting.{_VOICE_TRANSPOSE}"] = values[_VOICE_TRANSPOSE] - 12.0 * octaves
    wavetables, lfos = settings.get("wavetables") or [], settings.get("lfos") or []
    for k, content in zip(OSCILLATORS, wavetables, strict=False):
        found = _wavetable(content, k)
        knobs[f"osc_{k}_wavetable"] = TABLE.parameter(f"osc_{k}_wavetable").knob(found)
        if found == OWN:
            extra[f"wavetable.{k}"] = content
    for k, content in enumerate(lfos[:N_LFOS], start=1):
        found = shape_name(content)
        if k in LFOS:
            knobs[f"lfo_{k}_shape"] = TABLE.parameter(f"lfo_{k}_shape").knob(found)
        if found == OWN or (k not in LFOS and found != "triangle"):
            extra[f"lfo.{k}"] = content
    sample = settings.get("sample")
    if values["sample_on"] and sample and sample.get("samples") and sample.get("name") != "White Noise":
        extra["sample"] = sample
    _modulations(settings.get("modulations") or [], values, knobs, extra)
    return TABLE.patch(knobs, _texts(extra))


def _wavetable(content: Mapping[str, Any], k: int) -> str:
    if not isinstance(content, Mapping) or not content.get("groups"):
        raise PresetError(f"the wavetable of oscillator {k} is not known; allowed: groups of wave sources")
    return "saw" if content.get("name") == "Init" else wavetable_name(content)


def _modulations(
    listed: Sequence[Mapping[str, str]], values: Mapping[str, float], knobs: dict[str, float], extra: dict[str, Any]
) -> None:
    """Put modulations into the table's slots, in order, and those that it cannot express into the extra."""
    used = []
    for n, pair in enumerate(listed[:N_SLOTS], start=1):
        if pair.get("source") and pair.get("destination"):
            used.append((n, pair["source"], pair["destination"]))
    free = [n for n in SLOTS if n not in {slot for slot, _, _ in used}]
    later = iter(range(SLOTS[-1] + 1, N_SLOTS + 1))
    for n, source, destination in used:
        parts = {part: values[f"modulation_{n}_{part}"] for part in _SLOT_PARTS}
        plain = not (parts["power"] or parts["stereo"] or parts["bypass"])
        if source in SOURCES and destination in DESTINATIONS and plain and (n in SLOTS or free):
            slot = f"modulation_{n if n in SLOTS else free.pop(0)}"
            for part, choice in (("source", source), ("destination", destination)):
                knobs[f"{slot}_{part}"] = TABLE.parameter(f"{slot}_{part}").knob(choice)
            for part in ("amount", "bipolar"):
                row = TABLE.parameter(f"{slot}_{part}")
                knobs[row.name] = control_knob(row, parts[part])
        else:
            extra[f"modulation.{next(later)}"] = {"source": source, "destination": destination, **parts}
            if n in SLOTS:
                for part in ("amount", "bipolar"):
                    knobs[f"modulation_{n}_{part}"] = TABLE.parameter(f"modulation_{n}_{part}").default


def _number(settings: Mapping[str, Any], name: str, default: float) -> float:
    value = settings.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or abs(value) == float("inf"):
        raise PresetError(f"{name} is {value!r}; allowed: a number")
    return float(f"{float(value):.7g}")


def _texts(extra: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return ((key, json.dumps(content)) for key, content in sorted(extra.items()))


def as_data(patch: Patch) -> dict[str, Any]:
    """The ``extra`` of a patch as JSON-ready data."""
    return {key: json.loads(text) for key, text in patch.extra}


def from_data(data: Any) -> tuple[tuple[str, str], ...]:
    """``Patch.extra`` from the data that ``as_data`` returns; raises ``FormatError``."""
    if not isinstance(data, dict):
        raise FormatError(f"the state of a Vital patch is {type(data).__name__}; allowed: an object")
    return tuple(_texts(data))


def codes(base: Patch, free: frozenset[str], *, discrete: bool) -> ExtraCodes | None:
    """None: wavetables and shapes are not searched, only chosen (``osc_K_wavetable``, ``lfo_K_shape``)."""
    return None


def with_wavetable(patch: Patch, k: int, content: Mapping[str, Any]) -> Patch:
    """A patch with a wavetable of its own in an oscillator."""
    extra = dict(patch.extra) | {f"wavetable.{k}": json.dumps(content)}
    own = TABLE.parameter(f"osc_{k}_wavetable").knob(OWN)
    return patch.with_knobs({f"osc_{k}_wavetable": own}).with_extra(sorted(extra.items()))
