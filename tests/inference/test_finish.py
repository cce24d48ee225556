"""The last part of the search minimises the measure that judges the answer."""

from __future__ import annotations

import pytest

from inference.candidate import Candidate
from inference.clip.target import Target
from inference.match import Match
from inference.options import Options
from inference.pipeline import refine
from inference.ports import Models
from render.note import Note
from tests.toy import TABLE, TOY, ToyHost

NOTE = Note(57, 100, 0.4, 0.6)
TRUE = TABLE.patch({"loud": 0.4, "shape": 1.0, "colour": 0.3, "fade": 0.2, "shake": 0.25})
NEAR = Candidate(TRUE.with_knobs({"colour": 0.34, "fade": 0.24, "shake": 0.2}), NOTE)


def found(stages: tuple[str, ...], renders: int | None = 150, seconds: float | None = None) -> Match:
    target = Target("clip", ToyHost().render(TRUE, NOTE)[:1], NOTE, pitched=True, gate_fixed=True, onset_seconds=0.0)
    options = Options(TOY, seconds=seconds, renders=renders, workers=1, stages=stages, resumed=(NEAR,), tidy=False)
    return refine([target], options, make_host=ToyHost, models=Models())


def test_a_close_answer_becomes_closer_in_the_measure_that_judges() -> None:
    before, after = found(()).best[0], found(("search",)).best[0]
    assert after.mss < 0.3 * before.mss
    assert after.candidate.patch.choice("shape") == "saw"


def test_the_budget_is_kept() -> None:
    match = found(("search",), renders=40)
    assert match.renders <= 48  # the judge's own come on top
    assert match.best[0].mss <= found(()).best[0].mss


def test_the_same_run_gives_the_same_answer() -> None:
    assert found(("search",)).best[0].candidate == found(("search",)).best[0].candidate


@pytest.mark.parametrize(("seconds", "renders"), [(2.0, None), (None, 150)])
def test_a_search_of_less_than_three_seconds_has_line_searches_only(
    seconds: float | None, renders: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = list[str]()
    monkeypatch.setattr("inference.stages.search.search_near", lambda by, base, *_: begun.append("CMA-ES") or base)
    found(("search",), renders, seconds)
    assert bool(begun) is (seconds is None)
