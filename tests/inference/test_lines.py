"""Line searches: how many renders a minimum takes, and what they learn about the knobs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from inference.candidate import Candidate
from inference.constraints import Constraints
from inference.lines.line import Line
from inference.lines.line_search import LineSearch
from render.note import Note
from tests.toy import TABLE

NOTE = Note(57, 100, 0.4, 0.6)
START = Candidate(TABLE.patch({"shape": 1.0, "colour": 0.4, "fade": 0.4, "shake": 0.4}), NOTE)


class Measured:
    """An objective that remembers what it was asked."""

    slots = 1

    def __init__(self, loss: Callable[[Candidate], float]) -> None:
        self.loss, self.asked = loss, list[Candidate]()

    def submit(self, candidate: Candidate) -> Future[Any]:
        self.asked.append(candidate)
        future: Future[Any] = Future()
        future.set_result(self.loss(candidate))
        return future

    def take(self, candidate: Candidate, future: Future[Any]) -> Candidate:
        return replace(candidate, loss=future.result())


def searched(
    loss: Callable[[Candidate], float], names: list[str], renders: int, start: Candidate = START
) -> tuple[LineSearch, Measured]:
    run: Any = SimpleNamespace(options=SimpleNamespace(constraints=Constraints()), moves_gate=lambda: False)
    by = Measured(loss)
    begin = replace(start, loss=loss(start))
    lines = LineSearch(run, begin, np.random.default_rng(3), names, step=0.03, precise=True, by=by, least_gain=1e-4)
    lines.run_until(lambda: len(by.asked) >= renders)
    return lines, by


def test_a_minimum_that_is_much_narrower_than_the_first_step_is_found() -> None:
    """As of the rate of a wide vibrato: beyond a ten-thousandth of the knob everything is equally wrong."""
    lines, by = searched(lambda one: 0.1 + min(abs(one.patch["colour"] - 0.4007) / 0.002, 1.0), ["colour"], 60)
    assert lines.best.patch["colour"] == pytest.approx(0.4007, abs=1e-4)
    assert len(by.asked) <= 60


def test_a_parabola_is_minimised_at_once() -> None:
    lines, by = searched(lambda one: 1.0 + 50.0 * (one.patch["colour"] - 0.408) ** 2, ["colour"], 3)
    assert lines.best.patch["colour"] == pytest.approx(0.408, abs=1e-6)
    assert len(by.asked) == 3


def test_the_knobs_that_matter_most_have_the_smallest_scales() -> None:
    weights = {"colour": 1.0, "fade": 100.0, "shake": 10_000.0}

    def loss(one: Candidate) -> float:
        return 1.0 + sum(weight * (one.patch[name] - 0.4) ** 2 for name, weight in weights.items())

    lines, _ = searched(loss, list(weights), 40)
    scales = lines.scales(3)
    assert list(scales) == ["shake", "fade", "colour"]
    for name, weight in weights.items():
        assert scales[name] == pytest.approx((0.1 / weight) ** 0.5, rel=0.1)
    assert list(lines.scales(1)) == ["shake"]


def test_at_the_end_of_a_knob_nothing_is_rendered_twice() -> None:
    start = replace(START, patch=START.patch.with_knobs({"colour": 0.0}))
    _, by = searched(lambda one: 1.0 + one.patch["colour"], ["colour"], 30, start)
    tried = [one.patch["colour"] for one in by.asked]
    assert len(tried) == len(set(tried))
    assert min(tried) > 0.0


def test_it_goes_on_from_a_better_candidate() -> None:
    lines, by = searched(lambda one: 1.0 + 10.0 * abs(one.patch["colour"] - 0.7), ["colour"], 100)
    other = replace(START, patch=START.patch.with_knobs({"colour": 0.69}))
    asked = len(by.asked)
    lines.continue_from(by.take(other, by.submit(other)))
    lines.run_until(lambda: len(by.asked) >= asked + 40)
    assert lines.best.patch["colour"] == pytest.approx(0.7, abs=1e-3)


def test_an_increase_that_may_be_noise_does_not_count_as_sensitive() -> None:
    """As on a plug-in whose oscillators run freely."""
    line, same = (Line(step=0.03, tried=[(0.03, 2.0), (-0.03, 3.0)]) for _ in range(2))
    assert line.shorten()
    assert not same.shorten(least=1.5)
    assert line.step < 0.5 * same.step
