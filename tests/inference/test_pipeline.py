"""The three stages together: each is judged by clean renders, whatever it proposes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from inference.clip.target import Target
from inference.constraints import Constraints
from inference.evaluate import Candidate
from inference.network.proposals import Proposal
from inference.output.residual import residual
from inference.pipeline import Match, Options, refine
from inference.stages import editor_curves
from inference.stages.ports import Descent, Models
from inference.stages.search import Phase, space_of
from inference.stages.start import in_octaves, on_key
from render.audio import Audio
from render.noisemaker.envelope_editor import spline
from render.noisemaker.patch import Patch
from render.note import SAMPLE_RATE, Note
from tests.fake_host import FakeHost

NOTE = Note(57, 100, 0.3, 0.4)
TRUE = Patch().with_knobs({"volume": 0.5, "cutoff": 0.7, "ampdecay": 0.3, "ampsustain": 0.5})
WORSE = TRUE.with_knobs({"cutoff": 0.1, "ampdecay": 0.9})


@dataclasses.dataclass(frozen=True)
class FixedGuesser:
    patch: Patch

    def propose(
        self,
        audio: Audio,
        note: Note,
        *,
        count: int,
        seed: int = 0,
        note_fixed: bool = False,
        gate_fixed: bool = False,
        pitched: bool = True,
    ) -> list[Proposal]:
        return [Proposal(self.patch, note, 0.0)]


@dataclasses.dataclass(frozen=True)
class FixedDescender:
    patch: Patch
    batch_size: int = 2

    def descend(
        self,
        starts: Sequence[Candidate],
        targets: Sequence[Target],
        constraints: Constraints,
        *,
        n_going_on: int,
        used: Callable[[], float],
        on_step: Callable[[], None],
    ) -> Descent:
        on_step()
        moved = constraints.apply(self.patch)
        return Descent(tuple(Candidate(moved, start.note, origin="descend") for start in starts))

    def changes(
        self,
        answer: Candidate,
        others: Sequence[Candidate],
        constraints: Constraints,
        rng: np.random.Generator,
        *,
        gate: bool,
    ) -> list[Candidate]:
        return []


@dataclasses.dataclass(frozen=True)
class ClockedDescender(FixedDescender):
    """Notes how much of its budget was used before each round."""

    used_before: list[float] = dataclasses.field(default_factory=list)

    def descend(self, *_: object, used: Callable[[], float], **__: object) -> Descent:
        self.used_before.append(used())
        return Descent(())


class RecordingDescender:
    """Moves its first start once; proposes changes of the answer that can and cannot be heard."""

    batch_size = 4

    def __init__(self) -> None:
        self.rounds: list[tuple[list[Candidate], int]] = []

    def descend(self, starts: Sequence[Candidate], *_: object, n_going_on: int, **__: object) -> Descent:
        self.rounds.append((list(starts), n_going_on))
        end = starts[0].patch.with_knobs({"ampdecay": 0.35})
        return Descent((Candidate(end, starts[0].note, origin="descend"),) if len(self.rounds) == 1 else ())

    def changes(self, answer: Candidate, *_: object, **__: object) -> list[Candidate]:
        duller, same = answer.patch.with_knobs({"cutoff": 0.3}), answer.patch.with_knobs({"delaytime": 0.9})
        return [Candidate(patch, answer.note, origin="change") for patch in (duller, same)]


class Interrupting(FixedGuesser, FixedDescender):
    def propose(self, *_: object, **__: object) -> list[Proposal]:
        raise KeyboardInterrupt

    def descend(self, *_: object, **__: object) -> Descent:
        raise KeyboardInterrupt


def make_target(note: Note = NOTE, patch: Patch = TRUE) -> Target:
    audio = FakeHost().render(patch, note)[:1]
    return Target("clip", audio, note, pitched=True, gate_fixed=True, onset_seconds=0.0)


def run(models: Models, *, also: Sequence[Target] = (), **chosen: object) -> Match:
    options: dict[str, object] = {"seconds": None, "renders": 60, "workers": 1, "candidates": 1} | chosen
    return refine(make_target(), Options(**options), make_host=FakeHost, models=models, also=also)  # type: ignore[arg-type]


def test_each_stage_is_recorded_with_what_it_brought() -> None:
    near = TRUE.with_knobs({"ampdecay": 0.5})
    match = run(Models(FixedGuesser(near), FixedDescender(TRUE.with_knobs({"ampdecay": 0.35}))))
    assert [stage.name for stage in match.stages] == ["start", "guess", "descend", "search"]
    mss = [stage.best.mss for stage in match.stages]
    assert mss == sorted(mss, reverse=True)
    assert mss[2] < mss[1] < mss[0]
    assert match.stages[1].counted
    assert match.stages[1].rerender_mss == 0.0


def test_later_rounds_go_on_from_the_nearest_and_start_from_changes_that_are_heard() -> None:
    descender = RecordingDescender()
    near = TRUE.with_knobs({"ampdecay": 0.5})
    run(Models(FixedGuesser(near), descender), stages=("guess", "descend"))
    (first, none), (second, n_going_on), *_ = descender.rounds
    assert none == 0
    assert first[0].patch["ampdecay"] == 0.5
    assert n_going_on == 1
    assert second[0].patch["ampdecay"] == 0.35
    assert [start.patch["cutoff"] for start in second if start.origin == "change"] == [0.3]
    assert len(set(second)) == len(second)


def test_a_small_budget_leaves_a_larger_share_to_the_search() -> None:
    spent = []
    for renders in (100, 1000):
        descender = ClockedDescender(WORSE)
        run(Models(FixedGuesser(WORSE), descender), renders=renders)
        spent.append(descender.used_before[0] * renders)
    # Both had made as many renders until then: 0.75 and 0.9 of the budget are descend's.
    assert spent[0] / spent[1] == pytest.approx(0.9 / 0.75)


def test_a_stage_that_makes_it_worse_changes_nothing() -> None:
    match = run(
        Models(FixedGuesser(TRUE.with_knobs({"cutoff": 0.65})), FixedDescender(WORSE)), stages=("guess", "descend")
    )
    assert match.stages[2].best == match.stages[1].best
    assert not match.stages[2].counted
    assert match.best[0].candidate.origin == "network"


def test_a_sound_that_is_reached_ends_the_run() -> None:
    match = run(Models(FixedGuesser(TRUE), FixedDescender(WORSE)))
    assert [stage.name for stage in match.stages] == ["start", "guess"]
    assert any("descend was not needed" in notice for notice in match.notices)
    assert match.best[0].mss == pytest.approx(0.0, abs=0.05)


def test_missing_models_leave_their_stages_out_and_say_so() -> None:
    match = run(Models(None, None, ("the guess is left out: no weights",)))
    assert [stage.name for stage in match.stages] == ["start", "search"]
    assert "the guess is left out: no weights" in match.notices


@pytest.mark.parametrize("stage", ["guess", "descend"])
def test_ctrl_c_in_a_stage_keeps_the_best_so_far(stage: str) -> None:
    guesser = Interrupting(TRUE) if stage == "guess" else FixedGuesser(TRUE.with_knobs({"ampdecay": 0.4}))
    match = run(Models(guesser, Interrupting(TRUE)))
    assert match.interrupted
    assert match.stages[-1].name == stage
    assert np.isfinite(match.best[0].mss)


def test_locks_hold_in_every_stage() -> None:
    locked = Constraints.parse(["cutoff=0.42"])
    match = run(Models(FixedGuesser(TRUE), FixedDescender(TRUE)), constraints=locked, candidates=3)
    assert {confirmed.candidate.patch["cutoff"] for confirmed in match.best} == {0.42}


def test_one_patch_for_several_clips_is_nearer_to_all_of_them() -> None:
    other = make_target(Note(69, 60, 0.2, 0.3))
    models = Models(FixedGuesser(TRUE.with_knobs({"cutoff": 0.6})), None)
    match = run(models, also=[other], stages=("guess",))
    assert match.targets[1] is other
    audios = match.best[0].audios
    assert [audio.shape[1] for audio in audios] == [round(0.4 * SAMPLE_RATE), round(0.3 * SAMPLE_RATE)]
    expected = FakeHost().render(match.best[0].candidate.patch, other.note)
    np.testing.assert_array_equal(audios[1], expected)


def test_octaves_are_taken_up_by_the_transposition() -> None:
    patch, note = on_key(Patch(), NOTE.number + 12, NOTE)
    assert (patch.choice("transpose"), note) == ("+12", NOTE)
    patch, note = on_key(patch, NOTE.number - 12, NOTE)
    assert (patch.choice("transpose"), note) == ("0", NOTE)
    patch, note = on_key(Patch(), NOTE.number + 7, NOTE)
    assert (patch, note.number) == (Patch(), NOTE.number + 7)
    low = Patch().with_settings({"transpose": "-12"})
    assert [p.choice("transpose") for p in in_octaves([low], NOTE)] == ["0"]  # -24 is out of reach


def test_the_editor_curves_go_through_their_heights() -> None:
    heights = np.array([0.0, 1.0, 0.25, 0.5, 0.5, 0.75, 1.0, 0.0])
    drawn = editor_curves.lines(heights)
    between = spline(drawn, np.linspace(0.0, 1.0, 15))
    np.testing.assert_allclose(between[::2], heights, atol=1e-9)
    np.testing.assert_allclose(between[1::2], (heights[1:] + heights[:-1]) / 2.0, atol=1e-9)
    middles = spline(editor_curves.steps(heights), (np.arange(8) + 0.5) / 8.0)
    np.testing.assert_allclose(middles, heights, atol=1e-9)
    np.testing.assert_allclose(editor_curves.sampled(drawn), heights, atol=1e-9)
    moved = editor_curves.with_heights(drawn, list(1.0 - heights))
    np.testing.assert_allclose(editor_curves.sampled(moved), 1.0 - heights, atol=1e-9)


def test_the_search_draws_editor_curves() -> None:
    on = Patch().with_settings({"envelopeeditordest1": "filter", "envelopeeditoramount": 0.7})
    curved = on.with_points(editor_curves.lines((0.1, 0.9, 0.4)))
    base = Candidate(curved, NOTE)
    whole = space_of(base, Constraints(), Phase("TwoPointsDE"), gate=True)
    assert whole.decode(whole.encode(base), "").patch.points == curved.points
    flat = whole.decode(whole.encode(Candidate(on, NOTE)), "").patch.points
    assert [point.y for point in flat] == pytest.approx([0.5] * 8)
    local = space_of(base, Constraints(), Phase("CMA", discrete=False), gate=True)
    code = local.encode(base)
    code[-2] = 0.6  # the last height; the gate comes after it
    assert [point.y for point in local.decode(code, "").patch.points] == pytest.approx([0.1, 0.9, 0.6])
    locked = space_of(base, Constraints.parse(["envelopeeditordest1"]), Phase("TwoPointsDE"), gate=True)
    assert not locked.shapes


def test_the_verdict_names_where_the_residual_is() -> None:
    rng = np.random.default_rng(3)
    seconds = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = np.sin(2.0 * np.pi * 220.0 * seconds)[None].astype(np.float32)
    hiss = rng.standard_normal(SAMPLE_RATE)
    spectrum = np.fft.rfft(hiss)
    spectrum[: SAMPLE_RATE // 8] = 0.0  # of a second's bins: nothing below 5.5 kHz
    hissing = tone + 0.2 * np.fft.irfft(spectrum)[None].astype(np.float32)
    left = residual(hissing, tone, 0.9)
    assert (left.band, left.time) == ("above 5 kHz", "while the key is held")
    assert left.missing_db > 20.0
    assert "noise" in left.reason
    tail = tone * (seconds > 0.5) * 0.3
    left = residual(tone, tone - tail.astype(np.float32) * 0.999 - 0.7 * tone * (seconds > 0.5).astype(np.float32), 0.5)
    assert left.time == "after the key is let go"


def test_far_matches_get_the_verdict() -> None:
    locked = Constraints.parse(["cutoff=1", "ampdecay=0"])
    match = run(Models(None, None), stages=(), constraints=locked)
    assert match.best[0].mss > 4.0
    assert any("dB away" in notice for notice in match.notices)
