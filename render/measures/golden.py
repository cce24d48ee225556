"""Golden renders of the real plug-in, read from a folder in the format that ``python -m benchmarks golden`` writes."""

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
from render.noisemaker.envelope_editor import EnvelopePoint
from render.noisemaker.table import TABLE
from render.note import Note

SILENT_PEAK = 0.001
"""A render with a lower peak counts as silent: next to silence, distances mean nothing."""


@dataclass(frozen=True)
class GoldenRow:
    """A render of the real plug-in with its patch and note.

    Attributes:
        folder: folder of the golden renders.
        file: audio file, relative to the folder.
        name: name of the preset; for a probe, which has none, the stem of its file.
        group: block of the instrument that the row tests; ``whole`` or ``factory`` for whole patches.
        patch: patch that was rendered, with the envelope editor's points if the row or the bank has them.
        note: key press that it was rendered with.
        gain: factor that gives the samples of the file the plug-in's own level.
        peak: largest sample of the render at the plug-in's own level.
        stereo: whether its channels differ.
        floor_mss: MSS in dB between two renders of the patch by the plug-in itself, with different random numbers; None
            where it is meaningless.
        uses_envelope_editor: whether the envelope editor is audible.
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
        """Stem of the file, which unlike ``name`` is unique."""
        return Path(self.file).stem

    @property
    def audible(self) -> bool:
        """Whether the render is loud enough to be compared."""
        return self.peak >= SILENT_PEAK

    def audio(self) -> Audio:
        """The render at the plug-in's own level, shape ``(2, note.n_samples)``."""
        audio, _, _ = read_audio(self.folder / self.file)
        audio = np.repeat(audio, 3 - len(audio), axis=0) if len(audio) == 1 else audio
        missing = self.note.n_samples - audio.shape[1]
        return np.pad(audio, ((0, 0), (0, max(missing, 0))))[:, : self.note.n_samples] * np.float32(self.gain)


def read_rows(folder: Path, bank: Path | None = None) -> list[GoldenRow]:
    """Every row of ``probes.jsonl`` and ``factory.jsonl``.

    Args:
        folder: folder with one of the two files, or both.
        bank: preset bank with the envelope points of the factory rows; by default a file beside the folder.

    Raises:
        FileError: if neither of the files exists.
        FormatError: if a row lacks a field, or has a value that is not allowed.

    Example:
        >>> row = read_rows(Path("DIR"))[0]  # doctest: +SKIP
        >>> row.patch.settings(), row.note, row.audio()  # doctest: +SKIP
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
            # One probe sets the LFO waveform to 1.01, which selects the same waveform as 1.
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
            raise FormatError(f"{file.name} line {number} is not a golden row: {error}") from error
