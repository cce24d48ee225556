"""The last stage: simpler settings that sound the same, for any instrument."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inference.budget import Budget
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.command.batch import Batch
from inference.command.console import Console
from inference.command.jobs import Job, in_groups
from inference.constraints import Constraints
from inference.evaluate import Evaluator
from inference.judge import Judge
from inference.leaderboard import Leaderboard
from inference.match import KNOB_MOVE, Ended, Match
from inference.options import Options
from inference.output.files import suffixes
from inference.output.names import plan_results
from inference.output.record import read_record
from inference.output.report import report_html
from inference.pipeline import refine
from inference.ports import Models
from inference.run import Run
from inference.stages.simplifications import Simplifier, round_knob, with_each_knob_moved
from inference.stages.tidy import ALLOWED_DB
from render.audio import Audio
from render.errors import HostError
from render.instruments.patch import Patch
from render.measures.loudness import EqualLoudnessMss
from render.noisemaker import editor_curves
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.table import TABLE as NOISEMAKER_TABLE
from render.noisemaker.trials.auditions import PARTS
from render.note import SAMPLE_RATE, Note
from tests.toy import TABLE, TOY, ToyHost

NOTE = Note(57, 100, 0.4, 0.6)
PLAIN = TABLE.patch({"fade": 0.2})
FOUND = PLAIN.with_knobs({"fade": 0.2007, "shake": 0.002, "colour": 0.9, "loud": 0.45})
"""What a search might find: a tremolo that nobody hears, and a colour that a sine does not have."""


def target(patch: Patch = PLAIN, *, note_fixed: bool = True) -> Target:
    audio = ToyHost().render(patch, NOTE)[:1]
    return Target("clip", audio, NOTE, pitched=True, gate_fixed=True, onset_seconds=0.0, note_fixed=note_fixed)


def tidied(found: Patch = FOUND, clip: Patch = PLAIN, *, note_fixed: bool = True, **chosen: object) -> Match:
    options: dict[str, object] = {"seconds": None, "renders": 400, "workers": 1, "stages": ()} | chosen
    options["resumed"] = (Candidate(found, NOTE),)
    return refine([target(clip, note_fixed=note_fixed)], Options(TOY, **options), make_host=ToyHost, models=Models())  # type: ignore[arg-type]


def test_what_cannot_be_heard_goes_to_its_default_and_the_rest_to_round_settings() -> None:
    match = tidied()
    before, after = tidied(tidy=False).best[0], match.best[0]
    assert [stage.name for stage in match.stages] == ["start", "tidy"]
    assert match.stages[-1].counted
    patch = after.candidate.patch
    assert (patch["shake"], patch["colour"]) == (0.0, 0.5)
    assert patch["fade"] == pytest.approx(0.2)
    assert after.mss <= before.mss + ALLOWED_DB
    assert match.tidied is not None
    assert (match.tidied.differing_before, match.tidied.differing_after) == (3, 1)
    np.testing.assert_array_equal(after.audios[0], ToyHost().render(patch, NOTE))


@pytest.mark.parametrize(("octave", "number"), [(1.0, 69), (0.0, 45)])
def test_a_transposition_goes_into_the_key_where_nobody_named_it(octave: float, number: int) -> None:
    heard = TABLE.patch({"fade": 0.2, "octave": octave})
    best = tidied(heard, heard, note_fixed=False).best[0]
    assert (best.candidate.note.number, best.candidate.patch.choice("octave")) == (number, "0")
    assert best.mss <= ALLOWED_DB
    named = tidied(heard, heard).best[0].candidate
    assert (named.note.number, named.patch["octave"]) == (57, octave)
    locked = tidied(heard, heard, note_fixed=False, constraints=Constraints({"octave": octave})).best[0].candidate
    assert (locked.note.number, locked.patch["octave"]) == (57, octave)


def test_what_is_heard_stays() -> None:
    heard = TABLE.patch({"shape": 1.0, "colour": 0.31, "fade": 0.2, "shake": 0.6, "octave": 1.0})
    match = tidied(heard, heard)
    patch = match.best[0].candidate.patch
    assert {name for name in TABLE.names if patch[name] != TABLE.default[name]} >= {"shape", "octave", "fade", "shake"}
    assert match.best[0].mss <= ALLOWED_DB
    assert match.tidied is not None
    sections = match.tidied.sections
    assert list(sections.values()) == sorted(sections.values(), reverse=True)
    assert sections["tremolo"] > match.best[0].mss + 0.5
    knobs = match.tidied.knobs
    assert list(knobs.values()) == sorted(knobs.values(), reverse=True)
    assert set(knobs) == {"colour", "fade", "shake"}
    moved = patch.with_knobs({"fade": patch["fade"] + KNOB_MOVE})
    judge = EqualLoudnessMss([match.best[0].targets[0].audio], SAMPLE_RATE)
    assert knobs["fade"] == pytest.approx(judge.measure([ToyHost().render(moved, NOTE)])[0], abs=1e-6)


def test_audible_knobs_but_the_level_are_moved_where_there_is_room() -> None:
    patch = TABLE.patch({"shape": 1.0, "colour": 0.98, "shake": 0.6})
    moved = {name: other.diff(patch)[name][0] for name, other in with_each_knob_moved(patch).items()}
    assert list(moved) == ["colour", "shake", "fade"]  # what differs from the default first
    assert moved == pytest.approx({"colour": 0.93, "shake": 0.65, "fade": 0.55})
    assert all(len(other.diff(patch)) == 1 for other in with_each_knob_moved(patch).values())
    assert "colour" not in with_each_knob_moved(patch.with_knobs({"shape": 0.0}))


class WideHost(ToyHost):
    """Plays the toy with both sides apart where there is a tremolo, which the mean of them does not tell."""

    def render(self, patch: Patch, note: Note, *, seed: int = 0, clean: bool = True) -> Audio:
        sides = super().render(patch, note, seed=seed, clean=clean)
        apart = (0.5 if patch["shake"] > 0.0 else 0.0) * np.roll(sides[0], 100)
        return np.stack([sides[0] + apart, sides[1] - apart])


def test_the_width_of_a_stereo_clip_stays() -> None:
    for clip, shaken in ((WideHost(), True), (ToyHost(), False)):
        heard = dataclasses.replace(target(), audio=clip.render(FOUND, NOTE))
        options = Options(TOY, seconds=None, renders=400, workers=1, stages=(), resumed=(Candidate(FOUND, NOTE),))
        patch = refine([heard], options, make_host=WideHost, models=Models()).best[0].candidate.patch
        assert (patch["colour"], patch["shake"] > 0.0) == (0.5, shaken)


def test_what_is_next_to_off_is_switched_off() -> None:
    simplifier = Simplifier(NOISEMAKER, NOISEMAKER_TABLE.default, Constraints())
    found = NOISEMAKER_TABLE.patch({"osc3volume": 4.5e-6, "reverbwet": 0.004, "osc1finetune": 0.503, "cutoff": 0.4})
    knobs = {name: knob for one in simplifier.roundings(found) for name, knob in one.knobs.items()}
    assert (knobs["osc3volume"], knobs["reverbwet"]) == (0.0, 0.0)
    assert knobs["osc1finetune"] != 0.0


def test_no_tidy_leaves_it_as_it_was_found() -> None:
    match = tidied(tidy=False)
    assert [stage.name for stage in match.stages] == ["start"]
    patch = match.best[0].candidate.patch
    assert all(patch[name] == FOUND[name] for name in TABLE.names if name != "loud")
    assert match.tidied is None


def test_locked_knobs_stay() -> None:
    patch = tidied(constraints=Constraints({"shake": 0.002, "fade": 0.2007})).best[0].candidate.patch
    assert (patch["shake"], patch["fade"], patch["colour"]) == (0.002, 0.2007, 0.5)


def test_a_start_preset_is_what_counts_as_plain() -> None:
    start = FOUND.with_knobs({"colour": 0.7, "shake": 0.004})
    patch = tidied(FOUND.with_knobs({"shake": 0.006}), start=start).best[0].candidate.patch
    assert (patch["shake"], patch["colour"], patch["fade"]) == (0.004, 0.7, 0.2007)


@pytest.mark.parametrize("renders", [20, 60, 400])
def test_it_keeps_to_its_share_of_the_renders(renders: int) -> None:
    heard = TABLE.patch({"shape": 1.0, "colour": 0.31, "fade": 0.23, "shake": 0.62, "octave": 1.0})
    match = tidied(heard, heard.with_knobs({"fade": 0.3}), renders=renders)
    assert match.stages[-1].renders <= max(0.05 * renders, 4) + 4  # those in flight, and the judge's


def test_it_keeps_to_its_share_of_the_seconds() -> None:
    ticks = itertools.count()
    clip = target()
    for seconds, most in ((20.0, 1.0), (600.0, 3.0)):
        budget = Budget(seconds, clock=lambda: 0.25 * next(ticks))
        with Evaluator([clip], ToyHost, workers=1, board=Leaderboard(budget)) as evaluator:
            run = Run((clip,), Options(TOY, seconds=seconds), Models(), evaluator, Judge([clip], 1))
            assert run.before_judging() == pytest.approx(1.0 - most / seconds)
            used = run.tidying()
            assert used() == pytest.approx(0.25 / most)
            assert used() == pytest.approx(0.5 / most)


def test_ctrl_c_while_it_tidies_keeps_the_answer() -> None:
    def press(board: Leaderboard) -> None:
        if board.stage == "tidy":
            raise KeyboardInterrupt

    heard = TABLE.patch({"shape": 1.0, "colour": 0.31, "fade": 0.23, "shake": 0.62})
    options = Options(TOY, seconds=None, renders=200, workers=1, stages=(), resumed=(Candidate(heard, NOTE),))
    match = refine([target(heard)], options, make_host=ToyHost, models=Models(), on_progress=press)
    assert match.ended is Ended.INTERRUPTED
    assert match.best[0].mss == pytest.approx(0.0, abs=1e-6)
    assert match.tidied is None


class Mute(ToyHost):
    """Renders nothing."""

    def render(self, *_: object, **__: object) -> Audio:
        raise HostError("no sound today")


@pytest.mark.parametrize("stages", [(), ("search",)])
def test_without_an_answer_there_is_nothing_to_search_or_tidy(stages: tuple[str, ...]) -> None:
    options = Options(TOY, seconds=None, renders=20, workers=1, stages=stages)
    with pytest.raises(HostError, match=r"none of 1 renders succeeded on .*: no sound today"):
        refine([target()], options, make_host=Mute, models=Models())


def test_the_record_and_the_report_say_what_it_did(tmp_path: Path) -> None:
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, ToyHost().render(TABLE.patch({"shape": 1.0, "shake": 0.6}), NOTE)[0], SAMPLE_RATE)
    (files,) = plan_results([clip], tmp_path / "out", suffixes(TOY), 1)
    options = Options(TOY, seconds=None, renders=200, workers=1, seed=1)
    Batch(in_groups([Job(clip, files, note=57)], options, together=False), Console(quiet=True)).run()
    record = read_record(files.record)
    assert record["options"]["tidy"] is True
    assert record["stages"][-1]["name"] == "tidy"
    done = record["tidied"]
    assert done["differing_after"] <= done["differing_before"]
    assert {part["name"] for part in done["sections"]} >= {"tremolo"}
    assert {knob["name"] for knob in done["knobs"]} >= {"shake"}
    page = (tmp_path / "out" / "clip.html").read_text()
    assert "Contribution of each part" in page
    assert f"<td>{done['sections'][0]['name']}</td>" in page
    cost = done["knobs"][0]["mss_moved"] - record["best"]["distance"]["mss"]
    assert f"<td class='n quiet'>{cost:+.2f}</td>" in page
    assert "preset played on" not in page
    one = target()
    other = one.note.number + 12
    best = record["best"] | {"note": record["best"]["note"] | {"number": other}}
    moved = report_html(TABLE, record | {"best": best}, one, one.audio)
    assert f"pitch of the clip {one.note.title}; preset played on note {other} ({Note.name(other)})" in moved


def lfo(**knobs: float) -> Patch:
    on = NOISEMAKER_TABLE.default.with_settings({"lfo1destination": "filter"})
    return on.with_knobs({"lfo1amount": 0.8, "lfo1rate": 0.4} | knobs)


def test_switching_off_takes_along_what_it_made_audible() -> None:
    simplifier = Simplifier(NOISEMAKER, NOISEMAKER_TABLE.default, Constraints())
    patch = lfo(osc2volume=0.4, osc2finetune=0.6, osc2phase=0.3, reverbwet=0.2, reverbdecay=0.9)
    found = {one.name: simplifier.applied(patch, one) for one in simplifier.simplifications(patch)}
    assert not found["lfo1"].diff(patch.with_knobs({"lfo1amount": 0.5, "lfo1rate": 0.0, "lfo1destination": 0.0}))
    assert not found["oscillators"].diff(patch.with_knobs({"osc2volume": 0.0, "osc2finetune": 0.5, "osc2phase": 0.0}))
    assert not found["reverb"].diff(patch.with_knobs({"reverbwet": 0.0, "reverbdecay": 0.5}))
    parts = [one.name for one in simplifier.parts(patch)]
    assert parts == ["lfo1", "reverb", "Osc 1 volume", "Osc 2 volume", "Sub volume"]


def test_resetting_what_is_not_heard_never_switches_anything_on() -> None:
    still = lfo(lfo1amount=0.5).with_settings({"lfo1destination": "off"})
    bare = Simplifier(NOISEMAKER, lfo(), Constraints()).bare(still)
    assert not bare.sounds("lfo1rate")
    rng = np.random.default_rng(3)
    default = Simplifier(NOISEMAKER, NOISEMAKER_TABLE.default, Constraints())
    for _ in range(50):
        patch = Patch(NOISEMAKER_TABLE, tuple(rng.integers(0, 3, len(NOISEMAKER_TABLE.names)) / 2.0)).snapped()
        bare = default.bare(patch)
        assert not [part for part, used in PARTS.items() if used(bare) and not used(patch)]
        both = [name for name in NOISEMAKER_TABLE.names if patch.sounds(name) and bare.sounds(name)]
        assert all(bare[name] == patch[name] for name in both)


def test_a_curve_that_is_not_heard_goes_too() -> None:
    curve = editor_curves.lines((0.1, 0.9, 0.4))
    off = NOISEMAKER_TABLE.default.with_extra(curve)
    on = off.with_settings({"envelopeeditordest1": "filter"}).with_knobs({"envelopeeditoramount": 0.5})
    simplifier = Simplifier(NOISEMAKER, NOISEMAKER_TABLE.default, Constraints())
    assert simplifier.bare(off).extra == ()
    assert simplifier.bare(on).extra == curve
    locked = dataclasses.replace(simplifier, constraints=Constraints({"envelopeeditoramount": 0.0}))
    assert locked.bare(off).extra == curve


@pytest.mark.parametrize(
    ("name", "setting", "rounded"),
    [
        ("cutoff", 1483.0, 1500.0),
        ("ampdecay", 0.01234, 0.012),
        ("osc1finetune", -0.0712, -0.071),
        ("resonance", 0.437, 0.44),
    ],
)
def test_round_settings_are_those_that_people_set(name: str, setting: float, rounded: float) -> None:
    row = NOISEMAKER_TABLE.parameter(name)
    knob = round_knob(row, row.knob(setting))
    assert row.setting(knob) == pytest.approx(rounded, rel=1e-9)
    assert round_knob(row, knob) == pytest.approx(knob, abs=1e-12)


def test_round_settings_stay_within_the_range_and_note_values_are_kept() -> None:
    for row in NOISEMAKER_TABLE.parameters:
        if not row.discrete:
            for knob in (0.0, 0.013, 0.5, 0.987, 1.0):
                assert 0.0 <= round_knob(row, knob) <= 1.0
    row = NOISEMAKER_TABLE.parameter("delaytime")
    knob = round_knob(row, 0.4321, synced=True)
    assert row.setting(knob, synced=True) == row.setting(0.4321, synced=True)
