"""The note of a clip: synthetic tones, noise, wrong input, and golden renders of the real plug-in."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
import soxr

from benchmarks.hearing.pitch import make_case, score, sounding_pitches
from inference.clip.pitch import MIN_CONFIDENCE, PitchEstimate, estimate_note, levels, vote
from inference.clip.swipe import HIGHEST_HZ, HOP, LOWEST_HZ, RATE, swipe
from render.errors import InvalidAudio
from render.measures.golden import read_rows
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE
from tests.paths import GOLDEN, needs_golden


def saw(note: float, seconds: float = 0.4, rate: int = SAMPLE_RATE) -> np.ndarray:
    """Band-limited, with a short decay."""
    hertz = 440.0 * 2.0 ** ((note - 69) / 12)
    time = np.arange(round(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, int(0.45 * rate / hertz) + 1))
    return (0.3 * wave * np.exp(-time / 0.5)).astype(np.float32)


@pytest.mark.parametrize("note", [24, 36, 47, 60, 72, 84, 96])
def test_a_saw_has_its_note(note: int) -> None:
    estimate = estimate_note(saw(note), SAMPLE_RATE)
    assert estimate.note == note
    assert estimate.confidence > 0.4
    assert abs(estimate.cents) < 15.0
    assert estimate.frequency_hz == pytest.approx(440.0 * 2.0 ** ((note + estimate.cents / 100.0 - 69) / 12))


def test_a_pitch_above_the_range_is_not_taken_for_a_low_one() -> None:
    note = estimate_note(saw(110), SAMPLE_RATE).note
    assert note is None or note > 60


@pytest.mark.parametrize("cents", [-40, 30])
def test_cents_say_how_far_it_is_out_of_tune(cents: int) -> None:
    estimate = estimate_note(saw(60 + cents / 100), SAMPLE_RATE)
    assert estimate.note == 60
    assert estimate.cents == pytest.approx(cents, abs=8.0)


@pytest.mark.parametrize("rate", [16000, 22050, 48000])
def test_the_sample_rate_does_not_matter(rate: int) -> None:
    assert estimate_note(saw(57, rate=rate), rate).note == 57


def test_neither_the_level_nor_silence_around_it_matters() -> None:
    quiet = np.concatenate([np.zeros(8000, np.float32), 1e-4 * saw(52), np.zeros(8000, np.float32)])
    assert estimate_note(quiet, SAMPLE_RATE).note == 52


def test_the_shortest_clip_that_a_target_may_be() -> None:
    assert estimate_note(saw(60, seconds=0.05), SAMPLE_RATE).note == 60


@pytest.mark.parametrize("seconds", [0.3, 1.0])
def test_noise_has_no_note(seconds: float) -> None:
    noise = np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE)).astype(np.float32)
    estimate = estimate_note(noise, SAMPLE_RATE)
    assert estimate == PitchEstimate(None, None, estimate.confidence, 0.0)
    assert estimate.confidence < MIN_CONFIDENCE


def test_it_is_deterministic_and_leaves_its_input_alone() -> None:
    clip = saw(64)
    before = clip.copy()
    assert estimate_note(clip, SAMPLE_RATE) == estimate_note(clip, SAMPLE_RATE)
    np.testing.assert_array_equal(clip, before)


def test_an_estimate_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        PitchEstimate(60, 261.6, 0.7, 0.0).note = 61  # type: ignore[misc]


@pytest.mark.parametrize(
    ("audio", "rate", "says"),
    [
        (np.zeros((2, 100), np.float32), SAMPLE_RATE, r"\(2, 100\)"),
        (np.zeros(0, np.float32), SAMPLE_RATE, r"\(0,\)"),
        (np.zeros(4410, np.float32), SAMPLE_RATE, "silent"),
        (np.array([0.1, np.nan], np.float32), SAMPLE_RATE, "finite"),
        (np.ones(4410, np.float32), 0, "sample rate is 0"),
        (np.ones(4410, np.float32), 44100.5, "44100.5"),
    ],
)
def test_what_is_no_clip_is_refused(audio: np.ndarray, rate: Any, says: str) -> None:
    with pytest.raises(InvalidAudio, match=says):
        estimate_note(audio, rate)


def test_a_vote_goes_to_the_pitch_with_most_level_times_strength() -> None:
    frequencies = np.array([220.0, 221.0, 440.0, 0.0, np.nan, 880.0])
    strengths = np.array([0.6, 0.6, 0.7, 1.0, np.nan, 1.0])
    heard = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.005])  # the last is more than 40 dB down
    pitch, confidence = vote(frequencies, strengths, heard)
    assert pitch == pytest.approx(57.0)
    assert confidence == pytest.approx(1.2 / 3.0)


@pytest.mark.parametrize("strength", [0.0, np.nan])
def test_no_vote_without_a_frame_of_any_strength(strength: float) -> None:
    assert vote(np.array([220.0, 0.0]), np.array([strength, 0.5]), np.ones(2)) == (None, 0.0)


def test_levels_are_the_rms_around_each_time() -> None:
    audio = np.concatenate([np.zeros(16000), np.full(16000, 0.5)])
    np.testing.assert_allclose(levels(audio, 16000, np.array([0.0, 0.5, 1.5, 9.0])), [0.0, 0.0, 0.5, 0.5])


def test_the_pitches_that_a_patch_lets_sound() -> None:
    patch = TABLE.patch({"osc1volume": 0.8, "osc2volume": 0.0, "osc3volume": 0.8, "osc1tune": 0.25})
    assert sounding_pitches(patch, 60) == pytest.approx((36.0, 48.0))
    up = patch.with_settings({"transpose": "+12", "osc1finetune": 0.5})
    assert sounding_pitches(up, 60) == pytest.approx((48.0, 60.5))
    assert sounding_pitches(patch.with_settings({"osc1waveform": "noise"}), 60) == pytest.approx((36.0,))
    assert sounding_pitches(patch.with_knobs({"osc1volume": 0.0, "osc3volume": 0.0}), 60) == ()


@needs_golden
def test_golden_renders() -> None:
    """A third of the musical patches without noise, pitch modulation, sync, FM and ring modulation."""
    cases = [make_case(row) for row in read_rows(GOLDEN) if row.group == "whole"]
    cases = [case for case in cases if case.pitches and case.plain][::3]
    assert len(cases) == 15
    answers = []
    for case in cases:
        found = estimate_note(case.mono, SAMPLE_RATE)
        answers.append((case, None if found.note is None else found.note + found.cents / 100.0))
    shares = score(answers)
    assert shares["any"] >= 80.0, shares  # measured: 86.7
    assert shares["class"] >= 66.0, shares  # measured: 73.3


@needs_golden
def test_frames_are_those_of_another_implementation() -> None:
    """Of libf0, in frames that are heard; it takes the peak of the parabola from a grid of 1.6 cents."""
    other = pytest.importorskip("libf0")
    rows = [row for row in read_rows(GOLDEN) if row.group == "factory" and row.audible][::40]
    n_frames = 0
    for row in rows:
        audio = soxr.resample(row.audio().mean(axis=0).astype(np.float64), SAMPLE_RATE, RATE)
        expected_hz, seconds, expected = other.swipe(
            audio, Fs=RATE, H=HOP, F_min=LOWEST_HZ, F_max=HIGHEST_HZ, dlog2p=1 / 48, derbs=0.2
        )
        found_hz, strengths = swipe(audio)
        assert len(found_hz) == len(expected_hz)
        loud = levels(audio, RATE, seconds)
        heard = (loud > 0.01 * loud.max()) & (expected_hz > 1.001 * LOWEST_HZ)
        cents = 1200.0 * np.log2(found_hz[heard] / expected_hz[heard])
        assert np.abs(cents).max(initial=0.0) < 1.0
        np.testing.assert_allclose(strengths[heard], expected[heard], atol=1e-4)
        n_frames += int(heard.sum())
    assert n_frames > 100


def test_silence_has_no_pitch_and_no_samples_have_no_frames() -> None:
    assert np.isnan(swipe(np.zeros(RATE))).all()
    assert swipe(np.zeros(0))[0].shape == (0,)


def test_a_note_is_found_without_libraries_that_take_long_to_load() -> None:
    code = "import sys, numpy as np; from inference.clip.pitch import estimate_note; "
    code += "estimate_note(np.sin(np.arange(9000, dtype=np.float32) * 0.1), 44100); "
    code += "print([m for m in ('libf0', 'librosa', 'numba', 'scipy', 'torch') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
