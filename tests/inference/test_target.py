"""Reading clips: what is used, what is said, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inference.clip.focus import Focus
from inference.clip.sound import MAX_SECONDS
from inference.clip.target import estimate_gate, read_target
from render.errors import FileError, InvalidAudio, OutOfRange
from render.held_out import held_out
from render.note import SAMPLE_RATE
from tests.paths import GOLDEN, needs_golden


def tone(
    seconds: float, frequency_hz: float = 261.63, rate: int = SAMPLE_RATE, gate: float | None = None
) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    harmonics = [k for k in range(1, 9) if k * frequency_hz < 0.45 * rate]
    wave = sum(np.sin(2 * np.pi * frequency_hz * k * time) / k for k in harmonics)
    held = np.where(time < (gate or seconds), 1.0, np.exp(-(time - (gate or seconds)) / 0.02))
    return (0.4 * wave * held).astype(np.float32)


def write(path: Path, audio: np.ndarray, rate: int = SAMPLE_RATE, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, audio.T, rate, subtype=subtype)
    return path


def test_silence_around_the_sound_is_cut(tmp_path: Path) -> None:
    audio = np.concatenate([np.zeros(22050, np.float32), tone(0.5), np.zeros(44100, np.float32)])
    target = read_target(write(tmp_path / "clip.wav", audio), note=60)
    assert target.onset_seconds == pytest.approx(0.5, abs=0.005)
    assert target.note.seconds == pytest.approx(0.5 + 0.25, abs=0.01)
    assert target.audio.shape == (1, target.note.n_samples)


def test_a_clip_cut_at_the_key_press_keeps_its_first_sample(tmp_path: Path) -> None:
    audio = tone(0.5) * np.minimum(np.arange(22050) / 2000, 1.0).astype(np.float32)
    assert read_target(write(tmp_path / "clip.wav", audio), note=60).onset_seconds == 0.0


def test_two_equal_sides_are_mono_and_two_different_ones_stereo(tmp_path: Path) -> None:
    left, right = tone(0.5), tone(0.5, 263.0)
    assert not read_target(write(tmp_path / "mono.wav", np.stack([left, left])), note=60).stereo
    stereo = read_target(write(tmp_path / "stereo.wav", np.stack([left, right])), note=60)
    assert stereo.stereo
    np.testing.assert_array_equal(stereo.audio[0], left)


@pytest.mark.parametrize("rate", [8000, 48000, 96000])
def test_other_sample_rates_are_resampled_and_said(tmp_path: Path, rate: int) -> None:
    target = read_target(write(tmp_path / "clip.wav", tone(0.5, rate=rate), rate), note=60)
    np.testing.assert_allclose(target.audio[0, 5000:10000], tone(0.5)[5000:10000], atol=0.02)
    assert str(rate) in target.notices[0]
    assert ("4000" in target.notices[0]) is (rate == 8000)


def test_five_channels_are_mixed_and_said(tmp_path: Path) -> None:
    target = read_target(write(tmp_path / "clip.wav", np.stack([tone(0.5)] * 5)), note=60)
    assert target.notices == ("5 channels mixed to mono",)
    np.testing.assert_allclose(target.audio[0, :20000], tone(0.5)[:20000], atol=1e-6)


def test_of_a_long_clip_the_start_is_used_and_said(tmp_path: Path) -> None:
    target = read_target(write(tmp_path / "clip.wav", np.tile(tone(1.0), 600), subtype="PCM_16"), note=60)
    assert target.note.seconds == MAX_SECONDS
    assert target.notices == ("first 4 s of 600.0 s used",)


def test_what_the_caller_names_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.wav", tone(0.5))
    target = read_target(path, note=33, velocity=70, gate_seconds=0.2)
    assert (target.note.number, target.note.velocity, target.note.gate_seconds, target.gate_fixed) == (
        33,
        70,
        0.2,
        True,
    )
    with pytest.raises(OutOfRange, match="velocity"):
        read_target(path, note=33, velocity=0)


@pytest.mark.parametrize("frequency_hz", [55.0, 261.63, 1046.5])
@pytest.mark.parametrize("gate", [0.3, 0.8])
def test_the_gate_is_where_the_level_falls_for_good(frequency_hz: float, gate: float) -> None:
    assert estimate_gate(tone(1.5, frequency_hz, gate=gate)) == pytest.approx(gate, abs=0.02)


def test_a_sound_that_does_not_end_is_held_for_the_whole_clip() -> None:
    assert estimate_gate(tone(1.0)) == pytest.approx(1.0)


@pytest.mark.parametrize("frequency_hz", [41.2, 55.0, 110.0, 440.0])
@pytest.mark.parametrize("decay", [1.0, 3.0, 8.0, 20.0])
def test_a_tone_that_only_decays_is_held_until_it_has_died_away(frequency_hz: float, decay: float) -> None:
    partials, time = np.arange(1, 13)[:, None], np.arange(SAMPLE_RATE) / SAMPLE_RATE
    saw = (np.sin(2 * np.pi * frequency_hz * partials * time) / partials).sum(axis=0) * np.exp(-decay * time)
    assert estimate_gate(saw.astype(np.float32)) > 0.9
    released = saw * np.where(time < 0.25, 1.0, np.exp(-(time - 0.25) / 0.02))
    assert estimate_gate(released.astype(np.float32)) == pytest.approx(0.25, abs=0.05)


@needs_golden
def test_the_gate_of_golden_factory_presets_that_are_not_held_out() -> None:
    near, short = [], []
    for line in (GOLDEN / "factory.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["peak"] >= 0.001 and not held_out(row["name"]):
            audio, _ = soundfile.read(GOLDEN / row["file"], always_2d=True, dtype="float32")
            gate_seconds = estimate_gate(audio.mean(axis=1))
            near.append(abs(gate_seconds - row["gate_seconds"]) < 0.1)
            short.append(gate_seconds < 0.5 * row["gate_seconds"])
    assert np.mean(near) >= 0.63
    assert np.mean(short) <= 0.06


@needs_golden
def test_the_gate_of_golden_patches() -> None:
    rows = [json.loads(line) for line in (GOLDEN / "probes.jsonl").read_text().splitlines()]
    near = []
    for row in rows:
        if row["group"] == "whole" and row["peak"] >= 0.001:
            audio, _ = soundfile.read(GOLDEN / row["file"], always_2d=True, dtype="float32")
            near.append(abs(estimate_gate(audio.mean(axis=1)) - row["gate_seconds"]) < 0.1)
    # Many of these die away before the key is let go: there nothing can be known (see the docstring).
    assert np.mean(near) > 0.55


def bad_file(path: Path, kind: str) -> Path:
    if kind == "silent":
        return write(path, np.zeros(44100, np.float32))
    if kind == "nan":
        return write(path, np.where(np.arange(44100) == 9, np.nan, tone(1.0)).astype(np.float32))
    if kind == "short":
        return write(path, tone(0.02))
    if kind == "no samples":
        return write(path, np.zeros(0, np.float32))
    if kind == "cut":
        path.write_bytes(write(path, tone(0.5)).read_bytes()[:30])
    if kind == "empty":
        path.write_bytes(b"")
    if kind == "text":
        path.write_text("this is not audio\n" * 100)
    return path


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("silent", "silent"),
        ("nan", "not finite"),
        ("short", r"0\.020 s"),
        ("no samples", "no audio"),
        ("cut", "not an audio file"),
        ("empty", "not an audio file"),
        ("text", "not an audio file"),
    ],
)
def test_unusable_clips_are_refused_in_one_line(tmp_path: Path, kind: str, says: str) -> None:
    with pytest.raises(InvalidAudio, match=says) as error:
        read_target(bad_file(tmp_path / "clip.wav", kind), note=60)
    assert "\n" not in str(error.value)
    assert "clip.wav" in str(error.value)


def test_a_missing_clip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"no\.wav"):
        read_target(tmp_path / "no.wav")


class TestRange:
    """Only what is between two seconds of the file is there."""

    @pytest.fixture
    def two_notes(self, tmp_path: Path) -> Path:
        path = tmp_path / "two.wav"
        first, second = tone(0.8, 220.0, gate=0.6), tone(0.8, 330.0, gate=0.6)
        soundfile.write(path, np.concatenate([np.zeros(4410), first, np.zeros(8820), second]), 44100)
        return path

    def test_another_part_is_another_sound(self, two_notes: Path) -> None:
        first, second = (read_target(two_notes, focus=Focus(span)) for span in ((0.0, 1.0), (1.05, 2.0)))
        assert (first.note.number, second.note.number) == (57, 64)
        assert first.events == ()
        assert second.onset_seconds == pytest.approx(1.1, abs=0.01)
        assert second.focus.span_seconds == (1.05, 2.0)
        whole = read_target(two_notes)
        assert whole.focus.span_seconds is None
        assert whole.note.number == 57

    def test_the_end_holds_also_after_silence(self, two_notes: Path) -> None:
        assert read_target(two_notes, note=57, focus=Focus((0.0, 0.4))).note.seconds == pytest.approx(0.3, abs=0.01)

    @pytest.mark.parametrize("span", [(1.0, 1.0), (2.0, 1.0), (-1.0, 1.0), (0.0, float("inf")), (float("nan"), 1.0)])
    def test_impossible_ranges_are_refused(self, span: tuple[float, float], two_notes: Path) -> None:
        with pytest.raises(OutOfRange, match="FROM:TO in seconds"):
            read_target(two_notes, focus=Focus(span))

    def test_a_range_beyond_the_file_says_how_long_it_is(self, two_notes: Path) -> None:
        with pytest.raises(InvalidAudio, match=r"has only 1\.90 s"):
            read_target(two_notes, focus=Focus((5.0, 6.0)))
        with pytest.raises(InvalidAudio, match=r"has only 1\.90 s"):
            read_target(two_notes, focus=Focus((1.9, 6.0)))  # from exactly its end on

    def test_a_range_that_holds_nothing_is_no_empty_file(self, two_notes: Path) -> None:
        with pytest.raises(InvalidAudio, match=r"is silent|at least"):
            read_target(two_notes, focus=Focus((0.0, 1e-9)))
