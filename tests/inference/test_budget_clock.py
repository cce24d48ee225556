"""The budget is the whole command: what counts, what does not, what is left for the end, and what is there at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference import pipeline
from inference.budget import Budget
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.command.jobs import Group, Job
from inference.command.keeper import Keeper
from inference.evaluate import Evaluator
from inference.judge import Judge
from inference.leaderboard import Leaderboard
from inference.match import Match
from inference.options import Options
from inference.output.names import ResultFiles
from inference.output.record import read_record
from inference.ports import Models
from inference.run import Run
from render.note import Note
from tests.toy import TABLE, TOY, ToyHost

NOTE = Note(57, 100, 0.4, 0.6)
TRUE = TABLE.patch({"shape": 1.0, "fade": 0.2})


def target() -> Target:
    audio = ToyHost().render(TRUE, NOTE)[:1]
    return Target("clip", audio, NOTE, pitched=True, gate_fixed=True, onset_seconds=0.0)


def run_of(evaluator: Evaluator, **chosen: object) -> Run:
    options = Options(TOY, seconds=100.0, tidy=False)
    return Run((target(),), options, Models(), evaluator, Judge([target()], 1), **chosen)  # type: ignore[arg-type]


@pytest.fixture
def evaluator() -> Iterator[Evaluator]:
    ticks = itertools.count()
    budget = Budget(100.0, clock=lambda: 2.0 * next(ticks))
    with Evaluator([target()], ToyHost, workers=1, board=Leaderboard(budget)) as evaluator:
        yield evaluator


def test_what_came_before_counts(evaluator: Evaluator) -> None:
    evaluator.budget.restart(30.0)
    assert evaluator.budget.elapsed() == 32.0


def test_what_is_done_once_on_a_machine_does_not_count(evaluator: Evaluator) -> None:
    run, budget = run_of(evaluator), evaluator.budget
    budget.restart()
    assert run.once(lambda: "read") == "read"
    assert budget.elapsed() == 6.0
    assert run.prepared_seconds == 0.0
    assert run.once(lambda: [budget.clock() for _ in range(20)])
    assert run.prepared_seconds == 42.0
    assert budget.elapsed() < 15.0


def test_the_end_is_reserved_for_judging_and_writing(evaluator: Evaluator) -> None:
    run = run_of(evaluator, finishing=lambda: 4.0)
    assert run.before_judging() == pytest.approx(0.96)
    run.judging_seconds = 2.0
    assert run.before_judging() == pytest.approx(0.93)
    run.judging_seconds = 200.0
    assert run.before_judging() == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("seconds", "judging", "end"),
    [(100.0, 0.1, 0.9), (10.0, 0.1, 0.75), (100.0, 0.8, 0.8), (100.0, 5.0, 0.75), (1000.0, 0.8, 0.9)],
)
def test_a_small_budget_and_a_slow_host_leave_more_to_the_search(seconds: float, judging: float, end: float) -> None:
    with Evaluator([target()], ToyHost, workers=1, board=Leaderboard(Budget(seconds))) as evaluator:
        run = run_of(evaluator, judging_seconds=judging)
        assert run.descend_until() == pytest.approx(end)


@pytest.mark.parametrize(("renders", "end"), [(100, 0.75), (1000, 0.85), (10000, 0.9)])
def test_the_search_wants_so_many_renders(renders: int, end: float) -> None:
    with Evaluator([target()], ToyHost, workers=1, board=Leaderboard(Budget(None, renders))) as evaluator:
        assert run_of(evaluator).descend_until() == pytest.approx(end)


def test_a_first_result_is_kept_before_the_models_are_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    events: list[str] = []
    rendered_before_load: list[int] = []
    clip = tmp_path / "clip.wav"
    clip.write_bytes(b"")
    options = Options(TOY, seconds=None, renders=30, workers=1, resumed=(Candidate(TRUE, NOTE),) * 12)
    keeper = Keeper(Group((Job(clip, ResultFiles(tmp_path, "clip")),), options))

    def load(options: Options, *_: object) -> Models:
        events.append("load")
        keeper.close()
        record = read_record(tmp_path / "clip.json")
        assert record["stages"] == []
        assert (record["ended"], record["tidied"]) == ("running", None)
        page = (tmp_path / "clip.html").read_text()
        assert "data:image" not in page
        assert page.count("<audio") == 2
        rendered_before_load.append(record["renders"])
        return Models(notices=("no models",))

    def judged(match: Match) -> None:
        events.append(f"{len(match.stages)} stages")
        keeper.keep(match)

    monkeypatch.setattr(pipeline, "load_models", load)
    match = pipeline.refine([target()], options, make_host=ToyHost, on_judged=judged)
    assert events[:3] == ["0 stages", "load", "1 stages"]
    assert rendered_before_load[0] <= 12
    assert "no models" in match.notices
