"""A clip of a chord, from the command line to the files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from inference.cli import main
from render.audio import write_wav
from render.noisemaker.hosts import open_host
from render.noisemaker.presets import read_programs
from render.noisemaker.table import TABLE
from render.note import Note

KEYS = ["--chord", "--note", "G3", "--note", "C3", "--note", "E3"]
PLAIN = TABLE.patch({"osc3volume": 0.0, "cutoff": 0.5, "voices": 0.4, "ampdecay": 0.3, "ampsustain": 0.0})


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "chord.wav"
    write_wav(path, open_host().render(PLAIN, Note.of((48, 52, 55), 100, 0.3, 0.5))[:1])
    return path


def test_a_chord_is_matched_by_one_patch_and_gone_on_with(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    few = ["--workers", "1", "--plugin", "embedded"]
    assert main([str(clip), "--out", str(out), *KEYS, *few, "--renders", "120", "--steps", "16"]) == 0
    assert "chord C3 E3 G3" in capsys.readouterr().err
    record = json.loads((out / "chord.json").read_text())
    assert (record["note"], record["note_fixed"]) == (48, True)
    assert [stage["name"] for stage in record["stages"]] == ["start", "guess", "descend", "search", "tidy"]
    assert record["stages"][2]["steps"] > 0
    best = record["best"]
    assert best["note"]["chord"] == [4, 7]
    assert {trial["note"] for trial in record["trials"][0]} == {36, 48, 60}
    patch = read_programs(out / "chord.noisemakerpreset")[0].patch
    assert patch.index("voices") + 1 >= 3
    # A chord is no single note: a patch with one voice is far from the clip.
    mono = patch.with_knobs({"voices": 0.0})
    note = Note.from_data(best["note"])
    host = open_host()
    both = [np.square(host.render(one, note)).sum() for one in (patch, mono)]
    assert both[0] > 1.5 * both[1]
    assert "48 (C3), 52 (E3), 55 (G3)" in (out / "chord.html").read_text()
    assert (out / "chord.mid").read_bytes().count(b"\x90") == 3

    assert main(["--resume", str(out), *few, "--renders", "20", "--steps", "4"]) == 0
    again = json.loads((out / "chord.json").read_text())
    assert again["best"]["note"]["chord"] == [4, 7]
    assert again["options"]["locked"] == record["options"]["locked"] == {"voices": 1.0}
    assert again["best"]["distance"]["mss"] <= best["distance"]["mss"] + 0.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--chord"], "number of keys"),
        (["--chord", "--note", "C4"], "number of keys"),
        (["--chord", "--note", "C4", "--note", "60"], "all different"),
        (["--chord", "--note", "C4", "--note", "E4", "--together"], "--chord"),
        (["--note", "C4", "--note", "E4"], "--chord plays them together"),
        (["--chord", *(f"--note={key}" for key in range(40, 47))], "at most 6"),
        ([*KEYS, "--lock", "voices=2"], "at most 2"),
    ],
)
def test_impossible_chords_are_refused_in_one_line(
    clip: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(clip), "--plugin", "embedded", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_chord_is_one_clip(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.wav"
    other.write_bytes(clip.read_bytes())
    assert main([str(clip), str(other), "--plugin", "embedded", *KEYS]) == 2
    assert "number of clips" in capsys.readouterr().err
