"""The prior over patches and notes, and the fit of its figures."""

from __future__ import annotations

import argparse
import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from render.errors import FormatError, OutOfRange, PresetError
from render.patch import Patch
from render.presets import Program, read_programs, to_xml
from render.prior import FIGURES_FILE, MODELLED, draw, draw_note, parse_figures, prior_hash
from render.prior_fit import add_arguments, fit, is_fitted_on, programs_to_fit_on, run
from render.table import NAMES, PARAMETERS
from tests.paths import BANK, needs_bank


@pytest.fixture(scope="module")
def patches() -> list[Patch]:
    return [draw(3, index)[0] for index in range(600)]


def test_draws_are_what_they_were() -> None:
    # Another value makes every library and data set that exists another one: change it knowingly.
    assert prior_hash() == "GOLDEN"
    patch, note = draw(1, 2, 3)
    assert (note.number, note.velocity, note.gate_seconds, note.seconds) == "NOTE"
    assert [patch[name] for name in ("cutoff", "ampattack", "osc1waveform")] == "KNOBS"


def test_a_draw_depends_on_its_arguments_only() -> None:
    first = draw(5, 7)
    draw(5, 8)
    assert draw(5, 7) == first
    assert len({draw(*key) for key in ((5, 7, 0), (5, 7, 1), (5, 8, 0), (6, 7, 0), (7, 5, 0))}) == 5
    with pytest.raises(OutOfRange, match="index is -1"):
        draw(0, -1)


def test_notes_are_in_range() -> None:
    rng = np.random.default_rng(0)
    notes = [draw_note(rng) for _ in range(500)]
    assert {24, 96} <= {note.number for note in notes} <= set(range(24, 97))
    for note in notes:
        assert 0.05 <= note.gate_seconds <= 2.0
        assert note.gate_seconds + 0.25 <= note.seconds <= 4.0
        assert note.seconds % 0.25 == 0.0


def test_every_choice_and_all_of_every_knob_is_drawn(patches: list[Patch]) -> None:
    for row in PARAMETERS:
        knobs = [patch[row.name] for patch in patches]
        if row.silent:
            assert set(knobs) == {row.default}
        elif row.discrete:
            assert set(knobs) <= set(row.choice_knobs)
            assert len(set(knobs)) >= 0.9 * min(len(row.choices), 20), row.name
        else:
            assert min(knobs) < 0.1, row.name
            assert max(knobs) > 0.9, row.name


def test_a_third_has_an_envelope_editor_curve(patches: list[Patch]) -> None:
    curves = [patch.points for patch in patches if patch.sounds("envelopeeditorspeed")]
    assert 0.27 < len(curves) / len(patches) < 0.4
    for points in curves:
        xs = [point.x for point in points]
        assert xs == sorted(xs)
        assert (xs[0], xs[-1]) == (0.0, 1.0)


@needs_bank
def test_the_figures_are_those_of_the_bank(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args([str(BANK), "--out", str(out)])) == 0
    fitted, kept = (json.loads(text) for text in (out.read_text(), _figures_text()))
    assert {name: fitted[name] for name in fitted if name != "couplings"} == {
        name: kept[name] for name in kept if name != "couplings"
    }
    for (*pair, r), (*kept_pair, kept_r) in zip(fitted["couplings"], kept["couplings"], strict=True):
        assert pair == kept_pair
        assert r == pytest.approx(kept_r, abs=0.011)


@needs_bank
def test_no_program_of_the_bank_can_be_found_in_draws(patches: list[Patch]) -> None:
    rows = [NAMES.index(row.name) for row in MODELLED]
    drawn = np.array([patch.knobs for patch in patches])[:, rows]
    for program in read_programs(BANK):
        differ = (np.abs(drawn - np.array(program.patch.knobs)[rows]) > 0.02).sum(axis=1)
        assert differ.min() >= 8, program.name


def test_only_even_names_are_fitted_on(tmp_path: Path) -> None:
    programs = [Program(f"P{k}", Patch()) for k in range(20)]
    path = tmp_path / "bank.noisemakerpreset"
    path.write_bytes(to_xml(programs))
    even = sum(is_fitted_on(program.name) for program in programs)
    assert 0 < even < 20
    assert len(programs_to_fit_on([path])) == even
    with pytest.raises(PresetError, match="30 or more"):
        fit([program.patch for program in programs])


def test_a_fit_reproduces_what_it_was_fitted_on() -> None:
    rng = np.random.default_rng(1)
    resonance = np.where(rng.random(400) < 0.4, 0.0, rng.uniform(0.5, 1.0, 400))
    fm = np.clip(resonance + 0.05 * rng.standard_normal(400), 0.0, 1.0)
    waves = (resonance > 0.7) * 1.0
    fitted = [
        Patch.from_knobs({"resonance": float(r), "osc2fm": float(f), "osc1waveform": float(w)})
        for r, f, w in zip(resonance, fm, waves, strict=True)
    ]
    figures = parse_figures(fit(fitted))
    draws = [figures.draw(rng) for _ in range(2000)]
    drawn = {
        name: np.array([knobs[name] for knobs in draws]) for name in ("resonance", "osc2fm", "osc1waveform", "cutoff")
    }
    assert (drawn["resonance"] == 0.0).mean() == pytest.approx(0.4, abs=0.05)
    assert np.quantile(drawn["resonance"], 0.7) == pytest.approx(0.75, abs=0.05)
    assert np.corrcoef(drawn["resonance"], drawn["osc2fm"])[0, 1] > 0.6
    assert (drawn["osc1waveform"] == 1.0).mean() == pytest.approx(0.36, abs=0.06)
    assert (drawn["cutoff"] == 1.0).mean() == pytest.approx(0.97, abs=0.02)


def test_figures_of_another_table_are_refused() -> None:
    content = json.loads(_figures_text())
    with pytest.raises(FormatError, match="table_hash 'x'"):
        parse_figures(content | {"table_hash": "x"})
    with pytest.raises(FormatError, match="schema 2"):
        parse_figures(content | {"schema": 2})


def _figures_text() -> str:
    return resources.files("render").joinpath(FIGURES_FILE).read_text("utf-8")
