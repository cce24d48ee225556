"""The score of other systems' answers, on the fake host."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.__main__ import main
from benchmarks.common import targets
from benchmarks.product import score
from inference.clip.target import read_target
from render.audio import write_wav
from render.errors import FormatError
from render.instruments.instrument import Program
from render.noisemaker.presets import write_program
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note
from tests.scale_host import ScaleHost

NOTE = Note(60, 100, 0.4, 0.5)
TRUE = TABLE.patch({"volume": 0.5, "cutoff": 0.3, "ampdecay": 0.4})
OTHER = TRUE.with_knobs({"cutoff": 0.9})
TOLD = ["--note", "C4", "--velocity", "100", "--gate", "0.4", "--workers", "1"]


@pytest.fixture
def folders(fake_hosts: None, tmp_path: Path) -> tuple[Path, Path, Path]:
    clips, answers, true = (tmp_path / name for name in ("clips", "answers", "true"))
    for folder in (clips, answers, true):
        folder.mkdir()
    audio = ScaleHost().render(TRUE, NOTE, seed=1)
    for name in ("one", "two", "three"):
        write_wav(clips / f"{name}.wav", audio)
    write_program(answers / "one.noisemakerpreset", Program("one", OTHER))
    soundfile.write(answers / "two.flac", 0.5 * audio[0, ::2], SAMPLE_RATE // 2)
    write_wav(answers / "four.wav", audio)
    write_wav(answers / "one.match.wav", audio)
    write_program(true / "one.noisemakerpreset", Program("one", TRUE))
    return clips, answers, true


def cells(printed: str, *begin: str) -> list[str]:
    (line,) = (line for line in printed.splitlines() if line.startswith(f"| {' | '.join(begin)} |"))
    return line.strip("| ").split(" | ")


def test_answers_of_any_kind_beside_the_floor_and_the_library(
    folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    clips, answers, true = map(str, folders)
    assert main(["score", clips, answers, "--true", true, *TOLD]) == 0
    printed = capsys.readouterr().out
    head = cells(printed, "clip", "sound")
    assert head == ["clip", "sound", *score.COLUMNS]
    floor, preset, render = (
        [float(cell) for cell in cells(printed, *begin)[2:10]]
        for begin in (("one", score.FLOOR), ("one", score.ANSWER), ("two", score.ANSWER))
    )
    assert floor[0] < 0.1 < 1.0 < preset[0]
    mss, best, gain = render[:3]
    assert best < mss
    assert gain == pytest.approx(6.02, abs=1.0)
    assert cells(printed, "one", score.NEAREST)[2:9] == cells(printed, "two", score.NEAREST)[2:9]
    mean = float(cells(printed, score.ANSWER, "2", "mean")[3])
    assert mean == pytest.approx((preset[0] + mss) / 2.0, abs=0.002)
    assert cells(printed, score.FLOOR, "1", "median")[3] == f"{floor[0]:.3f}"
    assert "without an answer: three\nanswers without a clip: four\nwithout a true preset: two\n" in printed


def test_the_library_can_be_left_out_and_a_bad_answer_does_not_stop_the_others(
    folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    clips, answers, _ = folders
    (answers / "three.noisemakerpreset").write_text("no preset")
    assert main(["score", str(clips), str(answers), "--no-library", *TOLD]) == 0
    printed = capsys.readouterr().out
    assert score.NEAREST not in printed
    assert "failed: three: three.noisemakerpreset: not a NoiseMaker preset" in printed
    assert cells(printed, score.ANSWER, "2", "mean")


def test_a_late_clip_and_its_answer_are_cut_at_the_same_place(tmp_path: Path) -> None:
    audio = np.pad(ScaleHost().render(TRUE, NOTE), ((0, 0), (4410, 0)))
    clip, answer, preset = (tmp_path / name for name in ("clip.wav", "answer.wav", "true.noisemakerpreset"))
    write_wav(clip, audio)
    write_wav(answer, audio[:, : audio.shape[1] // 2])
    write_program(preset, Program("", TRUE))
    target = read_target(clip, note=60, gate_seconds=0.5)
    assert target.onset_seconds == pytest.approx(0.1, abs=0.005)
    heard = score.sound_of(answer, target, ScaleHost())
    assert heard.shape[1] == target.audio.shape[1]
    half = audio.shape[1] // 2 - round(target.onset_seconds * SAMPLE_RATE)
    np.testing.assert_array_equal(heard[0, :half], target.audio[0, :half])
    assert not heard[:, half:].any()
    whole = score._from_the_start(target)
    assert whole.note.seconds == pytest.approx(target.note.seconds + target.onset_seconds)
    played = score.sound_of(preset, whole, ScaleHost())
    assert played.shape[1] == pytest.approx(target.audio.shape[1], abs=1)


@pytest.mark.parametrize(("rate", "gain"), [(SAMPLE_RATE, 0.001), (48000, 1.0), (22050, 0.001)])
def test_a_copy_of_a_faint_clip_at_any_rate_is_the_clip(tmp_path: Path, rate: int, gain: float) -> None:
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, gain * ScaleHost().render(TRUE, NOTE).T, rate, subtype="FLOAT")
    target = read_target(clip, note=60, gate_seconds=0.5)
    assert (target.level_db > 20.0) == (gain < 1.0)
    heard = score.sound_of(clip, target, ScaleHost())
    np.testing.assert_allclose(heard, np.broadcast_to(target.audio, heard.shape), atol=1e-5)  # equal sides are one


def test_key_presses_are_read_from_a_table(tmp_path: Path) -> None:
    table = tmp_path / "notes.csv"
    table.write_text("name,note,velocity,gate_seconds\none.wav,C4,127,0.9\ntwo,70,100,\n")
    presses = score.read_presses(table)
    assert presses == {"one": score.KeyPress(60, 127, 0.9), "two": score.KeyPress(70, 100, None)}
    table.write_text("name,note\none,60\n")
    with pytest.raises(FormatError, match=r"notes\.csv line 2: columns name, note, velocity, gate_seconds"):
        score.read_presses(table)


def test_folders_that_do_not_fit_are_one_line(
    folders: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips, _, true = folders
    for wrong, said in (((tmp_path / "none", clips), "cannot read"), ((true, clips), "no audio files in")):
        assert main(["score", *map(str, wrong)]) == 1
        assert said in capsys.readouterr().err
    (true / "one.noisemakerpreset").rename(true / "five.noisemakerpreset")
    assert main(["score", str(clips), str(true)]) == 1
    assert "has the name of a clip" in capsys.readouterr().err
    assert targets.host_of.cache_info().currsize <= 1
