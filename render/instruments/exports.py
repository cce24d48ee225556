"""The preset files of a match beside the synth's own: for plug-in hosts, and the note to try it with."""

from __future__ import annotations

import re

from render.errors import OutOfRange
from render.instruments.containers import fxprogram, vstpreset
from render.instruments.instrument import Instrument, Program
from render.midi import midi_file
from render.note import Note

FORMATS = ("vstpreset", "fxp", "mid")
"""Names of the formats on the command line; each is also the ending of the file's name."""

KINDS = {"vstpreset": "vst3_preset", "fxp": "vst2_preset", "mid": "midi"}
"""Keys of the files in ``NAME.json``."""

_CLASS_ID = re.compile(r"[0-9A-F]{32}")


def checked_class_id(text: str) -> str:
    """A VST3 class id in upper case; raises ``OutOfRange`` for anything but 32 hexadecimal digits."""
    plain = text.strip().replace("-", "").upper()
    if not _CLASS_ID.fullmatch(plain):
        raise OutOfRange("class id", text, "32 hexadecimal digits")
    return plain


def exported(instrument: Instrument, program: Program, note: Note, format_: str, class_id: str | None) -> bytes | None:
    """The content of a file.

    Args:
        instrument: synth of the program.
        program: patch with its name.
        note: key press that the patch is meant for.
        format_: one of ``FORMATS``.
        class_id: class id of the VST3 that will load the file; None for that of the likeliest known build.

    Returns:
        The bytes; None if the instrument has no such files.
    """
    if format_ == "mid":
        return midi_file(note)
    if instrument.plugin_state is None:
        return None
    state = instrument.plugin_state(program)
    if format_ == "fxp":
        if not instrument.vst2_id:
            return None
        return fxprogram(state, instrument.vst2_id, program.name, len(instrument.table.parameters))
    known = class_id or next(iter(instrument.class_ids), None)
    return None if known is None else vstpreset(state, known)
