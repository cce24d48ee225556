"""Optimisers at equal renders, on the fake host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.common.table import Table
from benchmarks.product import optimizers
from benchmarks.product.optimizers import Row, around, phases, summary
from inference.budget import Budget
from inference.candidate import Candidate
from inference.methods import METHODS
from render.noisemaker.table import TABLE
from render.note import Note


def test_runs_are_judged_after_each_number_of_renders_and_resumed(
    fake_hosts: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv, methods = tmp_path / "rows.csv", dict(METHODS)
    command = ["optimizers", "--small", "--starts", "warm", "--optimizers", "portfolio,pycma", "--csv", str(csv)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("3 runs of 1 targets")  # two of the portfolio, whose phases depend on the budget
    assert "## warm: 1 targets" in printed
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("0 runs of 1 targets")
    rows = Table(Row, csv).rows
    assert [(row.optimizer, row.renders) for row in rows] == [(o, n) for o in ("portfolio", "pycma") for n in (60, 90)]
    for row in rows:
        assert row.status == "ok"
        assert None not in (row.loss, row.mss, row.floor, row.seconds)
    assert rows[3].loss <= rows[2].loss  # type: ignore[operator]
    assert methods == METHODS


def test_an_optimiser_of_nevergrad_starts_near_the_true_patch(
    fake_hosts: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(optimizers, "SMALL", {**optimizers.SMALL, "renders": (60,)})
    assert main(["optimizers", "--small", "--starts", "near", "--optimizers", "ng:DE"]) == 0
    printed = capsys.readouterr().out
    assert "| ng:DE |" in printed
    assert "NaN" not in printed.replace("nan", "NaN")


def test_a_checkpoint_is_the_best_of_so_many_renders() -> None:
    budget = Budget(None, 9)
    board = optimizers._Checkpoints(budget, wanted=(2, 3, 9))
    note = Note(60)
    for renders, loss in enumerate((5.0, 4.0, 3.0, 2.0), start=1):
        budget.n_renders = renders
        board.offer(Candidate(TABLE.default, note, loss))
    found = board.finished(10.0)
    assert [candidate.loss for candidate, _ in found] == [4.0, 3.0, 2.0]
    assert found[-1][1] == 10.0


def test_names_are_methods_or_nevergrads_own() -> None:
    assert phases("portfolio") == METHODS["portfolio"]
    (phase,) = phases("ng:DE")
    assert phase.optimizer == "DE"
    assert [optimizers.anytime(name) for name in ("portfolio", "ng:DE", "pycma")] == [False, True, True]


def test_patches_around_the_true_one_keep_its_choices() -> None:
    patch = TABLE.patch({"cutoff": 0.5})
    near = around(patch)
    assert near == around(patch)
    for other in near:
        assert other != patch
        assert all(other[row.name] == patch[row.name] for row in TABLE.parameters if row.discrete)
        assert np.abs(np.subtract(other.knobs, patch.knobs)).max() < 1.0


def test_the_summary_ranks_on_common_targets_and_lists_failures() -> None:
    blank = Row("prior", "", "", "cold", 100, 0, "embedded", "machine")
    rows = [
        replace(blank, target=f"t{number}", optimizer=name, mss=mss, loss=0.1, seconds=2.0, floor=0.5)
        for name, values in (("DE", (2.0, 4.0)), ("CMA", (3.0, 5.0)))
        for number, mss in enumerate(values)
    ]
    rows.append(replace(blank, target="t0", optimizer="PSO", status="failed: it"))
    lines = summary(rows).splitlines()
    assert lines[0] == "## cold: 2 targets, floor 0.50 dB"
    assert lines[4] == "| DE | 3.00 | 0.1000 | 1.0 | 2.0 |"
    assert lines[5] == "| CMA | 4.00 | 0.1000 | 2.0 | 2.0 |"
    assert lines[-1] == "* PSO, cold, t0: failed: it"
    assert summary([]) == "no rows"


def test_too_few_renders_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["optimizers", "--renders", "40,100"])
    assert "above 40" in capsys.readouterr().err
