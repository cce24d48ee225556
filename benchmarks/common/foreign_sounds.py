"""Reading sounds of other synthesizers, which ``python -m benchmarks foreign`` makes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from render.audio import Audio, read_audio
from render.errors import FileError
from render.note import Note

ROWS = "foreign.jsonl"


@dataclass(frozen=True)
class ForeignSound:
    """A sound with its instrument (a key of ``PACKAGES``), preset and key press."""

    instrument: str
    preset: str
    note: Note
    audio: Audio

    @property
    def name(self) -> str:
        """Name of the sound, from which that of its file is made."""
        return f"{self.instrument} {self.preset}"


def read_foreign(folder: Path) -> list[ForeignSound]:
    """The sounds of a folder; raises ``FileError`` if there are none."""
    try:
        lines = (folder / ROWS).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise FileError(f"cannot read {folder / ROWS}: {error.strerror or error}") from error
    sounds = []
    for row in map(json.loads, lines):
        note = Note(row["note"], row["velocity"], row["gate_seconds"], row["seconds"])
        audio, _, _ = read_audio(folder / row["file"])
        sounds.append(ForeignSound(row["instrument"], row["preset"], note, audio))
    return sounds
