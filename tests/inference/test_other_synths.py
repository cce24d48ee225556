"""``refine --synth``: from a clip to presets of Vital, of Dexed and of a plug-in, with engines that really render."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from inference.cli import main
from render.__main__ import main as render_main
from render.audio import read_audio
from render.generic.description import write_description
from render.generic.probe import describe_plugin
from render.instruments.instrument import Instrument
from render.note import SAMPLE_RATE, Note
from render.synths import synth
from tests.inference.test_target import tone
from tests.plugins import NEKOBI, needs_nekobi


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    soundfile.write(path, tone(0.5, 220.0, gate=0.3), SAMPLE_RATE)
    return path


def refined(clip: Path, name: str, renders: int, *more: str) -> dict[str, Any]:
    """The record of a run, which must have fallen and written everything."""
    out = clip.parent / "out"
    arguments = ["--synth", name, "--renders", str(renders), "--workers", "1", "--note", "A3", "--out", str(out)]
    assert main([str(clip), *arguments, "--quiet", *more]) == 0
    record: dict[str, Any] = json.loads((out / "clip.json").read_text())
    assert [stage["name"] for stage in record["stages"]][:2] == ["start", "search"]
    assert sum("there is no model for" in notice for notice in record["notices"]) == 2
    assert all(Path(path).stat().st_size for files in record["files"] for path in files.values())
    return record


def sounds_like_the_match(instrument: Instrument, record: dict[str, Any]) -> None:
    """The preset that was written, read and rendered again, is the match, apart from the level."""
    files, best = record["files"][0], record["best"]
    (program,) = instrument.presets.read_programs(files["preset"])
    patch = program.patch
    if instrument.table.level is not None:  # not every preset file holds the level
        patch = patch.with_knobs({instrument.table.level.name: best["knobs"][instrument.table.level.name]})
    host = instrument.hosts.open_host(record["options"]["where"])
    audio, match = host.render(patch, Note.from_data(best["note"])), read_audio(files["match"])[0]
    host.close()
    np.testing.assert_allclose(match / np.abs(match).max(), audio / np.abs(audio).max(), atol=1e-4)


def test_a_clip_becomes_a_preset_of_vital(clip: Path) -> None:
    pytest.importorskip("vita")
    record = refined(clip, "vital", 30, "--lock", "filter_1_on=on", "--no-effects")
    assert record["instrument"] == "vital"
    assert record["best"]["settings"]["filter_1_on"] == "on"
    assert record["best"]["settings"]["reverb_on"] == "off"
    assert record["best"]["knobs"]["osc_1_random_phase"] == 0.0
    sounds_like_the_match(synth("vital"), record)
    preset, out = record["files"][0]["preset"], clip.parent / "again.wav"
    note = ["--note", "57", "--gate", "0.3", "--seconds", "0.5"]
    assert render_main(["render", preset, str(out), "--synth", "vital", *note]) == 0
    assert read_audio(out)[0].shape == (2, SAMPLE_RATE // 2)


def test_a_clip_becomes_voices_of_dexed_and_a_cartridge(clip: Path) -> None:
    pytest.importorskip("dexed")
    record = refined(clip, "dexed", 150, "--candidates", "2")
    sounds_like_the_match(synth("dexed"), record)
    voices = synth("dexed").presets.read_programs(record["files"][0]["bank"])
    assert [voice.name for voice in voices[:3]] == ["clip", "clip.2", "INIT VOICE"]
    again = refined(clip, "dexed", 60, "--start", record["files"][0]["preset"], "--lock", "algorithm")
    assert again["best"]["settings"]["algorithm"] == record["best"]["settings"]["algorithm"]


def test_a_data_set_of_dexed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("dexed")
    out = str(tmp_path / "set")
    assert render_main(["dataset", "--synth", "dexed", "--out", out, "--count", "3", "--workers", "1", "--quiet"]) == 0
    assert render_main(["summary", out, "--verify"]) == 0
    assert "3 renders" in capsys.readouterr().out


@needs_nekobi
def test_a_clip_becomes_a_program_of_a_plugin(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(clip.parent / "cache"))
    description = clip.parent / "nekobi.json"
    write_description(description, describe_plugin(NEKOBI))
    record = refined(clip, str(description), 60)
    assert record["files"][0]["preset"].endswith(".fxp")
    sounds_like_the_match(synth(str(description)), record)


@pytest.mark.parametrize(("name", "message"), [("serum", "unknown synth 'serum'"), ("generic", "path of a plug-in")])
def test_an_unknown_synth_is_one_line(clip: Path, capsys: pytest.CaptureFixture[str], name: str, message: str) -> None:
    assert main([str(clip), "--synth", name]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
