"""Presets in the synth's own folder."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from inference.cli import main
from inference.output.files import install, presets_variable
from render.errors import FileError
from render.noisemaker.instrument import NOISEMAKER

PRESETS_VARIABLE = presets_variable(NOISEMAKER)


def test_installing_never_replaces_a_preset(tmp_path: Path) -> None:
    preset = tmp_path / "bass.noisemakerpreset"
    preset.write_text("first")
    folder = tmp_path / "presets"
    folder.mkdir()
    assert install([preset], folder) == [folder / "bass.noisemakerpreset"]
    preset.write_text("second")
    assert install([preset], folder) == [folder / "bass (2).noisemakerpreset"]
    preset.write_text("third_")  # as long as the second
    assert install([preset, preset], folder) == [folder / "bass (3).noisemakerpreset"] * 2
    assert len(list(folder.iterdir())) == 3
    assert (folder / "bass.noisemakerpreset").read_text() == "first"
    assert (folder / "bass (2).noisemakerpreset").read_text() == "second"


def test_a_preset_that_does_not_fit_on_the_disk_is_not_left_half_written(
    tmp_path: Path,
) -> None:
    resource = pytest.importorskip("resource")
    preset, folder = tmp_path / "bass.noisemakerpreset", tmp_path / "presets"
    folder.mkdir()
    preset.write_bytes(bytes(10_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, before[1]))
    try:
        with pytest.raises(FileError, match="cannot write"):
            install([preset], folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(folder.iterdir()) == []


def test_a_missing_folder_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileError, match="no such preset folder"):
        install([], tmp_path / "missing")
    clip = tmp_path / "clip.wav"
    clip.write_bytes(b"")
    assert main([str(clip), "--install", str(tmp_path / "missing")]) == 1
    assert "no such preset folder" in capsys.readouterr().err
    monkeypatch.delenv("NOISEMAKER_PRESETS", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main([str(clip), "--install"]) == 2
    assert "NOISEMAKER_PRESETS" in capsys.readouterr().err
