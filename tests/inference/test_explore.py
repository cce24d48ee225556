"""What is left out of a candidate before its structure is changed, and modulations that are read off the clip."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from inference.candidate import Candidate
from inference.clip.hints import estimate_hints
from inference.clip.target import Target
from inference.constraints import Constraints
from inference.stages.descender import ProxyDescender
from inference.stages.explore import AUDIBLE_CHANGE, explore, pruned, read_off, reduced
from proxy.synth.controls import Controls
from proxy.synth.corrections import Corrections
from proxy.synth.voice import render
from render.instruments.patch import Patch
from render.measures.distance import TargetDistance
from render.noisemaker.changes.lfos import with_lfo
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.table import TABLE
from render.note import Note

NOTE = Note(48, 100, 0.4, 0.5)
VOICE = TABLE.patch({"cutoff": 0.5, "osc1volume": 0.8, "osc3volume": 0.0})
TRUE = with_lfo(VOICE, "lfo1", "filter", 6.0, 0.3, waveform="rectangle")
DESCENDER = ProxyDescender(Corrections())


@pytest.fixture(scope="module")
def target() -> Target:
    audio = render(Controls.from_patches([TRUE], [NOTE]), NOTE.n_samples)[0, :1].numpy()
    return Target("clip", audio, NOTE, pitched=True, gate_fixed=True, onset_seconds=0.0)


def run_on(target: Target, constraints: Constraints | None) -> Any:
    return SimpleNamespace(
        options=SimpleNamespace(instrument=NOISEMAKER, constraints=constraints or Constraints()),
        budget=SimpleNamespace(used=lambda: 0.0, n_renders=0),
        board=SimpleNamespace(announce=lambda: None),
        target=target,
        targets=[target],
        hints=estimate_hints(target.audio, target.note.gate_seconds),
        afford=lambda n, until: n,
    )


def left(patch: Patch, target: Target, constraints: Constraints | None = None) -> Candidate:
    return pruned(run_on(target, constraints), DESCENDER, Candidate(patch, NOTE), 1.0)


def test_what_is_hardly_heard_is_left_out_and_the_rest_stays(target: Target) -> None:
    rich = TRUE.with_knobs({"osc2fm": 0.002, "ringmodulation": 0.001, "vintagenoise": 0.01, "reverbwet": 0.002})
    found = left(with_lfo(rich, "lfo2", "pan", 3.0, 0.001), target)
    assert found.patch.diff(TRUE).keys() <= {"lfo1keytrigger", "lfo1rate", "lfo1phase", "lfo1amount", "cutoff"}
    assert found.patch.choice("lfo1destination") == "filter"
    assert found.patch.choice("lfo1waveform") == "rectangle"
    assert found.loss < 0.02


def test_two_modulators_that_do_what_one_does_become_one(target: Target) -> None:
    """Two rectangles of half the amount add up to the true one."""
    half = with_lfo(VOICE, "lfo1", "filter", 6.0, 0.15, waveform="rectangle")
    found = left(with_lfo(half, "lfo2", "filter", 6.0, 0.15, waveform="rectangle"), target)
    on = [name for name in ("lfo1", "lfo2") if found.patch.sounds(f"{name}rate")]
    assert len(on) == 1
    assert found.patch[f"{on[0]}amount"] == pytest.approx(TRUE["lfo1amount"], abs=0.02)


def test_locked_knobs_stay(target: Target) -> None:
    rich = TRUE.with_knobs({"osc2fm": 0.002, "reverbwet": 0.002})
    found = left(rich, target, Constraints({"osc2fm": 0.002}))
    assert found.patch["osc2fm"] == 0.002
    assert found.patch["reverbwet"] == 0.0


def test_plain_patches_are_made_from_the_clip_only_where_asked(target: Target) -> None:
    run, others = run_on(target, None), [Candidate(TRUE, NOTE)]
    short = {one.origin for one in reduced(run, DESCENDER, others, 1.0, from_clip=False)}
    assert short
    assert all(origin.startswith("plain") for origin in short)
    longer = {one.origin for one in reduced(run, DESCENDER, others, 1.0, from_clip=True)}
    assert short < longer
    assert any(origin.startswith("from the clip") for origin in longer)


def test_a_modulation_is_read_off_the_clip(target: Target) -> None:
    found = read_off(run_on(target, None), DESCENDER, Candidate(VOICE, NOTE), 1.0)
    closest = min(found, key=lambda one: one.loss)
    (still,) = DESCENDER.screen([Candidate(VOICE, NOTE)], [target])
    assert closest.loss < 0.4 * still.loss
    lfos = [
        one.patch for one in found if one.origin == "filter: LFO" and one.patch.choice("lfo1waveform") == "rectangle"
    ]
    assert any(patch.setting("lfo1rate") == pytest.approx(6.0, rel=0.05) for patch in lfos)


def test_modulations_that_a_lock_excludes_are_not_proposed(target: Target) -> None:
    locked = Constraints({"lfo1amount": 0.5, "lfo2amount": 0.5, "envelopeeditoramount": 0.0})
    found = read_off(run_on(target, locked), DESCENDER, Candidate(VOICE, NOTE), 1.0)
    assert found
    assert all(locked.apply(one.patch) == one.patch for one in found)


def test_nothing_is_read_off_for_a_chord(target: Target) -> None:
    chord = Note.of((48, 52), 100, NOTE.gate_seconds, NOTE.seconds)
    assert read_off(run_on(target, None), DESCENDER, Candidate(VOICE, chord), 1.0) == []


def explored(run: Any, base: Candidate, *, deeply: bool) -> tuple[list[Candidate], list[Candidate]]:
    return explore(run, DESCENDER, base, np.random.default_rng(0), until=1.0, deeply=deeply)


def test_what_a_comparison_suggests_is_evaluated_before_all_other_changes(target: Target) -> None:
    run, n_affordable = run_on(target, None), 16
    run.budget.used = lambda: 0.0 if run.budget.n_renders < n_affordable else 1.0
    (base,) = DESCENDER.screen([Candidate(VOICE, NOTE)], [target])
    likely, others = explored(run, base, deeply=True)
    assert min(one.loss for one in likely) < 0.4 * base.loss
    assert not others
    run = run_on(target, None)
    run.budget.used = lambda: 0.0 if run.budget.n_renders < n_affordable else 1.0
    likely, others = explored(run, base, deeply=False)
    assert not likely
    assert len(others) == n_affordable


def test_suggestions_that_change_nothing_are_left_out(target: Target) -> None:
    """Of the changes of a patch that is nearly right, many hardly alter its sound."""
    (base,) = DESCENDER.screen([Candidate(TRUE.with_knobs({"cutoff": 0.52}), NOTE)], [target])
    likely, _ = explored(run_on(target, None), base, deeply=True)
    as_far = [one for one in likely if abs(one.loss - base.loss) < AUDIBLE_CHANGE * base.loss]
    assert as_far
    own = TargetDistance(DESCENDER.play(base, NOTE.n_samples))
    assert min(own.measure(DESCENDER.play(one, NOTE.n_samples))[0] for one in as_far) > 0.1 * base.loss
