"""Nothing that judges is drawn by a fit, the prior, the library or training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.common.rows import judging
from benchmarks.common.targets import PRIOR_SEED
from proxy.fitting.command import rows_to_fit_to
from proxy.synth.weights import notes_of
from render.commands.dataset import DEFAULT_SEED
from render.data import library
from render.held_out import held_out
from render.measures.fidelity import audible_rows
from render.measures.golden import GoldenRow, read_rows
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.prior import FIGURES_PATH, draw
from render.noisemaker.prior_fit import fit, programs_to_fit_on
from tests.paths import BANK, GOLDEN, needs_bank, needs_golden


@pytest.fixture(scope="module")
def rows() -> list[GoldenRow]:
    return read_rows(GOLDEN)


def test_the_rule_is_what_it_has_always_been() -> None:
    names = [f"P{k}" for k in range(8)]
    assert [name for name in names if held_out(name)] == [
        "P3",
        "P5",
        "P6",
        "P7",
    ]


@needs_golden
def test_judged_rows_are_never_fitted_to(rows: list[GoldenRow]) -> None:
    fitted = {row.file for row in rows_to_fit_to(rows)}
    for group in ("factory", "whole"):
        judged = judging(rows, len(rows), group=group)
        assert len(judged) > 20
        assert not fitted & {row.file for row in judged}


@needs_golden
def test_the_shipped_corrections_were_fitted_to_those_rows(rows: list[GoldenRow]) -> None:
    assert notes_of()["golden"] == len(rows_to_fit_to(audible_rows(rows)))


@needs_bank
def test_the_shipped_prior_is_the_fit_on_programs_that_are_not_held_out() -> None:
    expected = json.loads(json.dumps(fit(programs_to_fit_on([BANK]))))
    assert json.loads(Path(FIGURES_PATH).read_text("utf-8")) == expected


def test_the_library_and_data_sets_are_draws_of_the_prior_with_seeds_of_their_own() -> None:
    assert len({library.SEED, DEFAULT_SEED, PRIOR_SEED}) == 3
    assert NOISEMAKER.library is not None
    assert NOISEMAKER.prior is not None
    shipped = library.read_library(NOISEMAKER.library, NOISEMAKER.table, NOISEMAKER.prior)
    assert shipped is not None
    for position in (0, len(shipped) // 2, len(shipped) - 1):
        assert shipped.patch(position) == draw(library.SEED, int(shipped.indices[position]))[0]
