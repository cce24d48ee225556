"""The table and the immutable patch."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from render.errors import OutOfRange, UnknownName
from render.instruments.parameter import Kind
from render.instruments.patch import Patch
from render.noisemaker.envelope_editor import EnvelopePoint
from render.noisemaker.table import TABLE
from render.note import Note


def test_the_table_is_the_instrument() -> None:
    assert len(TABLE.parameters) == len(set(TABLE.names)) == 82
    # A changed hash refuses every library, dataset and weights file that exists: change it knowingly.
    assert TABLE.hash == "5e7aac5c12b72c66"


@pytest.mark.parametrize("row", TABLE.parameters, ids=lambda row: row.name)
def test_settings_and_knobs_are_inverse(row) -> None:  # type: ignore[no-untyped-def]
    if row.discrete:
        for index, knob in enumerate(row.choice_knobs):
            assert row.index(knob) == index
            assert row.index(row.snap(knob)) == index
            assert row.knob(row.choices[index]) == knob
    else:
        previous = -math.inf
        for knob in (0.0, 1e-4, 0.1, 0.37, 0.5, 0.51, 0.9, 1.0):
            setting = row.setting(knob)
            assert setting > previous or knob > row.curve.rises_until
            assert row.curve.setting(row.knob(setting)) == pytest.approx(setting, rel=1e-9, abs=1e-12)
            previous = setting


@pytest.mark.parametrize(
    ("name", "knob", "setting"),
    [
        ("osc1tune", 0.25, "-12"),
        ("osc1tune", 0.5, "0"),
        ("osc1tune", 0.4999, "0"),
        ("osc1tune", 0.5209, "+1"),
        ("osc1tune", 1.0, "+24"),
        ("transpose", 0.5, "0"),
        ("transpose", 0.508, "0"),
        ("lfo1waveform", 0.68, "rectangle"),
        ("lfo1waveform", 0.744, "rectangle"),
        ("filtertype", 0.272727, "LP 6"),
        ("oscsync", 1e-6, "on"),
    ],
)
def test_discrete_knobs_read_as_the_instrument_reads_them(name: str, knob: float, setting: str) -> None:
    assert TABLE.parameter(name).setting(knob) == setting


@pytest.mark.parametrize(
    ("name", "knob", "setting"),
    [
        ("cutoff", 1.0, 22050.0),
        ("volume", 0.5, 1.0),
        ("volume", 1.0, 21.0),
        ("lfo1rate", 0.0, (math.exp(0.2) - 1) / 19),
        ("delaytime", 1.0, 4.0),
        ("osc1finetune", 0.0, -1.0),
        ("reverbdecay", 1.0, 0.99),
    ],
)
def test_continuous_settings(name: str, knob: float, setting: float) -> None:
    assert TABLE.parameter(name).setting(knob) == pytest.approx(setting)


def test_a_patch_by_name() -> None:
    patch = TABLE.default.with_settings(
        {"cutoff": 1200.0, "osc1waveform": "Pulse", "osc1tune": -7, "chorus1enable": True}
    )
    assert patch.setting("cutoff") == pytest.approx(1200.0)
    assert patch.choice("osc1waveform") == "pulse"
    assert patch.choice("osc1tune") == "-7"
    assert patch.choice("chorus1enable") == "on"
    assert set(TABLE.default.diff(patch)) == {"cutoff", "osc1waveform", "osc1tune", "chorus1enable"}
    assert TABLE.default["cutoff"] == 1.0


def test_a_synced_rate_is_a_division() -> None:
    patch = TABLE.default.with_settings({"lfo1rate": "1/8T", "lfo1sync": "on"})
    assert patch.setting("lfo1rate") == "1/8T"
    assert patch.with_settings({"lfo1sync": "off", "lfo1rate": 2.0}).setting("lfo1rate") == pytest.approx(2.0)
    with pytest.raises(UnknownName, match="1/7"):
        patch.with_settings({"lfo1rate": "1/7"})


def test_snapping_changes_the_knob_but_not_the_meaning() -> None:
    patch = TABLE.patch({"lfo1waveform": 0.744, "cutoff": 0.123})
    assert patch.snapped()["lfo1waveform"] == 0.6
    assert patch.snapped()["cutoff"] == 0.123
    assert patch.diff(patch.snapped()) == {}


@pytest.mark.parametrize("row", TABLE.parameters, ids=lambda row: row.name)
def test_every_parameter_can_be_put_where_it_sounds(row) -> None:  # type: ignore[no-untyped-def]
    assert TABLE.default.where_sounding(row.name).sounds(row.name) is not row.silent
    for clause in row.needs:
        for condition in clause:
            assert condition.name != row.name
            assert (TABLE.parameter(condition.name).kind is Kind.CONTINUOUS) == (not condition.indices)


def test_wrong_input_names_the_thing_the_value_and_what_is_allowed() -> None:
    with pytest.raises(UnknownName, match=r"cutof.*cutoff"):
        TABLE.patch({"cutof": 0.5})
    with pytest.raises(OutOfRange, match=r"cutoff is 1\.5; allowed: 0 to 1"):
        TABLE.patch({"cutoff": 1.5})
    with pytest.raises(OutOfRange, match="nan"):
        TABLE.patch({"cutoff": math.nan})
    with pytest.raises(OutOfRange, match="Hz"):
        TABLE.default.with_settings({"cutoff": 1e6})
    with pytest.raises(UnknownName, match="saw, pulse, noise"):
        TABLE.default.with_settings({"osc1waveform": "sine"})
    with pytest.raises(OutOfRange, match="82"):
        Patch(TABLE, (0.0,))
    with pytest.raises(OutOfRange, match="envelope point y"):
        EnvelopePoint(0.0, math.inf, 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "fields",
    [
        {"number": 128},
        {"number": -1},
        {"number": 60.5},
        {"velocity": 0},
        {"gate_seconds": 0.0},
        {"gate_seconds": -1.0},
        {"seconds": 0.0},
        {"seconds": math.nan},
    ],
)
def test_impossible_notes_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(OutOfRange):
        Note(**({"number": 60} | fields))  # type: ignore[arg-type]


def test_importing_the_instrument_loads_nothing_heavy() -> None:
    modules = "('torch', 'dawdreamer', 'scipy')"
    imports = "sys, render.instruments.patch, render.noisemaker.presets, render.instruments.host"
    code = f"import {imports}; print([m for m in {modules} if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output.strip() == "[]"
