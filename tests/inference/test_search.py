"""The search and the pipeline, on the fake host of three knobs: what holds whatever the instrument is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from inference.budget import Budget
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.constraints import Constraints
from inference.evaluate import Evaluator, with_gain, with_measurement
from inference.judge import distinct
from inference.leaderboard import Leaderboard
from inference.match import Ended
from inference.methods import METHODS, Phase
from inference.options import Options
from inference.pipeline import refine
from inference.stages.search import search_around, space_of
from render.errors import HostError, InvalidAudio, OutOfRange, UnknownName
from render.instruments.patch import Patch
from render.measures.metrics import mss
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note
from tests.fake_host import FakeHost

NOTE = Note(60, 100, 0.4, 0.5)
TRUE = TABLE.patch({"volume": 0.5, "cutoff": 0.35, "ampdecay": 0.2})


def make_target(patch: Patch = TRUE) -> Target:
    audio = FakeHost().render(patch, NOTE).mean(axis=0, keepdims=True)
    return Target("fake", audio, NOTE, pitched=True, gate_fixed=True, onset_seconds=0.0)


def options(**chosen: object) -> Options:
    return Options(
        NOISEMAKER, **({"seconds": None, "renders": 150, "workers": 1, "stages": ("search",), "tidy": False} | chosen)
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_comes_nearer(method: str) -> None:
    start = TABLE.patch({"ampsustain": 0.5, "ampdecay": 0.6})  # where the fake host's three knobs are heard
    free = ("volume", "cutoff", "ampdecay", "ampattack", "ampsustain", "resonance", "osc1waveform", "osc1pw")
    locked = Constraints({name: start[name] for name in TABLE.names if name not in free})
    match = refine([make_target()], options(method=method, start=start, constraints=locked), make_host=FakeHost)
    assert [stage.name for stage in match.stages] == ["start", "search"]
    assert match.stages[1].best.mss < 0.8 * match.stages[0].best.mss
    assert match.renders <= 150 + 2 * 8  # the budget, and the clean renders that judge each stage


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_seed_gives_the_same_patch_to_the_bit(workers: int) -> None:
    first, second, other = (
        refine([make_target()], options(seed=seed, workers=workers), make_host=FakeHost).best[0] for seed in (3, 3, 4)
    )
    assert first.candidate.patch == second.candidate.patch
    assert first.candidate.patch != other.candidate.patch


def test_the_answer_is_judged_by_clean_renders_and_never_worse_than_the_start() -> None:
    target = make_target()
    match = refine([target], options(start=TRUE.with_knobs({"cutoff": 0.5}), renders=30), make_host=FakeHost)
    best = match.best[0]
    clean = FakeHost().render(best.candidate.patch, best.candidate.note)
    np.testing.assert_array_equal(best.audios[0], clean)
    assert best.mss == pytest.approx(mss(target.audio, best.matches[0], SAMPLE_RATE), abs=0.01)
    assert match.stages[1].best.mss <= match.stages[0].best.mss


def test_locked_knobs_come_out_bit_equal() -> None:
    constraints = Constraints.parse(TABLE, ["cutoff=0.123456789", "volume=0.3"], no_effects=True)
    match = refine([make_target()], options(constraints=constraints), make_host=FakeHost)
    for confirmed in match.best:
        for name, knob in constraints.locked.items():
            assert confirmed.candidate.patch[name] == knob


def test_a_budget_in_seconds_ends_the_search() -> None:
    ticks = iter(range(10**6))  # a clock that goes on by 1 s whenever someone looks
    budget = Budget(200.0, clock=lambda: float(next(ticks)))
    with Evaluator([make_target()], FakeHost, workers=1, budget=budget) as evaluator:
        evaluator.measure([Candidate(TABLE.default, NOTE)])
        search_around(evaluator, Constraints())
    assert 20 < budget.n_renders <= 200
    assert 200.0 <= budget.elapsed() < 230.0


def test_several_candidates_differ() -> None:
    match = refine([make_target()], options(candidates=3), make_host=FakeHost)
    patches = [confirmed.candidate.patch for confirmed in match.best]
    assert len(set(patches)) == len(patches) > 1
    assert [c.mss for c in match.best] == sorted(c.mss for c in match.best)
    assert distinct([match.best[0], match.best[0]], 2) == [match.best[0]]


def test_ctrl_c_keeps_the_best_so_far() -> None:
    calls = 0

    def press(board: Leaderboard) -> None:
        nonlocal calls
        calls += 1
        if calls == 40:
            raise KeyboardInterrupt

    match = refine([make_target()], options(), make_host=FakeHost, on_progress=press)
    assert match.ended is Ended.INTERRUPTED
    assert match.stages[-1].name == "search"
    assert "interrupted" in match.notices[-1]


def test_ctrl_c_at_once_still_returns_a_match() -> None:
    def press(board: Leaderboard) -> None:
        raise KeyboardInterrupt

    # The first candidate is on the board already: it is confirmed by a clean render and returned.
    match = refine([make_target()], options(), make_host=FakeHost, on_progress=press)
    assert match.ended is Ended.INTERRUPTED
    assert [stage.name for stage in match.stages] == ["start"]


class Failing(FakeHost):
    """Cannot render a bright patch."""

    def render(self, patch, note, *, seed=0, clean=True):  # type: ignore[no-untyped-def]
        if patch["cutoff"] > 0.5:
            raise HostError("too bright")
        return super().render(patch, note, seed=seed, clean=clean)


def test_failed_renders_are_left_out_and_counted() -> None:
    match = refine([make_target()], options(start=TRUE), make_host=Failing)
    assert match.best[0].candidate.patch["cutoff"] <= 0.5
    assert any("renders failed" in notice for notice in match.notices)


def test_a_clip_too_short_for_the_library_is_searched_all_the_same() -> None:
    note = Note(60, 100, 0.05, 0.06)
    audio = FakeHost().render(TRUE, note).mean(axis=0, keepdims=True)
    target = Target("short", audio, note, pitched=True, gate_fixed=True, onset_seconds=0.0)

    class Unhelpful:
        def __len__(self) -> int:
            return 64

        def nearest(self, *_: object) -> list[Patch]:
            raise InvalidAudio("too short")

    match = refine([target], options(), make_host=FakeHost, open_library=lambda host: Unhelpful())  # type: ignore[arg-type,return-value]
    assert match.stages[-1].name == "search"
    assert "the library is not used: too short" in match.notices


def broken_host() -> FakeHost:
    raise HostError("no such instrument")


def test_a_host_that_does_not_open_is_one_error() -> None:
    with pytest.raises(HostError, match="no such instrument"):
        refine([make_target()], options(), make_host=broken_host)


def test_the_space_is_the_table_without_locks_volume_and_silent_knobs() -> None:
    constraints = Constraints.parse(TABLE, ["cutoff=0.5"])
    base = Candidate(TABLE.default, NOTE)
    whole = space_of(base, constraints, Phase("TwoPointsDE"), gate=True)
    names = {row.name for row in whole.rows}
    assert names == set(constraints.free(TABLE)) - {"volume"}
    local = space_of(base, constraints, Phase("CMA", discrete=False), gate=False)
    assert all(base.patch.sounds(row.name) and not row.discrete for row in local.rows)


def test_points_of_the_space_round_trip() -> None:
    rng = np.random.default_rng(5)
    patch = Patch(TABLE, tuple(rng.random(len(TABLE.names)))).snapped()
    base = Candidate(TABLE.default, NOTE)
    space = space_of(base, Constraints(), Phase("TwoPointsDE"), gate=True)
    candidate = Candidate(patch, dataclasses.replace(NOTE, gate_seconds=0.123))
    decoded = space.decode(space.encode(candidate))
    for row in space.rows:
        assert decoded.patch[row.name] == pytest.approx(patch[row.name], abs=1e-12)
    assert decoded.note.gate_seconds == pytest.approx(0.123)
    for end in (0.0, 1.0):
        space.decode(np.full(space.size, end))


def test_the_volume_knob_takes_the_gain() -> None:
    patch = TABLE.patch({"volume": 0.4})
    assert with_gain(patch, 2.0).setting("volume") == pytest.approx(2.0 * float(patch.setting("volume")))
    assert with_gain(patch, 1.0) is patch
    assert with_gain(patch, 1e9)["volume"] == 1.0
    assert with_gain(patch.with_knobs({"volume": 0.0}), 5.0)["volume"] == 0.0


def test_measuring_solves_the_level() -> None:
    # The fake host's volume is linear where the instrument's is a curve: the loss is that of the gain, not of the knob.
    quiet = Candidate(TRUE.with_knobs({"volume": 0.05}), NOTE)
    with Evaluator([make_target()], FakeHost, workers=1) as evaluator:
        result = evaluator.submit(quiet).result()
    assert result.loss == pytest.approx(0.0, abs=1e-3)
    assert with_measurement(quiet, result).patch["volume"] > 0.05


def test_wrong_options_are_refused() -> None:
    with pytest.raises(UnknownName, match="guess, descend, search"):
        Options(NOISEMAKER, stages=("polish",))
    with pytest.raises(UnknownName, match="portfolio"):
        Options(NOISEMAKER, method="magic")
    with pytest.raises(OutOfRange, match="seconds"):
        Budget(0.0)
    with pytest.raises(OutOfRange, match="renders"):
        Budget(renders=0)


@pytest.mark.parametrize("n_free", [0, 1])
@pytest.mark.parametrize("method", ["portfolio", "OnePlusOne"])
def test_spaces_of_no_and_of_one_dimension_are_searched(n_free: int, method: str) -> None:
    free = ("cutoff",)[:n_free]
    locked = Constraints({name: TRUE[name] for name in TABLE.names if name not in free})
    match = refine([make_target()], options(constraints=locked, method=method, renders=30), make_host=FakeHost)
    assert [stage.name for stage in match.stages] == ["start", "search"] or match.best[0].mss < 0.1
    assert np.isfinite(match.best[0].mss)
