"""Golden data survive being written, and the comparison counts what lies within the floor."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.parts import golden
from render.audio import Audio
from render.errors import FileError
from render.instruments.instrument import Program
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note

NOTE = Note(60, seconds=0.5)


def sound(level: float, hz: float = 220.0) -> Audio:
    mono = level * np.sin(2.0 * np.pi * hz * np.arange(NOTE.n_samples) / SAMPLE_RATE)
    return np.stack([mono, mono]).astype(np.float32)


def write(folder: Path, names: list[str], audios: list[Audio], floor: float) -> list[dict[str, object]]:
    programs = [Program(name, TABLE.default) for name in names]
    files = golden._file_names(programs)
    rows = [
        golden._write(folder, file, program, NOTE, audio, floor)
        for file, program, audio in zip(files, programs, audios, strict=True)
    ]
    (folder / "factory.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows


def test_a_render_louder_than_a_flac_can_hold_comes_back(tmp_path: Path) -> None:
    audio = sound(7.0)
    (row,) = write(tmp_path, ["! Loud / one"], [audio], 0.0)
    assert row["file"] == "factory/Loud_one.flac"
    assert row["channels"] == 1
    back = golden.read_golden(tmp_path, row)
    assert back.shape == (1, NOTE.n_samples)
    assert np.abs(back - audio[:1]).max() < 7.0 / 2**14


def test_silence_and_equal_names_are_written_too(tmp_path: Path) -> None:
    rows = write(tmp_path, ["a", "a"], [sound(0.0), sound(0.1)], 0.0)
    assert [row["file"] for row in rows] == ["factory/a.flac", "factory/a_2.flac"]
    assert not golden.read_golden(tmp_path, rows[0]).any()


def test_the_comparison_counts_what_lies_within_the_floor(tmp_path: Path) -> None:
    names = ["same", "close", "far", "unknown"]
    ours = [sound(0.5), sound(0.5), sound(0.5), sound(0.5)]
    theirs = [sound(0.5), sound(0.49), sound(0.5, hz=330.0)]
    rows = write(tmp_path / "ours", names, ours, 0.1)
    write(tmp_path / "theirs", names[:3], theirs, 0.1)
    table = tmp_path / "results" / "table.csv"
    share = golden.compare(rows, tmp_path / "ours", tmp_path / "theirs", table, "a host")
    assert share == pytest.approx(2 / 3)
    lines = table.read_text().splitlines()
    assert "a host" in lines[0]
    assert [line.split(",")[0] for line in lines[2:]] == names[:3]


def test_a_folder_without_golden_data_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot read"):
        golden.compare([], tmp_path, tmp_path / "none", None, "")
