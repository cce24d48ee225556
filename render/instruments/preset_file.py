"""Reading a preset file of any synth, with errors that name the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from render.errors import PresetError
from render.files import read_start

T = TypeVar("T")

_OTHER_FILES = {
    b"RIFF": "an audio file (WAV)",
    b"fLaC": "an audio file (FLAC)",
    b"OggS": "an audio file (Ogg)",
    b"FORM": "an audio file (AIFF)",
    b"ID3": "an audio file (MP3)",
    b"MThd": "a MIDI file",
    b"PK\x03\x04": "a ZIP archive",
    b"VST3": "a VST3 preset of another plug-in, or a damaged one",
    b"CcnK": "a VST2 preset of another plug-in, or a damaged one",
    b"{": "JSON",
    b"<!doctype html": "a web page",
    b"\xf0": "a system-exclusive message (.syx)",
}
"""First bytes of other files that people may take for a preset."""


def read_preset_file(path: Path | str, parse: Callable[[bytes], T], *, most_bytes: int, kind: str) -> T:
    """Read and parse a file.

    Args:
        path: the file.
        parse: reads the content; raises ``PresetError``.
        most_bytes: size above which the file cannot be a preset, in whole MiB.
        kind: expected kind of file, for the message.

    Raises:
        FileError: if the file cannot be read.
        PresetError: if it is too large, or what ``parse`` raises, with the name of the file.
    """
    path = Path(path)
    content = read_start(path, most_bytes + 1)
    if len(content) > most_bytes:
        raise PresetError(f"{path.name}: larger than {most_bytes >> 20} MiB, so no {kind}")
    try:
        return parse(content)
    except PresetError as error:
        what = _what_is(content) if str(error).startswith(f"not a {kind}") else None
        raise PresetError(f"{path.name}: {f'not a {kind} but {what}' if what else error}") from error


def _what_is(content: bytes) -> str | None:
    """What a file is by its beginning, if that is known."""
    if not content:
        return "an empty file"
    start = content[:64].lstrip()
    return next((what for magic, what in _OTHER_FILES.items() if start[: len(magic)].lower() == magic.lower()), None)
