"""File names of any kind: what is printed and written about them is true, whole, and one line."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from inference.cli import main
from inference.command.console import Console
from inference.output.names import plan_results
from inference.output.record import read_record
from render.audio import write_wav
from render.errors import FileError, OutOfRange, UnknownName, one_line, printable
from render.files import display_name
from tests.inference.test_command import toy_clip
from tests.toy import TOY

FEW = ("--renders", "8", "--workers", "1", "--stages", "search")
ODD = ["caf\udce9", "caf\udce8", "red\x1b[31m", "two\nlines", "turned\u202e", "[red]", "a[", "b[bold"]
"""Names, as Python has them: bytes that are not UTF-8, control characters, and what looks like markup."""

needs_any_name = pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("inference.cli", "inference.command.resuming"):
        monkeypatch.setattr(f"{module}.synth", lambda name, plugin=None: TOY)


def assert_plain(text: str) -> None:
    text.encode("utf-8")
    assert all(character.isprintable() or character == "\n" for character in text)


@pytest.mark.parametrize("name", ODD)
def test_a_name_is_shown_as_one_line_that_differs_from_all_others(name: str) -> None:
    shown = display_name(name)
    assert shown.isprintable()
    shown.encode("utf-8")
    assert [other for other in ODD if display_name(other) == shown] == [name]


@pytest.mark.parametrize(
    "name", ["plain.wav", "\u00e9t\u00e9.wav", "\u97f3\u3000\u58f0.wav", "\U0001f469\u200d\U0001f3a4.wav"]
)
def test_what_can_be_read_is_shown_as_it_is(name: str) -> None:
    assert display_name(name) == printable(name) == name


@pytest.mark.parametrize("name", ODD)
def test_an_error_is_one_line_whatever_it_names(name: str) -> None:
    for error in (FileError(f"cannot read {name}"), OutOfRange(name, name, name), UnknownName(name, name, [name])):
        assert_plain(str(error))
        assert "\n" not in str(error)
    assert_plain(one_line(RuntimeError(name)))


@needs_any_name
def test_damaged_clips_with_odd_names_do_not_end_a_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    toy_clip(tmp_path / "a.wav").rename(clips / "caf\udcea.wav")
    for name in ODD:
        write_wav(clips / f"{name}.wav", np.zeros((1, 44100), np.float32))
    assert main([str(clips), "--out", str(tmp_path / "out"), "--json", *FEW]) == 1
    result = json.loads(capsys.readouterr().out)
    assert len(result["results"]) == 1
    assert len({failure["clip"] for failure in result["failures"]}) == len(ODD)
    with (tmp_path / "out" / "summary.csv").open(encoding="utf-8") as stream:
        states = [row["state"] for row in csv.DictReader(stream)]
    assert states == ["finished"] + ["failed"] * len(ODD)
    (tmp_path / "out" / "summary.html").read_text("utf-8")


@needs_any_name
@pytest.mark.parametrize("name", ["caf\udce9", "two\nlines\x1b[31m", "[red]"])
def test_results_are_written_into_any_folder_and_resumed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / name
    assert main([str(toy_clip(tmp_path / "a.wav")), "--out", str(out), *FEW]) == 0
    assert main(["--resume", str(out), "--renders", "8", "--workers", "1"]) == 0
    assert Path(read_record(out / "a.json")["files"][0]["match"]).is_file()
    assert_plain(capsys.readouterr().err)


@needs_any_name
def test_the_table_of_several_clips_shows_their_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["[red]x.wav", "a[/b].wav", "[link=y]z.wav"]  # of which the second closes what is not open
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        toy_clip(tmp_path / "a.wav").rename(tmp_path / name)
    console = Console(quiet=False)
    record = {"best": {"distance": {"mss": 1.0, "lsd": 1.0}}, "files": [{"preset": "[red]x.toy"}]}
    console.summary([record | {"clip": name} for name in names], len(names))
    shown = capsys.readouterr().err
    assert all(name in shown for name in [*names, "[red]x.toy"])


@pytest.mark.parametrize("columns", ["0", "1", "20", "-3", ""])
def test_a_terminal_of_any_width_shows_whole_paths(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    path = "/a folder with spaces/" + "a" * 200 + ".toy"
    Console(quiet=False).say(path)
    assert capsys.readouterr().err == f"{path}\n"


@needs_any_name
@pytest.mark.parametrize("pair", [("\u00e9", "e\u0301"), ("\u00c9", "e\u0301"), ("\u212b", "\u00c5")])
def test_names_that_some_file_systems_take_for_equal_have_results_of_their_own(
    pair: tuple[str, str], tmp_path: Path
) -> None:
    first, second = plan_results([tmp_path / f"{name}.wav" for name in pair], tmp_path / "out", (".toy",), 1)
    assert first.stem != second.stem
    assert second.renamed


def test_a_folder_with_its_own_results_is_continued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [str(tmp_path), "--out", str(tmp_path), "--candidates", "2", *FEW]
    for name in ("a.wav", "b.wav"):
        toy_clip(tmp_path / name)
    toy_clip(tmp_path / "somebody's.match.wav")
    assert main(command) == 0
    files = sorted(os.listdir(tmp_path))
    capsys.readouterr()
    assert main(command) == 0
    assert sorted(os.listdir(tmp_path)) == files
    assert capsys.readouterr().err.count("done already") == 3


def test_a_folder_of_nothing_but_results_has_no_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(toy_clip(tmp_path / "a.wav")), "--out", str(tmp_path / "out"), *FEW]) == 0
    assert main([str(tmp_path / "out"), "--out", str(tmp_path / "other"), *FEW]) == 1
    assert "but matches of earlier runs" in capsys.readouterr().err
    assert main([str(tmp_path / "out" / "a.match.wav"), "--out", str(tmp_path / "other"), *FEW]) == 0
