"""What of a clip counts: in reading it, in every stage, and in what is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.random import default_rng

from inference.clip.focus import Focus
from inference.clip.target import read_target
from render.errors import InvalidAudio, OutOfRange
from render.note import SAMPLE_RATE
from tests.inference.test_cli import run_main


def pluck(seconds: float, hz: float = 220.0) -> np.ndarray:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return sum(0.3 / k * np.sin(2.0 * np.pi * hz * k * time) for k in range(1, 8)) * np.exp(-2.0 * time)


def write(path: Path, audio: np.ndarray) -> Path:
    soundfile.write(path, audio, SAMPLE_RATE, subtype="FLOAT")
    return path


def cough(n_samples: int) -> np.ndarray:
    return 0.8 * default_rng(0).standard_normal(n_samples) * np.hanning(n_samples)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A cough from 0.1 to 0.4 s, a pluck from 0.5 s on, and another cough in it from 1.0 to 1.2 s."""
    audio = np.zeros(2 * SAMPLE_RATE)
    audio[SAMPLE_RATE // 2 :] = pluck(1.5)
    for first, last in ((0.1, 0.4), (1.0, 1.2)):
        part = slice(round(first * SAMPLE_RATE), round(last * SAMPLE_RATE))
        audio[part] += cough(part.stop - part.start)
    return write(tmp_path / "clip.wav", audio)


COUGHS = ((0.1, 0.4), (1.0, 1.2))


def test_a_cough_before_the_sound_is_not_its_beginning(recording: Path) -> None:
    assert read_target(recording, note=57).onset_seconds == pytest.approx(0.1, abs=0.05)
    target = read_target(recording, note=57, focus=Focus(ignored_seconds=COUGHS))
    assert target.onset_seconds == pytest.approx(0.5, abs=0.005)
    assert target.note.seconds == pytest.approx(1.5, abs=0.01)
    assert "not compared: 0.1 to 0.4 s, 1 to 1.2 s" in target.notices


def test_what_is_ignored_is_silent_at_its_place(recording: Path) -> None:
    target = read_target(recording, note=57, focus=Focus(ignored_seconds=COUGHS))
    first, last = (round((seconds - target.onset_seconds) * SAMPLE_RATE) for seconds in (1.0, 1.2))
    assert not target.audio[:, first:last].any()
    clean = pluck(1.5)[round((target.onset_seconds - 0.5) * SAMPLE_RATE) :][: target.audio.shape[1]]
    assert target.as_compared(np.float32([clean]))[0, :first] == pytest.approx(target.audio[0, :first], abs=0.01)
    assert target.share == pytest.approx(1.0 - 0.2 / 1.5, abs=0.04)


def test_a_drum_that_comes_with_the_sound_does_not_move_the_key_press(tmp_path: Path) -> None:
    audio = np.concatenate([np.zeros(SAMPLE_RATE // 4), pluck(1.0)])
    audio[SAMPLE_RATE // 4 : SAMPLE_RATE // 4 + 6000] += cough(6000)
    target = read_target(write(tmp_path / "clip.wav", audio), focus=Focus(ignored_seconds=((0.24, 0.4),)))
    assert target.onset_seconds == pytest.approx(0.25, abs=0.02)


def test_a_band_leaves_a_louder_sound_below_it_out(tmp_path: Path) -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    rumble = 0.9 * np.sin(2.0 * np.pi * 45.0 * time)
    rumble *= np.minimum(time / 0.2, 1.0)
    rumble[SAMPLE_RATE // 2 :] += pluck(0.5, 880.0)
    clip = write(tmp_path / "clip.wav", rumble)
    assert read_target(clip).onset_seconds < 0.05
    target = read_target(clip, focus=Focus(band_hz=(400.0, 22050.0)))
    assert target.onset_seconds == pytest.approx(0.5, abs=0.03)
    assert target.note.number == 81
    assert "not compared: below 400 Hz" in target.notices


@pytest.mark.parametrize(
    "bad",
    [
        {"ignored_seconds": ((1.0, 1.0),)},
        {"ignored_seconds": ((-1.0, 1.0),)},
        {"ignored_seconds": ((0.0, float("inf")),)},
        {"band_hz": (500.0, 100.0)},
        {"band_hz": (30_000.0, 40_000.0)},
        {"band_hz": (float("nan"), 1000.0)},
    ],
)
def test_impossible_parts_are_refused(bad: dict[str, tuple]) -> None:
    with pytest.raises(OutOfRange):
        Focus(**bad)


@pytest.mark.parametrize(
    "focus", [Focus(ignored_seconds=((0.0, 5.0),)), Focus(band_hz=(15_000.0, 16_000.0)), Focus((0.0, 0.09))]
)
def test_silence_is_refused_in_one_line(recording: Path, focus: Focus) -> None:
    if focus.band_hz is not None:
        recording = write(recording, pluck(1.0) * np.hanning(SAMPLE_RATE))
    with pytest.raises(InvalidAudio) as refused:
        read_target(recording, note=57, focus=focus)
    assert "\n" not in str(refused.value)


def test_nearly_all_ignored_is_refused(recording: Path) -> None:
    with pytest.raises(InvalidAudio, match=r"0\.02\d s of clip\.wav count"):
        read_target(recording, focus=Focus(ignored_seconds=((0.0, 0.6), (0.63, 3.0))))


def test_data_and_back() -> None:
    focus = Focus((0.5, 3.0), COUGHS, (80.0, 5000.0))
    assert Focus.from_data(json.loads(json.dumps(focus.as_data()))) == focus
    assert Focus.from_data({"span_seconds": None}) == Focus()  # results that knew only of a range


def test_it_holds_in_every_stage_and_when_resumed(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shared = ["--workers", 1, "--plugin", "embedded", "--json"]
    asked = ["--ignore", "0.1:0.4", "--ignore", "1:1.2", "--band", "80:", "--note", 57, "--stages", "search"]
    asked += ["--gate", "1.4", "--lock", "ampsustain=1"]  # a sound that lasts beyond what is ignored
    assert run_main(recording, "--out", out, *asked, "--renders", 12, *shared) == 0
    first = json.loads(capsys.readouterr().out)
    assert run_main("--resume", out, "--renders", 8, *shared) == 0
    second = json.loads(capsys.readouterr().out)
    for record in (first, second):
        assert record["ignored_seconds"] == [[0.1, 0.4], [1.0, 1.2]]
        assert record["band_hz"] == [80.0, 22050.0]
        assert record["onset_seconds"] == pytest.approx(0.5, abs=0.01)
        assert 0.7 < record["share_compared"] < 0.9
        (said,) = (notice for notice in record["notices"] if notice.startswith("not compared"))
        assert said in Path(record["files"][0]["report"]).read_text("utf-8")
    assert second["best"]["distance"]["mss"] <= first["best"]["distance"]["mss"] + 0.01
    match, _ = soundfile.read(first["files"][0]["match"])
    during = round((1.1 - first["onset_seconds"]) * SAMPLE_RATE)
    assert np.abs(match[during : during + 2000]).max() > 0.01  # what is written is whole


@pytest.mark.parametrize(
    ("asked", "code", "says"),
    [
        (["--ignore", "2"], 2, "FROM:TO in seconds"),
        (["--ignore", "2:1"], 2, "FROM:TO in seconds"),
        (["--band", "x"], 2, "LOW:HIGH in Hz"),
        (["--band", "500:100"], 2, "LOW:HIGH in Hz"),
        (["--ignore", "0:9"], 1, "nothing that counts is left of clip.wav"),
    ],
)
def test_what_cannot_be_is_one_line(
    asked: list[str], code: int, says: str, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run_main(recording, "--out", out, *asked, "--note", 57, "--renders", 4, "--quiet") == code
    assert says in capsys.readouterr().err.splitlines()[-1]
