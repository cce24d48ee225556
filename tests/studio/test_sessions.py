"""Sessions as folders: nothing leads out of them, and the newest result is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inference.output.record import SCHEMA
from inference.studio.sessions import Sessions


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("pluck.wav", "pluck.wav"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("<script>.wav", "script.wav"),
        (".hidden", "hidden"),
        ("", "clip"),
        ("\x00\n.wav", "clip.wav"),
        ("ümläut 🎹.flac", "ümläut.flac"),
        ("x" * 300 + ".wav", "x" * 60 + ".wav"),
        ("a.exe;rm", "a"),
    ],
)
def test_names_of_uploads_are_made_harmless(name: str, stored: str, tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "sessions")
    files = sessions.add(name, b"content")
    assert files.source.name == stored
    assert files.source.read_bytes() == b"content"
    assert files.source.resolve().is_relative_to(tmp_path / "sessions")
    assert sessions.find(files.name) == files
    assert [found.name for found in sessions] == [files.name]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "20260101-000000-a/../..", "/etc", "20260101-000000-", "\0"])
def test_addresses_lead_nowhere_else(name: str, tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "secret.wav").write_bytes(b"")
    assert Sessions(tmp_path / "sessions").find(name) is None


def test_two_clips_of_a_second_have_two_sessions(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path)
    names = {sessions.add("a.wav", b"").name for _ in range(3)}
    assert len(names) == 3
    assert {files.name for files in sessions} == names


WHOLE = {
    "schema": SCHEMA,
    "clip_path": "a.wav",
    "files": [{"preset": "a.noisemakerpreset"}],
    "ended": "finished",
    "identity": "",
    "options": {},
    "candidates": [],
    "best": {},
}
"""The parts of a result that every reader needs."""


def test_the_newest_result_that_can_be_read_is_shown(tmp_path: Path) -> None:
    files = Sessions(tmp_path).add("a.wav", b"")
    assert files.record() is None
    assert files.new_results().name == "refined"
    for name, content in (
        ("refined", {**WHOLE, "which": 1}),
        ("refined-2", {**WHOLE, "which": 2}),
        ("refined-10", {"schema": "another"}),
    ):
        (files.folder / name).mkdir()
        (files.folder / name / "a.json").write_text(json.dumps(content))
    assert [folder.name for folder in files.results()] == ["refined-10", "refined-2", "refined"]
    assert files.new_results().name == "refined-11"
    record = files.record()
    assert record is not None
    assert record["which"] == 2


def test_a_missing_folder_has_no_sessions(tmp_path: Path) -> None:
    assert list(Sessions(tmp_path / "none")) == []
