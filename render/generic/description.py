"""The description of a plug-in: a JSON file that ``python -m render describe`` writes and that a person can correct.

    {"schema": 1, "title": "amsynth_vst", "plugin": "/usr/lib/vst/amsynth_vst.so", "program": {...}, "parameters": [
      {"name": "osc1_waveform", "index": 4, "label": "osc1_waveform", "default": 0.5, "unit": "",
       "choices": ["0", "1", "2", "3", "4"], "role": null, "sounds": true},
      {"name": "master_vol", "index": 14, ..., "role": "level", "gains": [0.0, 0.0039, ...], "sounds": true},
      {"name": "midi_channel", "index": 3, ..., "role": "kept", "sounds": false}]}

A parameter with the role ``level`` is the volume: it is not searched, but set by the level of the clip, if ``gains``
says how loud the plug-in is at evenly spaced knobs. One with the role ``kept`` (bypass and the like) keeps its default,
and so does one that does not sound.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from render.errors import FormatError
from render.files import read_json, write_text
from render.instruments.curve import Curve
from render.instruments.parameter import Kind, Parameter, Role
from render.instruments.table import Table

SCHEMA = 1
LEVEL, KEPT = "level", "kept"
ROLES = (None, LEVEL, KEPT)


@dataclass(frozen=True)
class Described:
    """One parameter of a plug-in.

    Attributes:
        name: name of the row, in lower case and unique.
        index: number of the parameter in the plug-in.
        label: the plug-in's own name.
        default: knob of a fresh instance.
        unit: unit of its value, for people.
        choices: names of its values if it is discrete; empty if it is continuous.
        role: one of ``ROLES``.
        gains: level of the plug-in at evenly spaced knobs, relative to the loudest; for the role ``level`` only.
        sounds: whether renders showed that it changes the sound.
    """

    name: str
    index: int
    label: str
    default: float
    unit: str = ""
    choices: tuple[str, ...] = ()
    role: str | None = None
    gains: tuple[float, ...] = ()
    sounds: bool = True


@dataclass(frozen=True)
class Description:
    """The description of a plug-in.

    Attributes:
        title: name for people.
        plugin: path of the plug-in.
        program: identity of the plug-in in preset files: ``id`` and ``version`` of a VST2.
        parameters: its parameters, in the plug-in's order.
    """

    title: str
    plugin: str
    program: Mapping[str, int]
    parameters: tuple[Described, ...]

    def rows(self) -> tuple[Described, ...]:
        """The parameters that have a row in the table: those that sound, and the level."""
        return tuple(p for p in self.parameters if p.role == LEVEL or (p.sounds and p.role is None))


def write_description(path: Path, description: Description) -> None:
    """Write a description, one line for each parameter; raises ``FileError``."""
    head = {key: value for key, value in asdict(description).items() if key != "parameters"}
    lines = [json.dumps(_plain(parameter)) for parameter in description.parameters]
    text = json.dumps({"schema": SCHEMA, **head, "parameters": []}, indent=1)
    write_text(path, text.replace('"parameters": []', '"parameters": [\n  ' + ",\n  ".join(lines) + "\n ]") + "\n")


def read_description(path: Path) -> Description:
    """Read a description.

    Raises:
        FileError: if it cannot be read.
        FormatError: if it is not a description, or is damaged.
    """
    content = read_json(path, SCHEMA, "no description of a plug-in")
    try:
        parameters = tuple(_described(row) for row in content["parameters"])
        found = Description(content["title"], content["plugin"], content["program"], parameters)
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path} is a damaged description: {type(error).__name__}: {error}") from error
    names = [parameter.name for parameter in parameters]
    for parameter in parameters:
        if parameter.role not in ROLES:
            raise FormatError(f"{path}: the role of {parameter.name} is {parameter.role!r}; allowed: null, level, kept")
        if names.count(parameter.name) > 1:
            raise FormatError(f"{path}: {parameter.name} stands twice; allowed: names that differ")
    if not any(parameter.role is None and parameter.sounds for parameter in parameters):
        raise FormatError(f"{path} has no parameter that sounds; allowed: one or more")
    return found


@functools.cache
def table_of(path: Path) -> Table:
    """The parameter table of a described plug-in, the same object for the same file."""
    description = read_description(path)
    rows = tuple(_row(parameter) for parameter in description.rows())
    return Table(description.title, f"render.generic.tables:{path}", rows)


def _row(parameter: Described) -> Parameter:
    name, label = parameter.name, parameter.label
    if parameter.role == LEVEL:
        curve = _level_curve(parameter.gains) if parameter.gains else Curve("knob", "", lambda v: v)
        role = Role.LEVEL if parameter.gains else None
        return Parameter(
            name, label, "plug-in", Kind.CONTINUOUS, parameter.default, curve=curve, role=role, silent=role is None
        )
    if parameter.choices:
        return Parameter(name, label, "plug-in", Kind.CHOICE, parameter.default, parameter.choices)
    return Parameter(name, label, "plug-in", Kind.CONTINUOUS, parameter.default)


def _level_curve(gains: tuple[float, ...]) -> Curve:
    """The measured gains of a volume knob, made increasing."""
    rising = np.maximum.accumulate(np.array(gains)) + 1e-6 * np.arange(len(gains))
    knobs = np.linspace(0.0, 1.0, len(gains))
    return Curve(
        f"level {np.round(rising, 4).tolist()}",
        "gain",
        lambda knob: float(np.interp(knob, knobs, rising)),
        inverse=lambda gain: float(np.interp(gain, rising, knobs)),
    )


def _plain(parameter: Described) -> dict[str, Any]:
    """A parameter without the fields that are empty."""
    content = asdict(parameter)
    kept = ("name", "index", "label", "default", "role", "sounds")
    return {key: value for key, value in content.items() if key in kept or value not in ("", (), [])}


def _described(row: Mapping[str, Any]) -> Described:
    fields = dict(row) | {key: tuple(row[key]) for key in ("choices", "gains") if key in row}
    default = float(fields["default"])
    if not 0.0 <= default <= 1.0:
        raise ValueError(f"the default of {fields['name']} is {default!r}, not 0 to 1")
    return Described(**fields)
