"""``python -m render`` and the files that everything is written through."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from render.__main__ import main
from render.audio import read_audio, write_wav
from render.errors import FileError
from render.files import replacing, write_text
from render.instruments.instrument import Program
from render.noisemaker.hosts import open_host
from render.noisemaker.presets import to_xml, write_program
from render.noisemaker.table import TABLE
from render.note import Note

PATCH = TABLE.patch({"cutoff": 0.5, "ampsustain": 0.3, "ampdecay": 0.3})


def test_a_preset_is_rendered_as_the_host_renders_it(tmp_path: Path) -> None:
    preset, out = tmp_path / "a.noisemakerpreset", tmp_path / "a.wav"
    write_program(preset, Program("a", PATCH))
    flags = ["--note", "48", "--velocity", "90", "--gate", "0.2", "--seconds", "0.4", "--plugin", "embedded"]
    assert main(["render", str(preset), str(out), *flags]) == 0
    audio, rate, _ = read_audio(out)
    expected = open_host("embedded").render(PATCH, Note(48, 90, 0.2, 0.4))
    assert rate == 44100
    np.testing.assert_array_equal(audio, expected)


def test_a_program_of_a_bank_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank = tmp_path / "bank.noisemakerpreset"
    bank.write_bytes(to_xml([Program("a", TABLE.default), Program("b", PATCH)]))
    arguments = ["render", str(bank), str(tmp_path / "b.wav"), "--seconds", "0.1", "--plugin", "embedded", "--program"]
    assert main([*arguments, "b"]) == 0
    assert main([*arguments, "c"]) == 1
    assert "'c'" in capsys.readouterr().err


def test_what_is_no_preset_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("hello")
    assert main(["render", str(tmp_path / "a.txt"), str(tmp_path / "a.wav")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "a.wav").exists()


def test_a_full_disk_leaves_the_old_file_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.json"
    write_text(path, "old")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FileError, match=r"result\.json: No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_an_error_of_the_caller_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "a") as temporary:
        temporary.write_text(f"half {1 // 0}")
    assert list(tmp_path.iterdir()) == []


def test_audio_survives_writing_at_any_level(tmp_path: Path) -> None:
    audio = np.random.default_rng(1).normal(size=(2, 500)).astype(np.float32) * 10.0
    write_wav(tmp_path / "a.wav", audio)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav")[0], audio)
