"""Reading golden renders: a folder in the format that ``python -m benchmarks golden`` writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from render.audio import Audio, read_audio
from render.errors import FileError, FormatError
from render.instruments.patch import Patch
from render.noisemaker.envelope_point import EnvelopePoint
from render.noisemaker.table import TABLE
from render.note import Note


@dataclass(frozen=True)
class GoldenRow:
    """A render of the real plug-in and what it was rendered from.

    Attributes:
        name: of the preset, or the stem of the file.
        group: what the row is about; ``factory`` for presets.
        patch: the knobs, with the envelope editor's points where the row or the bank has them.
        note: the key press.
        floor_mss: the plug-in's own difference between two renders of this patch, dB; None where it has no meaning.
        peak: of the audio.
        stereo: whether its sides differ.
    """

    folder: Path
    file: str
    name: str
    group: str
    patch: Patch
    note: Note
    gain: float
    peak: float
    stereo: bool
    floor_mss: float | None
    uses_envelope_editor: bool

    @property
    def stem(self) -> str:
        """Of the file, which unlike ``name`` is unique."""
        return Path(self.file).stem

    def audio(self) -> Audio:
        """The render at the plug-in's own level, shape ``(2, note.n_samples)``."""
        audio, _, _ = read_audio(self.folder / self.file)
        audio = np.repeat(audio, 3 - len(audio), axis=0) if len(audio) == 1 else audio
        missing = self.note.n_samples - audio.shape[1]
        return np.pad(audio, ((0, 0), (0, max(missing, 0))))[:, : self.note.n_samples] * np.float32(self.gain)


def read_rows(folder: Path, bank: Path | None = None) -> list[GoldenRow]:
    """Every row of ``probes.jsonl`` and ``factory.jsonl``.

    Args:
        folder: with the two files.
        bank: preset bank that has the envelope points of the factory rows; looked for beside the folder.

    Raises:
        FileError: if there is no row file.
        FormatError: if a row lacks a field.
    """
    files = [folder / name for name in ("probes.jsonl", "factory.jsonl") if (folder / name).is_file()]
    if not files:
        raise FileError(f"no golden rows (probes.jsonl, factory.jsonl) in {folder}")
    points = _bank_points(bank or folder.parent / "presets" / "factory-bank-1.6.xml")
    base = _base(folder)
    return [row for file in files for row in _rows(file, folder, base, points)]


def _base(folder: Path) -> dict[str, float]:
    file = folder / "base_patch.json"
    return json.loads(file.read_text()) if file.is_file() else {}


def _bank_points(bank: Path) -> dict[str, tuple[EnvelopePoint, ...]]:
    if not bank.is_file():
        return {}
    from render.noisemaker.presets import read_programs

    return {program.name: program.patch.extra for program in read_programs(bank)}


def _rows(
    file: Path, folder: Path, base: dict[str, float], bank: dict[str, tuple[EnvelopePoint, ...]]
) -> Iterator[GoldenRow]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row: dict[str, Any] = json.loads(line)
            name = row.get("name", Path(row["file"]).stem)
            points = tuple(EnvelopePoint(**point) for point in row.get("envelope_points", ())) or bank.get(name, ())
            knobs = row["patch"] if "patch" in row else base | row["changes"]
            # One probe asks for the last LFO waveform with a knob of 1.01, which means the same as 1.
            knobs = {knob: min(value, 1.0) for knob, value in knobs.items()}
            yield GoldenRow(
                folder=folder,
                file=row["file"],
                name=name,
                group=row.get("group", "factory"),
                patch=TABLE.patch(knobs, points),
                note=Note(row["note"], row["velocity"], row["gate_seconds"], row["seconds"]),
                gain=row["gain"],
                peak=row["peak"],
                stereo=row["channels"] == 2,
                floor_mss=row.get("floor_mss"),
                uses_envelope_editor=row.get("uses_envelope_editor", "envelope_points" in row),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{file.name} line {number} is no golden row: {error}") from error
