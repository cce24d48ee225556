"""Sounds that NoiseMaker did not make, as ``python -m benchmarks foreign`` writes them into a folder."""

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
    """A sound, and what made it: the instrument (a key of ``PACKAGES``), its preset and the key press."""

    instrument: str
    preset: str
    note: Note
    audio: Audio

    @property
    def name(self) -> str:
        """Of the sound and, with other characters, of its file."""
        return f"{self.instrument} {self.preset}"


def read_foreign(folder: Path) -> list[ForeignSound]:
    """The sounds that were written into a folder; raises ``FileError`` where there are none."""
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
