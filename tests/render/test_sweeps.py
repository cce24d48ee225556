"""Wide and fast sweeps of the pitch, found in sounds whose contours are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.clip.hints import estimate_hints, estimate_left_hints
from inference.clip.sweeps import find_sweeps
from render.instruments.hints import Hints
from render.instruments.patch import Patch
from render.measures.metrics import MssTarget
from render.noisemaker.changes.contours import Contour
from render.noisemaker.changes.followed import followed
from render.noisemaker.changes.pairings import Pairing, pairings
from render.noisemaker.changes.pitch_contours import find_contours
from render.noisemaker.hosts import open_host
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note

NOTE = Note(60, 100, 0.9, 1.0)
STILL = TABLE.patch({"osc1volume": 0.7, "osc1tune": 0.5, "osc3volume": 0.0})
SWEEPS = [("sine", 9.0, 40.0), ("saw", 12.0, -26.0), ("triangle", 6.0, 24.0), ("rectangle", 5.0, 34.0)]


def played(waveform: str, hz: float, semitones: float, *, rich: bool) -> np.ndarray:
    """A saw that stands still, and an oscillator that sweeps."""
    sweep = Contour(60.0, rich, 0.0, waveform=waveform, hz=hz, semitones=semitones)
    patch = Pairing("one", {2: sweep}, "saw" if rich else "sine").played(STILL, NOTE.number)
    host = open_host("embedded")
    try:
        return host.render(patch, NOTE)
    finally:
        host.close()


def is_close(found: Contour, waveform: str, hz: float, semitones: float) -> bool:
    """Whether a contour is so near that a descent can do the rest."""
    return (
        found.waveform == waveform
        and abs(found.hz / hz - 1.0) < 0.03
        and abs(found.semitones / semitones - 1.0) < 0.15
        and abs(found.key - NOTE.number) < 3.0
    )


@pytest.mark.parametrize("wanted", SWEEPS, ids=lambda one: one[0])
@pytest.mark.parametrize("rich", [True, False], ids=["rich", "pure"])
def test_a_fast_sweep_is_found_beside_a_still_oscillator(wanted: tuple[str, float, float], rich: bool) -> None:
    hints = estimate_hints(played(*wanted, rich=rich), NOTE.gate_seconds)
    found = [pairing for pairing in pairings(hints, NOTE.number) if pairing.kind == "sweep and contour"]
    assert any(
        pairing.waveform2 == ("saw" if rich else "sine")
        for pairing in found
        if not pairing.contours[1].waveform and is_close(pairing.contours[2], *wanted)
    )


def test_two_lfos_on_one_pitch_are_found_together() -> None:
    slow = Contour(60.0, True, 0.0, waveform="sine", hz=2.1, semitones=16.0)
    both = replace(slow, second=Contour(60.0, True, 0.0, waveform="sine", hz=11.6, semitones=4.6))
    patch = Pairing("one", {2: both}, "saw").played(STILL, NOTE.number)
    host = open_host("embedded")
    hints = estimate_hints(host.render(patch, NOTE), NOTE.gate_seconds)
    host.close()
    found = [pairing.contours[2] for pairing in pairings(hints, NOTE.number) if 2 in pairing.contours]
    assert any(
        is_close(one, "sine", 2.1, 16.0) and is_close(replace(one.second, key=one.key), "sine", 11.6, 4.6)
        for one in found
        if one.second is not None
    )


def test_an_oscillator_follows_what_the_other_one_leaves() -> None:
    """A saw with a wide LFO hides a triangle with another one; a patch in which the saw is right finds the triangle."""
    loud = Contour(60.0, True, 0.0, waveform="triangle", hz=1.5, semitones=22.0)
    quiet = Contour(48.0, False, 0.0, waveform="sine", hz=10.8, semitones=15.0)
    host = open_host("embedded")
    clip = host.render(Pairing("both", {1: loud, 2: quiet}, "triangle").played(STILL, NOTE.number), NOTE)
    guess = Pairing("one", {1: loud, 2: replace(quiet, key=50.0, waveform="")}, "saw").played(STILL, NOTE.number)
    hints = estimate_hints(clip, NOTE.gate_seconds)
    mss = MssTarget(clip, SAMPLE_RATE)

    def left_by(patch: Patch) -> Hints:
        return estimate_left_hints(clip, NOTE.gate_seconds, host.render(patch, NOTE))

    changed = [patch for _, patch in followed(guess, NOTE, hints, left_by)]
    assert min(mss.distance(host.render(patch, NOTE)) for patch in changed) < 0.5 * mss.distance(
        host.render(guess, NOTE)
    )
    closest = min(changed, key=lambda patch: mss.distance(host.render(patch, NOTE)))
    assert closest.choice("osc2waveform") == "triangle"
    assert (closest.choice("lfo1destination"), closest.choice("lfo2destination")) in {
        ("osc1", "osc2"),
        ("osc2", "osc1"),
    }
    host.close()


def test_what_is_left_of_a_mono_clip_is_what_is_left_of_both_its_sides() -> None:
    host = open_host("embedded")
    clip = host.render(STILL.with_settings({"lfo1destination": "filter"}).with_knobs({"cutoff": 0.4}), NOTE)[:1]
    part = 0.7 * host.render(STILL.with_knobs({"cutoff": 0.2}), NOTE)
    host.close()
    mono, both = (estimate_left_hints(one, NOTE.gate_seconds, part) for one in (clip, np.repeat(clip, 2, axis=0)))
    assert mono.loudness == pytest.approx(both.loudness)
    assert mono.rates_hz == pytest.approx(both.rates_hz)


def test_nothing_follows_in_a_clip_whose_pitch_stands_still() -> None:
    host = open_host("embedded")
    patch = STILL.with_knobs({"osc2volume": 0.7})
    hints = estimate_hints(host.render(patch, NOTE), NOTE.gate_seconds)
    host.close()

    def left_by(_: Patch) -> Hints:
        raise AssertionError("there is nothing to look for")

    assert not list(followed(patch, NOTE, hints, left_by))


def test_what_stands_still_does_not_resemble_a_sweep() -> None:
    host = open_host("embedded")
    for resemblance in find_sweeps(host.render(STILL, NOTE), NOTE.gate_seconds):
        assert all(one.score < 0.35 for one in find_contours(resemblance, NOTE.number, rich=False, moving=2))
    host.close()


def test_a_short_or_silent_clip_has_no_sweeps() -> None:
    for n_samples in (64, 4410):
        for resemblance in find_sweeps(np.zeros((1, n_samples), np.float32), 0.1):
            assert resemblance.n_frames >= 1
            assert not resemblance.strengths.any()
