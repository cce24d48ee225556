"""Neighbours are one decision away, respect the locks, and bring silent parts in."""

from __future__ import annotations

import numpy as np
import pytest

from inference.candidate import Candidate
from inference.constraints import Constraints
from inference.stages.neighbours import crossovers, neighbours
from render.noisemaker.envelope_editor import EnvelopePoint
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.table import TABLE
from render.note import Note

NOTE = Note(60, 100, 0.5, 1.0)
PLAIN = Candidate(TABLE.default.with_settings({"osc1waveform": "pulse", "osc2volume": 0.0}), NOTE)


def found(candidate: Candidate = PLAIN, *, locks: tuple[str, ...] = (), gate: bool = True) -> list[Candidate]:
    return neighbours(NOISEMAKER, candidate, Constraints.parse(TABLE, locks), np.random.default_rng(1), gate=gate)


def test_every_other_choice_that_is_heard_is_there_once() -> None:
    patches = [candidate.patch for candidate in found()]
    assert len(set(patches)) == len(patches) - 3  # the four gates share the candidate's own patch
    types = [p.choice("filtertype") for p in patches if p["filtertype"] != PLAIN.patch["filtertype"]]
    assert sorted(types) == sorted(set(TABLE.parameter("filtertype").choices) - {"LP 24"})
    tunes = {p.index("osc1tune") - PLAIN.patch.index("osc1tune") for p in patches} - {0}
    assert tunes == {-12, -7, -5, 5, 7, 12, 24}  # 24 semitones lower is out of reach
    assert any(p.sounds("osc2waveform") for p in patches)
    assert any(p.sounds("lfo1rate") for p in patches)


def test_one_decision_apart() -> None:
    for candidate in found(gate=False):
        assert 1 <= len(PLAIN.patch.diff(candidate.patch)) <= 3  # a part of the panel may need three knobs
        assert candidate.note == NOTE
    gates = [candidate.note.gate_seconds for candidate in found() if candidate.patch == PLAIN.patch]
    assert gates == pytest.approx([0.4, 0.45, 0.55, 0.625])


def test_locks_hold_and_the_draws_are_seeded() -> None:
    for candidate in found(locks=("filtertype", "osc2volume=0", "osc1finetune")):
        for name in ("filtertype", "osc2volume", "osc1finetune"):
            assert candidate.patch[name] == PLAIN.patch[name]
    assert found() == found()


def test_crossovers_take_one_section_of_the_panel_from_another_candidate() -> None:
    # The delay is off, so its time is no difference.
    patch = PLAIN.patch.with_knobs({"cutoff": 0.4, "ampattack": 0.3, "delaytime": 0.9})
    other = Candidate(patch.with_settings({"filtertype": "BP 12", "osc1waveform": "noise"}), NOTE)
    crossed = [candidate.patch for candidate in crossovers(NOISEMAKER, PLAIN, [other, other], Constraints())]
    changed = [sorted(PLAIN.patch.diff(patch)) for patch in crossed]
    assert changed == [["cutoff", "filtertype"], ["ampattack"], ["osc1waveform"]]
    locked = crossovers(NOISEMAKER, PLAIN, [other], Constraints.parse(TABLE, ["cutoff=1", "osc1waveform=pulse"]))
    assert [sorted(PLAIN.patch.diff(candidate.patch)) for candidate in locked] == [["filtertype"], ["ampattack"]]
    elsewhere = Candidate(other.patch, Note(61, 100, 0.5, 1.0))
    assert crossovers(NOISEMAKER, PLAIN, [elsewhere], Constraints()) == []


def test_a_crossover_of_the_envelope_editor_brings_its_curve() -> None:
    curve = (EnvelopePoint(0.0, 0.2, 0.0, 0.2, 0.1, 0.2), EnvelopePoint(1.0, 0.9, 0.9, 0.9, 1.0, 0.9))
    edited = PLAIN.patch.with_settings({"envelopeeditordest1": "filter"}).with_knobs({"envelopeeditoramount": 0.6})
    other = Candidate(edited.with_extra(curve), NOTE)
    (crossed,) = crossovers(NOISEMAKER, PLAIN, [other], Constraints())
    assert crossed.patch.extra == curve
    without = crossovers(NOISEMAKER, PLAIN, [other], Constraints.parse(TABLE, ["envelopeeditoramount=0"]))
    assert all(candidate.patch.extra == PLAIN.patch.extra for candidate in without)
