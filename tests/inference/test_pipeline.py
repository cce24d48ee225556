"""The three stages together: each is judged by clean renders, whatever it proposes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import numpy as np
import pytest

from inference.candidate import Candidate
from inference.clip.target import Target
from inference.constraints import Constraints
from inference.evaluate import Evaluator
from inference.judge import Judge
from inference.match import Ended, Match
from inference.methods import Phase
from inference.options import Options
from inference.output.residual import residual
from inference.pipeline import refine
from inference.ports import Descent, DescentJob, Models, Proposal
from inference.stages.search import space_of
from inference.stages.start import corrected
from render.audio import Audio
from render.errors import HostError
from render.instruments.keys import in_octaves, on_key
from render.instruments.patch import Patch
from render.measures.distance import TargetDistance
from render.noisemaker import editor_curves
from render.noisemaker.envelope_editor import spline
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note
from tests.fake_host import FakeHost

NOTE = Note(57, 100, 0.3, 0.4)
TRUE = TABLE.patch({"volume": 0.5, "cutoff": 0.7, "ampdecay": 0.3, "ampsustain": 0.5})
WORSE = TRUE.with_knobs({"cutoff": 0.1, "ampdecay": 0.9})


@dataclasses.dataclass(frozen=True)
class FixedGuesser:
    patch: Patch

    def propose(self, target: Target, *, count: int, seed: int = 0) -> list[Proposal]:
        return [Proposal(self.patch, target.note, 0.0)]


@dataclasses.dataclass(frozen=True)
class FixedDescender:
    patch: Patch
    batch_size: int = 2

    def descend(self, job: DescentJob) -> Descent:
        job.on_step(len(job.starts))
        moved = job.constraints.apply(self.patch)
        return Descent(tuple(Candidate(moved, start.note, origin="descend") for start in job.starts))

    def screen(self, candidates: Sequence[Candidate], targets: Sequence[Target]) -> list[Candidate]:
        return screened(candidates, targets)

    def steep_knobs(self, patch: Patch) -> frozenset[str]:
        return frozenset()

    def play(self, candidate: Candidate, n_samples: int) -> Audio:
        return np.zeros((2, n_samples), np.float32)

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


def screened(candidates: Sequence[Candidate], targets: Sequence[Target]) -> list[Candidate]:
    """The candidates with their losses, by a proxy that is the host itself."""
    distance, host = TargetDistance(targets[0].audio), FakeHost()
    return [dataclasses.replace(one, loss=distance.measure(host.render(one.patch, one.note))[0]) for one in candidates]


class RecordingDescender:
    """Moves its first start once; proposes changes of the answer that can and cannot be heard."""

    batch_size = 12

    def __init__(self) -> None:
        self.rounds: list[tuple[list[Candidate], int]] = []

    def descend(self, job: DescentJob) -> Descent:
        starts = job.starts
        self.rounds.append((list(starts), job.n_continued))
        end = starts[0].patch.with_knobs({"ampdecay": 0.35})
        return Descent((Candidate(end, starts[0].note, origin="descend"),) if len(self.rounds) == 1 else ())

    def screen(self, candidates: Sequence[Candidate], targets: Sequence[Target]) -> list[Candidate]:
        return screened(candidates, targets)

    def steep_knobs(self, patch: Patch) -> frozenset[str]:
        return frozenset()

    def play(self, candidate: Candidate, n_samples: int) -> Audio:
        return np.zeros((2, n_samples), np.float32)

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
    options: dict[str, object] = {"seconds": None, "renders": 60, "workers": 1, "candidates": 1, "tidy": False} | chosen
    return refine([make_target(), *also], Options(NOISEMAKER, **options), make_host=FakeHost, models=models)  # type: ignore[arg-type]


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
    (first, none), (second, n_continued), *_ = descender.rounds
    assert none == 0
    assert first[0].patch["ampdecay"] == 0.5
    assert n_continued >= 1
    assert second[0].patch["ampdecay"] == pytest.approx(0.35, abs=0.05)
    assert [start.patch["cutoff"] for start in second if start.origin == "change"] == [0.3]
    assert len(set(second)) == len(second)


@dataclasses.dataclass(frozen=True)
class SpreadGuesser:
    """Proposes patches of twenty cutoffs."""

    def propose(self, target: Target, *, count: int, seed: int = 0) -> list[Proposal]:
        cutoffs = np.linspace(0.05, 0.6, min(count, 20))
        return [Proposal(TRUE.with_knobs({"cutoff": float(cutoff)}), target.note, 0.0) for cutoff in cutoffs]


def test_every_second_round_starts_from_what_no_round_has_started_from() -> None:
    descender = RecordingDescender()
    descender.batch_size = 4
    run(Models(SpreadGuesser(), descender), stages=("guess", "descend"), renders=120)
    (first, _), (second, n_continued), (third, _), *_ = descender.rounds
    assert (n_continued, len(second)) == (0, 4)
    assert {start.origin for start in second} == {"network"}
    assert not set(first) & set(second)
    assert {start.origin for start in third} - {"network"}


def test_a_stage_that_makes_it_worse_changes_nothing() -> None:
    match = run(
        Models(FixedGuesser(TRUE.with_knobs({"cutoff": 0.65})), FixedDescender(WORSE)), stages=("guess", "descend")
    )
    assert match.stages[2].best.mss <= match.stages[1].best.mss
    assert match.best[0].candidate.origin != "descend"


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
    assert match.ended is Ended.INTERRUPTED
    assert match.stages[-1].name == stage
    assert np.isfinite(match.best[0].mss)


def test_locks_hold_in_every_stage() -> None:
    locked = Constraints.parse(TABLE, ["cutoff=0.42"])
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


def moved_to(patch: Patch, key: int, note: Note) -> tuple[Patch, Note]:
    moved = on_key(patch, key, note)
    assert moved is not None
    return moved


def test_octaves_are_taken_up_by_the_transposition() -> None:
    highest = dataclasses.replace(NOTE, number=127)
    assert on_key(TABLE.default, 133, highest) is None
    patch, note = moved_to(TABLE.default, NOTE.number + 12, NOTE)
    assert (patch.choice("transpose"), note) == ("+12", NOTE)
    patch, note = moved_to(patch, NOTE.number - 12, NOTE)
    assert (patch.choice("transpose"), note) == ("0", NOTE)
    patch, note = moved_to(TABLE.default, NOTE.number + 7, NOTE)
    assert (patch, note.number) == (TABLE.default, NOTE.number + 7)
    low = TABLE.default.with_settings({"transpose": "-12"})
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
    on = TABLE.default.with_settings({"envelopeeditordest1": "filter", "envelopeeditoramount": 0.7})
    curved = on.with_extra(editor_curves.lines((0.1, 0.9, 0.4)))
    base = Candidate(curved, NOTE)
    whole = space_of(base, Constraints(), Phase("TwoPointsDE"), gate=True, extra=editor_curves)
    assert whole.decode(whole.encode(base)).patch.extra == curved.extra
    flat = whole.decode(whole.encode(Candidate(on, NOTE))).patch.extra
    assert [point.y for point in flat] == pytest.approx([0.5] * 8)
    local = space_of(base, Constraints(), Phase("CMA", discrete=False), gate=True, extra=editor_curves)
    code = local.encode(base)
    code[-2] = 0.6  # the last height; the gate comes after it
    assert [point.y for point in local.decode(code).patch.extra] == pytest.approx([0.1, 0.9, 0.6])
    constraints = Constraints.parse(TABLE, ["envelopeeditordest1"])
    locked = space_of(base, constraints, Phase("TwoPointsDE"), gate=True, extra=editor_curves)
    assert locked.extra is None


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
    assert left.time == "after the release"


def test_far_matches_get_the_verdict() -> None:
    locked = Constraints.parse(TABLE, ["cutoff=0", "ampdecay=0"])
    match = run(Models(None, None), stages=(), constraints=locked)
    assert match.best[0].mss > 4.0
    assert any("dB from the clip" in notice for notice in match.notices)


class Breaking(FixedGuesser, FixedDescender):
    def propose(self, *_: object, **__: object) -> list[Proposal]:
        raise ZeroDivisionError("a mistake")

    def descend(self, job: DescentJob) -> Descent:
        raise MemoryError


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ({"guess"}, "guess failed: ZeroDivisionError: a mistake"),
        ({"descend"}, "descend failed: MemoryError"),
        ({"guess", "descend"}, "guess failed: ZeroDivisionError: a mistake; descend failed: MemoryError"),
    ],
)
def test_after_an_error_in_a_stage_the_others_run(broken: set[str], error: str) -> None:
    near = TRUE.with_knobs({"ampdecay": 0.4})
    guesser = Breaking(TRUE) if "guess" in broken else FixedGuesser(near)
    descender = Breaking(TRUE) if "descend" in broken else FixedDescender(near)
    match = run(Models(guesser, descender))
    assert match.ended is Ended.FAILED
    assert [stage.name for stage in match.stages] == ["start", "guess", "descend", "search"]
    assert match.error == error
    assert any(error in notice for notice in match.notices)
    assert np.isfinite(match.best[0].mss)


def test_every_judgement_is_handed_over_to_be_kept() -> None:
    kept: list[Match] = []
    near = TRUE.with_knobs({"ampdecay": 0.5})
    options = Options(NOISEMAKER, seconds=None, renders=60, workers=1)
    models = Models(FixedGuesser(near), FixedDescender(TRUE.with_knobs({"ampdecay": 0.35})))
    match = refine([make_target()], options, make_host=FakeHost, models=models, on_judged=kept.append)
    assert [len(one.stages) for one in kept] == [0, 1, 2, 3, 4, 5]
    assert all(one.ended is Ended.RUNNING for one in kept)
    mss = [one.best[0].mss for one in kept]
    assert mss[:5] == sorted(mss[:5], reverse=True)
    assert mss[5] <= mss[4] + 0.05
    assert match.ended is Ended.FINISHED
    assert match.best[0].candidate == kept[-1].best[0].candidate


def test_descent_steps_are_counted_and_can_be_limited() -> None:
    class Stepping(FixedDescender):
        def descend(self, job: DescentJob) -> Descent:
            while job.used() < 1.0:
                job.on_step(4)
            return super().descend(job)

    match = run(Models(FixedGuesser(WORSE), Stepping(TRUE.with_knobs({"ampdecay": 0.4}))), steps=10, renders=200)
    assert next(stage.steps for stage in match.stages if stage.name == "descend") >= 10
    assert match.stages[-1].name == "search"
    assert match.steps < 20


def test_a_run_goes_on_from_the_candidates_of_an_earlier_one() -> None:
    near = Candidate(TRUE.with_knobs({"ampdecay": 0.31}), NOTE)
    match = run(Models(None, None), stages=(), resumed=(near,))
    assert match.best[0].candidate.origin == "resumed"
    assert match.best[0].candidate.patch["ampdecay"] == 0.31


@pytest.mark.parametrize("number", [0, 5, 116, 127])
def test_the_lowest_and_the_highest_keys_can_be_matched(number: int) -> None:
    note = dataclasses.replace(NOTE, number=number)
    far = Proposal(TRUE.with_settings({"transpose": "-12"}), dataclasses.replace(note, number=64), 0.0)

    class Far(FixedGuesser):
        def propose(self, target: Target, *, count: int, seed: int = 0) -> list[Proposal]:
            return [far]

    class Nearest:
        def __len__(self) -> int:
            return 64

        def nearest(self, *_: object) -> list[Patch]:
            return [TRUE.with_settings({"transpose": choice}) for choice in ("-12", "0", "+24")]

    options = Options(NOISEMAKER, seconds=None, renders=40, workers=1)
    match = refine(
        [make_target(note)],
        options,
        make_host=FakeHost,
        models=Models(Far(TRUE), None),
        open_library=lambda host: Nearest(),  # type: ignore[arg-type,return-value]
    )
    assert match.best[0].candidate.note.number in (number, 64)


class CompilingHost(FakeHost):
    """Compiles two parts, once on a machine, and forgets to compile a third."""

    def not_compiled(self) -> tuple[str, ...]:
        return ("filter", "delay", "broken")

    def compile(self, part: str) -> None:
        if part == "broken":
            raise HostError("it does not compile")
        time.sleep(0.3)


def test_what_is_compiled_once_is_said_and_costs_no_budget() -> None:
    said: list[str] = []
    options = Options(NOISEMAKER, seconds=None, renders=10, workers=1, stages=())
    match = refine(
        [make_target()],
        options,
        make_host=CompilingHost,
        models=Models(),
        on_preparing=said.append,
    )
    assert said == ["compiling 3 parts of the synth, once for this machine"]
    assert match.prepared_seconds > 0.6
    assert match.renders <= 10
    said.clear()
    refine([make_target()], options, make_host=FakeHost, models=Models(), on_preparing=said.append)
    assert said == []


def test_what_is_resumed_is_judged_whatever_its_loss() -> None:
    target = make_target()
    better_by_loss = [Candidate(WORSE.with_knobs({"cutoff": 0.1 + 0.01 * k}), NOTE, loss=0.1) for k in range(12)]
    kept = Candidate(TRUE, NOTE, loss=0.9)
    with Evaluator([target], FakeHost, workers=1) as evaluator:
        for candidate in (*better_by_loss, kept):
            evaluator.board.offer(candidate)
        judge = Judge([target], 1)
        assert judge.confirm([kept], evaluator)
        assert not judge.judge(evaluator)
        assert judge.best is not None
        assert judge.best.candidate == kept
    match = run(Models(None, None), stages=(), resumed=(kept,), renders=1)
    assert match.best[0].candidate.patch == TRUE


def test_what_is_resumed_moves_to_the_key_that_the_user_names() -> None:
    named = dataclasses.replace(make_target(), note=dataclasses.replace(NOTE, number=45), note_fixed=True)
    two = TRUE.with_knobs({"osc3volume": 0.0})
    earlier = Candidate(two, NOTE, loss=0.1, origin="search")

    def moved(target: Target, candidate: Candidate = earlier, **locked: float) -> Candidate:
        return corrected(candidate, target, NOISEMAKER, Constraints(locked))

    octave = moved(named)
    assert (octave.note, octave.patch.choice("transpose")) == (named.note, "+12")
    fifth = moved(dataclasses.replace(named, note=dataclasses.replace(NOTE, number=50)))
    assert (fifth.note.number, fifth.patch.choice("transpose")) == (50, "0")
    assert float(fifth.patch.choice("osc1tune")) == float(two.choice("osc1tune")) + 7
    locked = moved(named, transpose=two["transpose"])
    assert (locked.note.number, locked.patch) == (45, two)
    with_sub = moved(dataclasses.replace(named, note=dataclasses.replace(NOTE, number=50)), Candidate(TRUE, NOTE))
    assert (with_sub.note.number, with_sub.patch) == (50, TRUE)
    assert moved(dataclasses.replace(named, note_fixed=False)) == earlier  # an estimate corrects nothing


def test_what_is_resumed_takes_the_chord_the_velocity_and_the_gate_that_the_user_names() -> None:
    earlier, plain = Candidate(TRUE.with_knobs({"voices": 0.0}), NOTE), make_target()
    chord = dataclasses.replace(plain, note=Note.of((45, 52, 57), 80, 0.2, 0.4), note_fixed=True, gate_fixed=False)
    found = corrected(earlier, chord, NOISEMAKER, Constraints())
    assert found.note == dataclasses.replace(chord.note, gate_seconds=NOTE.gate_seconds)
    assert found.patch.index("voices") + 1 >= 3
    assert corrected(earlier, dataclasses.replace(chord, gate_fixed=True), NOISEMAKER, Constraints()).note == chord.note
