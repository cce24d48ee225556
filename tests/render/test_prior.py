"""The prior over patches and notes, and the fit of its figures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from render.commands.fit_prior import add_arguments, run
from render.errors import FormatError, OutOfRange, PresetError
from render.held_out import held_out
from render.instruments.instrument import Program
from render.instruments.patch import Patch
from render.noisemaker.peak import FAINTEST_DB, expected_peak_db, volume_for
from render.noisemaker.presets import read_programs, to_xml
from render.noisemaker.prior import FIGURES_PATH, MODELLED, VOLUME_RANGE, draw, draw_note, parse_figures, prior_hash
from render.noisemaker.prior_fit import fit, programs_to_fit_on
from render.noisemaker.table import TABLE
from render.note import Note
from tests.paths import BANK, needs_bank


@pytest.fixture(scope="module")
def patches() -> list[Patch]:
    return [draw(3, index)[0] for index in range(600)]


def test_draws_are_what_they_were() -> None:
    # Another value makes every library and data set that exists another one: change it knowingly.
    assert prior_hash() == "5646db9c5cea51de"
    patch, note = draw(1, 2, 3)
    assert (note.number, note.velocity, note.gate_seconds, note.seconds) == (59, 29, 0.889, 3.5)
    assert [patch[name] for name in ("volume", "cutoff", "ampattack", "osc1waveform")] == [0.2085, 0.0, 0.0086, 0.5]


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
    for row in TABLE.parameters:
        knobs = [patch[row.name] for patch in patches]
        if row.silent:
            assert set(knobs) == {row.default}
        elif row.discrete:
            assert set(knobs) <= set(row.choice_knobs)
            assert len(set(knobs)) >= 0.9 * min(len(row.choices), 20), row.name
        elif row.name == "volume":
            assert (min(knobs), max(knobs)) == VOLUME_RANGE
        else:
            assert min(knobs) < 0.1, row.name
            assert max(knobs) > 0.9, row.name


def test_a_third_has_an_envelope_editor_curve(patches: list[Patch]) -> None:
    curves = [patch.extra for patch in patches if patch.sounds("envelopeeditorspeed")]
    assert 0.27 < len(curves) / len(patches) < 0.42
    for points in curves:
        xs = [point.x for point in points]
        assert xs == sorted(xs)
        assert (xs[0], xs[-1]) == (0.0, 1.0)


def test_choices_are_as_common_as_the_figures_say() -> None:
    rng = np.random.default_rng(0)
    content = json.loads(_figures_text())
    figures = parse_figures(content)
    drawn = [figures.draw(rng) for _ in range(1500)]
    patches = [draw(8, index)[0] for index in range(1500)]
    for name in ("transpose", "osc1waveform", "filtertype", "oscsync"):
        shares = np.bincount([TABLE.parameter(name).index(knobs[name]) for knobs in drawn]) / len(drawn)
        np.testing.assert_allclose(shares, content["quantiles"][name][: len(shares)], atol=0.05)
        of_draws = np.bincount([patch.index(name) for patch in patches], minlength=len(shares)) / len(patches)
        assert of_draws.argmax() == shares.argmax(), name


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
    rows = [TABLE.names.index(row.name) for row in MODELLED]
    drawn = np.array([patch.knobs for patch in patches])[:, rows]
    for program in read_programs(BANK):
        differ = (np.abs(drawn - np.array(program.patch.knobs)[rows]) > 0.02).sum(axis=1)
        assert differ.min() >= 8, program.name


def test_only_even_names_are_fitted_on(tmp_path: Path) -> None:
    programs = [Program(f"P{k}", TABLE.default) for k in range(20)]
    path = tmp_path / "bank.noisemakerpreset"
    path.write_bytes(to_xml(programs))
    even = sum(not held_out(program.name) for program in programs)
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
        TABLE.patch({"resonance": float(r), "osc2fm": float(f), "osc1waveform": float(w)})
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


def test_a_louder_patch_is_expected_to_be_louder() -> None:
    patch, note = TABLE.default.with_settings({"filtertype": "LP 24", "cutoff": 100.0}), Note(60)
    peak_db = expected_peak_db(patch, note)
    assert -20.0 < peak_db < 0.0
    for louder in (
        {"osc1volume": 0.9, "osc3volume": 0.9},
        {"cutoff": 0.6},
        {"filtercontour": 0.9},
        {"chorus1enable": 1.0},
    ):
        assert expected_peak_db(patch.with_knobs(louder), note) > peak_db + 1.0, louder
    for fainter in ({"osc1volume": 0.1, "osc3volume": 0.0}, {"cutoff": 0.02}, {"ampattack": 0.8}):
        assert expected_peak_db(patch.with_knobs(fainter), note) < peak_db - 6.0, fainter
    silent = patch.with_knobs({f"osc{k}volume": 0.0 for k in (1, 2, 3)})
    assert expected_peak_db(silent, note) == FAINTEST_DB
    assert volume_for(0.0) == pytest.approx(0.5)
    assert (volume_for(-200.0), volume_for(200.0)) == (pytest.approx(0.0, abs=1e-6), 1.0)


def test_figures_of_another_table_are_refused() -> None:
    content = json.loads(_figures_text())
    with pytest.raises(FormatError, match="table_hash 'x'"):
        parse_figures(content | {"table_hash": "x"})
    with pytest.raises(FormatError, match="schema 2"):
        parse_figures(content | {"schema": 2})


def _figures_text() -> str:
    return FIGURES_PATH.read_text("utf-8")
