"""The folder for ``--install``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from inference.command.arguments import ASK
from render.errors import FileError, OutOfRange

if TYPE_CHECKING:
    from render.instruments.instrument import Instrument


def preset_folder(chosen: Path | None, instrument: Instrument) -> Path | None:
    """The folder for presets; a person at a terminal is asked where it is unknown.

    Args:
        chosen: value of ``--install``: None if it was not given, ``ASK`` if it was given without a folder.
        instrument: the synth.

    Raises:
        OutOfRange: if it is unknown and the user cannot be asked.
        FileError: if there is no such folder.
    """
    from inference.output.files import presets_variable, synth_folder

    if chosen is None:
        return None
    folder = chosen
    if folder == ASK:
        known = synth_folder(instrument)
        if known is None and not sys.stdin.isatty():
            usual = instrument.preset_folders() if instrument.preset_folders is not None else ()
            where = f"; none of the usual ones exists: {', '.join(map(str, usual))}" if usual else ""
            named = f"a folder, or one named by {presets_variable(instrument)}"
            raise OutOfRange("--install", "without a folder", f"{named}{where}")
        folder = known or Path(input("Folder of the synth's user presets: ").strip()).expanduser()
    if not folder.is_dir():
        raise FileError(f"no such preset folder: {folder}")
    return folder
