"""Wide and fast sweeps of the pitch, found in sounds whose contours are known."""

from __future__ import annotations

import numpy as np
import pytest

from inference.clip.hints import estimate_hints
from inference.clip.sweeps import find_sweeps
from render.noisemaker.changes.pairings import Pairing, pairings
from render.noisemaker.changes.pitch_contours import Contour, find_contours
from render.noisemaker.hosts import open_host
from render.noisemaker.table import TABLE
from render.note import Note

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
