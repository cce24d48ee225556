"""The programs of preset files, banks and folders, as a user names them."""

from __future__ import annotations

from pathlib import Path

from render.errors import FileError, PresetError
from render.instruments.instrument import Instrument, Program

_MOST_LISTED = 8


def read_program(instrument: Instrument, text: str | Path) -> Program:
    """Read one program.

    Args:
        instrument: synth of the preset.
        text: a file with one program, or ``FILE:NAME`` or ``FILE:NUMBER`` for one of a bank; numbers begin at 1.

    Raises:
        FileError: if there is no such file.
        PresetError: if it is not a preset of the synth, or has several programs of which none is named.
    """
    path, wanted = Path(text), ""
    if not path.exists():
        parts = str(text).split(":")
        splits = ((":".join(parts[:k]), ":".join(parts[k:]).strip()) for k in range(1, len(parts)))
        found_file = next((split for split in splits if split[0] and Path(split[0]).is_file()), None)
        if found_file is None:
            raise FileError(f"no such file: {text}")
        path, wanted = Path(found_file[0]), found_file[1]
    programs = instrument.presets.read_programs(path)
    if not wanted and len(programs) == 1:
        return programs[0]
    found = [program for program in programs if program.name.strip().lower() == wanted.lower()] if wanted else []
    if not found and wanted.isdecimal() and 1 <= int(wanted) <= len(programs):
        found = [programs[int(wanted) - 1]]
    if not found:
        names = ", ".join(program.name for program in programs[:_MOST_LISTED])
        more = f" and {len(programs) - _MOST_LISTED} more" if len(programs) > _MOST_LISTED else ""
        what = f"has no program {wanted!r}" if wanted else f"is a bank of {len(programs)} programs"
        raise PresetError(f"{path.name} {what}; name one as {path.name}:NAME or :NUMBER: {names}{more}")
    return found[0]


def read_bank(instrument: Instrument, path: Path) -> list[Program]:
    """Read every program of a preset file or a bank, or of the preset files of a folder and of the folders in it.

    Whatever else than presets of the synth is in a folder is left out.

    Raises:
        FileError: if the file cannot be read, or there is no preset in the folder.
        PresetError: if the file is not a preset of the synth.
    """
    if not path.is_dir():
        return instrument.presets.read_programs(path)
    suffix, found = instrument.presets.SUFFIX, list[Program]()
    for file in sorted(path.rglob(f"*{suffix}")):
        if not file.is_file():  # a pipe would be waited for
            continue
        try:
            found += instrument.presets.read_programs(file)
        except (FileError, PresetError):
            continue
    if not found:
        raise FileError(f"no {suffix} preset of {instrument.table.title} in {path}")
    return found
