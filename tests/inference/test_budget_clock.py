"""The budget is the whole command: what counts, what does not, what is left for the end, and what is there at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator

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
from inference.ports import Descent, DescentJob, Models
from inference.run import Run
from render.audio import Audio
from render.instruments.patch import Patch
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


@pytest.mark.parametrize("writing", [0.1, 5.0, 30.0])
def test_a_twentieth_is_left_to_the_search_however_long_judging_and_writing_take(writing: float) -> None:
    with Evaluator([target()], ToyHost, workers=1, board=Leaderboard(Budget(60.0))) as evaluator:
        run = run_of(evaluator, judging_seconds=0.5, finishing=lambda: writing)
        assert run.before_judging() - run.descend_until() >= 0.05 + 0.5 / 60.0 - 1e-9


class BusyClock:
    """Seconds that pass with renders and descent steps, more of them the later it is."""

    def __init__(self, slower: float) -> None:
        self.seconds, self._slower = 0.0, slower

    def __call__(self) -> float:
        return self.seconds

    def work(self, seconds: float) -> None:
        """As many seconds as it takes on an idle machine, times a factor that grows from 1 within the first minute."""
        self.seconds += seconds * (1.0 + (self._slower - 1.0) * min(self.seconds / 60.0, 1.0))


@dataclass
class SteppingDescender:
    """Descends in up to 40 steps, which take as long as the candidates are many; never comes closer."""

    clock: BusyClock
    batch_size: int = 24

    def descend(self, job: DescentJob) -> Descent:
        for step in range(40):
            n_active = min(len(job.starts), 24 if step < 5 else 8 if step < 10 else 4)
            self.clock.work(0.05 * n_active)
            if job.used() >= 1.0:
                break
            job.on_step(n_active)
        return Descent(tuple(replace(start, origin="descend") for start in job.starts))

    def screen(self, candidates: Sequence[Candidate], targets: Sequence[Target]) -> list[Candidate]:
        self.clock.work(0.02 * len(candidates))
        return [replace(candidate, loss=0.5 + 0.1 * (k + 1)) for k, candidate in enumerate(candidates)]

    def steep_knobs(self, patch: Patch) -> frozenset[str]:
        return frozenset()

    def play(self, candidate: Candidate, n_samples: int) -> Audio:
        return np.zeros((2, n_samples), np.float32)

    def changes(
        self, answer: Candidate, others: object, constraints: object, rng: Generator, **_: object
    ) -> list[Candidate]:
        drawn = [{"fade": rng.random(), "shake": rng.random()} for _ in range(60)]
        return [replace(answer, patch=answer.patch.with_knobs(knobs)) for knobs in drawn]


@pytest.mark.parametrize("slower", [1.0, 4.0, 12.0])
def test_the_search_gets_its_share_on_a_machine_that_becomes_slower(slower: float) -> None:
    clock = BusyClock(slower)
    options = Options(TOY, seconds=100.0, workers=1, stages=("descend", "search"))
    hiss = 0.02 * np.random.default_rng(0).standard_normal(target().audio.shape).astype(np.float32)
    match = pipeline.refine(
        [replace(target(), audio=target().audio + hiss)],  # which the toy cannot make
        options,
        make_host=ToyHost,
        models=Models(descender=SteppingDescender(clock)),
        clock=clock,
        finishing=lambda: 3.0,
        on_progress=lambda board: clock.work(0.05),
    )
    stages = {stage.name: stage for stage in match.stages}
    begin = sum(stages[name].seconds for name in ("start", "descend"))
    assert begin > (88.0 if slower == 1.0 else 80.0)  # no time is wasted
    assert stages["search"].seconds >= 5.0
    assert stages["search"].renders > 4
    assert match.seconds < 100.0


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
