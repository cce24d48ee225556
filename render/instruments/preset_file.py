"""Reading a preset file of any synth, with errors that name the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from render.errors import PresetError
from render.files import read_start

T = TypeVar("T")


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
        raise PresetError(f"{path.name}: {error}") from error
