"""NoiseMaker's own preset files (``NAME.noisemakerpreset``): reading every version, writing 1.7; and reading the
states that plug-in hosts keep of it (``.vstpreset``, ``.fxp``).

A file is XML: ``<tal version><programs><program programname="..." volume="..." ...><splinePoints><splinePoint .../>``.
One program or a whole bank. Facts about versions and spellings: ``docs/noisemaker.md``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree

import defusedxml.ElementTree

from render.errors import OutOfRange, PresetError
from render.files import write_bytes
from render.instruments.containers import unwrapped
from render.instruments.instrument import Program
from render.instruments.parameter import Kind, Parameter
from render.instruments.patch import Patch
from render.instruments.preset_file import read_preset_file
from render.noisemaker.envelope_editor import EnvelopePoint
from render.noisemaker.table import FILTER_TYPES, TABLE

PRESET_VERSION = "1.7"
SUFFIX = ".noisemakerpreset"

_MAX_BYTES = 32 * 1024 * 1024  # the factory bank of 176 programs is 0.7 MB
_ALIASES = {"velocityfilter": "velocitycutoff"}
_ONE_BASED_BEFORE = 1.6
_FEWER_FILTERS_BEFORE = 1.7
_OLD_FILTER_COUNT = 10
_FEWEST_ATTRIBUTES = 20
"""A NoiseMaker program has at least this many of the sound parameters; presets of other TAL synths share a few."""

_POINT_ATTRIBUTES = {
    "x": "centerPointX",
    "y": "centerPointY",
    "left_x": "controlPointLeftX",
    "left_y": "controlPointLeftY",
    "right_x": "controlPointRightX",
    "right_y": "controlPointRightY",
}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_programs(path: Path | str) -> list[Program]:
    """Every program of a preset file or bank, in order; of a plug-in host's ``.vstpreset`` or ``.fxp`` too.

    Raises:
        FileError: if the file cannot be read.
        PresetError: if it is not a NoiseMaker preset of version 1.0 to 1.7, or is damaged.
    """
    return read_preset_file(path, parse_programs, most_bytes=_MAX_BYTES, kind="NoiseMaker preset")


def parse_programs(content: bytes) -> list[Program]:
    """Every program of a preset file's content; raises ``PresetError``."""
    text = unwrapped(content)
    try:
        root = defusedxml.ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise PresetError(f"not a NoiseMaker preset: {error}") from error
    if root.tag != "tal":
        raise PresetError(f"not a NoiseMaker preset: its root is <{root.tag}>, not <tal>")
    version = _number("version", root.get("version", ""))
    if not 1.0 <= version < float(PRESET_VERSION) + 0.05:
        raise PresetError(f"preset version {version:g} is not known; allowed: 1.0 to {PRESET_VERSION}")
    programs = [_program(element, version) for element in root.iterfind("programs/program")]
    if not programs:
        raise PresetError("a NoiseMaker preset without a program")
    return programs


def write_program(path: Path | str, program: Program) -> None:
    """Write one program as a preset file that NoiseMaker opens.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "Pluck.noisemakerpreset"
        >>> write_program(path, Program("Pluck", TABLE.patch({"cutoff": 0.5})))
        >>> (program,) = read_programs(path)
        >>> program.name, program.patch["cutoff"]
        ('Pluck', 0.5)

    Raises:
        FileError: if the file cannot be written.
    """
    write_bytes(Path(path), to_xml([program]))


def to_xml(programs: Iterable[Program]) -> bytes:
    """The content of a preset file (one program) or bank (several), version 1.7, UTF-8."""
    root = ElementTree.Element("tal", curprogram="0", version=PRESET_VERSION)
    parent = ElementTree.SubElement(root, "programs")
    for program in programs:
        attributes = {"programname": _NOT_XML.sub("", program.name)}
        for row, knob in zip(TABLE.parameters, program.patch.knobs, strict=True):
            attributes[row.name] = _text(knob)
        element = ElementTree.SubElement(parent, "program", attributes)
        points = ElementTree.SubElement(element, "splinePoints")
        last = len(program.patch.extra) - 1
        for k, point in enumerate(program.patch.extra):
            flags = {"isStartPoint": str(int(k == 0)), "isEndPoint": str(int(k == last))}
            coordinates = {name: _text(getattr(point, field)) for field, name in _POINT_ATTRIBUTES.items()}
            ElementTree.SubElement(points, "splinePoint", flags | coordinates)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8")
    return b"<?xml version='1.0' encoding='UTF-8'?>\n" + text + b"\n"


def _text(value: float) -> str:
    return repr(int(value)) if value in (0.0, 1.0) else repr(float(value))


def _program(element: ElementTree.Element, version: float) -> Program:
    attributes = {_ALIASES.get(name.lower(), name.lower()): text for name, text in element.attrib.items()}
    known = sum(row.name in attributes for row in TABLE.parameters)
    if known < _FEWEST_ATTRIBUTES:
        raise PresetError(f"not a NoiseMaker program: it has only {known} of the synth's parameters")
    knobs = tuple(_knob(row, attributes, version) for row in TABLE.parameters)
    points = tuple(_point(point) for point in element.iterfind("splinePoints/splinePoint"))
    try:
        return Program(attributes.get("programname", ""), Patch(TABLE, knobs, points))
    except OutOfRange as error:
        raise PresetError(str(error)) from error


def _knob(row: Parameter, attributes: Mapping[str, str], version: float) -> float:
    if row.name not in attributes:
        return row.default
    value = _number(row.name, attributes[row.name])
    if row.kind is not Kind.CHOICE:
        return value
    old_filter = row.choices is FILTER_TYPES and version < _FEWER_FILTERS_BEFORE - 0.05
    last = (_OLD_FILTER_COUNT if old_filter else len(row.choices)) - 1
    if version < _ONE_BASED_BEFORE - 0.05:
        value = (value - 1.0) / last
    if not old_filter:
        return value
    index = math.floor(value * last + 0.5)
    if not 0 <= index <= last:
        raise PresetError(f"{row.name} is {value!r}; allowed: 0 to 1")
    return row.choice_knobs[index]


def _point(element: ElementTree.Element) -> EnvelopePoint:
    try:
        return EnvelopePoint(
            **{field: _number(name, element.get(name, "")) for field, name in _POINT_ATTRIBUTES.items()}
        )
    except OutOfRange as error:
        raise PresetError(str(error)) from error


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise PresetError(f"{name} is {text!r}, not a number")
    return value
