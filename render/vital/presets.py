"""Vital's preset files (``NAME.vital``): reading those of versions 0.9 to 1.5, and writing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from render.errors import PresetError
from render.files import parse_json, write_text
from render.instruments.instrument import Program
from render.instruments.patch import Patch
from render.instruments.preset_file import read_preset_file
from render.vital.state import patch_of, preset_text
from render.vital.table import OSCILLATORS

SUFFIX = ".vital"

_MAX_BYTES = 64 * 1024 * 1024
_OLDEST, _NEWEST = (0, 9), (1, 5)
"""Versions of Vital whose settings mean the same: an engine that migrates older ones changes none of these
(measured with random settings of every control), and later ones are not known."""
_ENGINE_VERSION = "99999"
"""What the package ``vita`` calls itself in presets."""
_FEWEST_SETTINGS = 100


def read_programs(path: Path | str) -> list[Program]:
    """The program of a preset file.

    Raises:
        FileError: if the file cannot be read.
        PresetError: if it is no Vital preset of version 0.9 to 1.5, or is damaged.
    """
    stem = Path(path).stem

    def parse(content: bytes) -> list[Program]:
        try:
            return [parse_program(content.decode("utf-8"), stem)]
        except UnicodeDecodeError as error:
            raise PresetError("not a Vital preset: not text") from error

    return read_preset_file(path, parse, most_bytes=_MAX_BYTES, kind="Vital preset")


def parse_program(text: str, stem: str = "") -> Program:
    """The program of a preset file's content; raises ``PresetError``."""
    try:
        content = parse_json(text)
    except ValueError as error:
        raise PresetError(f"not a Vital preset: {error}") from error
    settings = content.get("settings") if isinstance(content, dict) else None
    if not isinstance(settings, dict) or len(settings) < _FEWEST_SETTINGS:
        raise PresetError("JSON, but not a Vital preset: it has no settings of the synth")
    _check_version(content.get("synth_version"))
    try:
        patch = patch_of(settings)
    except (AttributeError, KeyError, TypeError) as error:
        raise PresetError(f"a damaged Vital preset: {type(error).__name__}: {error}") from error
    return Program(str(content.get("preset_name") or stem), patch)


def write_program(path: Path | str, program: Program) -> None:
    """Write one program as a preset file that Vital opens; raises ``FileError``."""
    write_text(Path(path), to_text(program))


def to_text(program: Program) -> str:
    """The content of a preset file. A comment says which oscillators start at a fixed phase."""
    return preset_text(program.patch, program.name, _comment(program.patch))


def _comment(patch: Patch) -> str:
    fixed = [k for k in OSCILLATORS if patch.choice(f"osc_{k}_on") == "on" and patch[f"osc_{k}_random_phase"] == 0.0]
    if not fixed:
        return ""
    numbers = " and ".join(map(str, fixed)) if len(fixed) < 3 else "1, 2 and 3"
    plural = "s" if len(fixed) > 1 else ""
    return f"The phase randomization of oscillator{plural} {numbers} is 0 %: every note sounds like the match."


def _check_version(version: Any) -> None:
    allowed = f"{'.'.join(map(str, _OLDEST))} to {'.'.join(map(str, _NEWEST))}"
    found = re.match(r"(\d+)\.(\d+)", version) if isinstance(version, str) else None
    if found is None:
        raise PresetError(f"preset version {version!r} is not known; allowed: {allowed}")
    if found[1] != _ENGINE_VERSION and not _OLDEST <= (int(found[1]), int(found[2])) <= _NEWEST:
        raise PresetError(f"preset version {version} is not known; allowed: {allowed}")
