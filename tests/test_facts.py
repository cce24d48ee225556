"""Every figure of the instrument is written once, and everything that needs it gets it from there."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import proxy.kernels
import proxy.synth
import render.noisemaker
from proxy.synth.modulation import Modulation as ProxyModulation
from render.noisemaker import curves, facts
from render.noisemaker.engine.faust_header import header
from render.noisemaker.engine.host import SOURCES as FAUST
from render.noisemaker.engine.host import EmbeddedHost
from render.noisemaker.engine.modulation import Modulation
from render.noisemaker.facts import FILTERS, Family, FilterType
from render.noisemaker.routes import OTHER_LFO, ROUTES, SOURCES, moves_rate
from render.noisemaker.table import TABLE

INSTRUMENT = Path(render.noisemaker.__path__[0])
PYTHON = sorted(
    {*INSTRUMENT.glob("engine/*.py"), *Path(proxy.synth.__path__[0]).glob("*.py")}
    | {INSTRUMENT / name for name in ("curves.py", "envelope_editor.py", "peak.py", "routes.py")}
)
KERNELS = sorted(Path(proxy.kernels.__path__[0]).glob("*.py"))
PROGRAMS = sorted(FAUST.glob("*"))
EFFECTS = ("delay.dsp", "chorus.dsp", "reverb.dsp")


def literals(source: Path) -> Iterator[float]:
    """Numbers that are written in a Python or Faust file."""
    text = source.read_text(encoding="utf-8")
    if source.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
                yield float(node.value)
    else:
        code = re.sub(r"//.*", "", text)
        yield from (float(number) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?", code))


def significant_digits(number: float) -> int:
    return len(f"{number:.15g}".split("e")[0].replace(".", "").strip("0"))


ORDINARY = {0.001, 0.125, 0.25, 0.75, 12.0, 15.0, 17.0, 18.0, 24.0}
"""Numbers that also occur for other reasons: shares, decibels, semitones of an octave, powers of two."""

DISTINCTIVE = {number for number in literals(Path(facts.__file__)) if significant_digits(number) >= 2} - ORDINARY


def test_there_are_figures_to_look_for() -> None:
    assert len(DISTINCTIVE) > 60
    assert {1.873, 0.0499, 0.68, 1949.0, 65535.0} <= DISTINCTIVE


@pytest.mark.parametrize("source", PYTHON + PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_figure_is_written_a_second_time(source: Path) -> None:
    assert DISTINCTIVE.isdisjoint(literals(source))


@pytest.mark.parametrize("source", KERNELS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_figure_is_written_a_second_time_in_a_kernel(source: Path) -> None:
    # Kernels count rows and powers of two: numbers of two digits mean something else there.
    assert {number for number in DISTINCTIVE if significant_digits(number) >= 3}.isdisjoint(literals(source))


@pytest.mark.parametrize("source", PYTHON + KERNELS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_constant_has_the_name_of_a_fact(source: Path) -> None:
    for statement in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
            assigned = {node.id for node in names if isinstance(node.ctx, ast.Store)}
            assert not assigned & {name for name in vars(facts) if name.isupper()}


def defined(text: str) -> dict[str, Any]:
    """The definitions of a Faust header, tuples of tuples by name and position."""
    rows: dict[str, Any] = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(\w+)(?:\((\d)\))? = (.+);", line)
        assert match is not None, line
        name, position, value = match.groups()
        assert (name, position) not in rows
        rows[(name, position) if position else name] = ast.literal_eval(value)
    return rows


def expected(name: str, value: Any) -> dict[Any, Any]:
    """What a header says of a fact."""
    if isinstance(value, int | float):
        return {name: value}
    if not isinstance(value, tuple) or not value or isinstance(value[0], str | FilterType):
        return {}
    if isinstance(value[0], tuple):
        return {(name, str(position)): part for position, part in enumerate(value)}
    return {name: value}


@pytest.mark.parametrize("kind", [None, *FILTERS], ids=lambda kind: kind.label if kind else "effect")
def test_the_faust_header_says_what_the_facts_say(kind: FilterType | None) -> None:
    wanted: dict[Any, Any] = {}
    for name, value in vars(facts).items():
        if re.fullmatch("[A-Z0-9_]+", name):
            wanted |= expected(name, value)
    for field in dataclasses.fields(FilterType) if kind else ():
        wanted |= expected(f"FILTER_{field.name.upper()}", getattr(kind, field.name))
    assert {"FM_REACH", "HALF_BAND", ("REVERB_COMBS", "1")} <= wanted.keys()
    assert defined(header(kind)) == wanted


def test_every_figure_of_a_faust_program_is_defined() -> None:
    names = {key if isinstance(key, str) else key[0] for kind in FILTERS for key in defined(header(kind))}
    for program in PROGRAMS:
        code = re.sub(r"//.*", "", program.read_text(encoding="utf-8"))
        used = set(re.findall(r"(?<![\w.])[A-Z][A-Z0-9]*_[A-Z0-9_]+", code))
        assert used <= names, program.name


def test_every_faust_program_compiles_and_plays() -> None:
    host = EmbeddedHost()
    noise = np.random.default_rng(0).uniform(0.0, 1.0, (3, 300)).astype(np.float32)
    for kind in FILTERS:
        program = host._program(f"filter {kind.label}")
        assert np.abs(program.run(noise, {})).max() > 0.0
    for file in EFFECTS:
        assert np.abs(host._program(file.removesuffix(".dsp")).run(noise[:2], {})).max() > 0.0
    used = {f"{family}.dsp" for family in Family} | {*EFFECTS, "voice.dsp", "common.lib"}
    assert used == {program.name for program in PROGRAMS}


FORMULAS = (
    *("log20", "log8", "cube", "bipolar", "square", "volume_gain", "lfo_hz", "delay_seconds", "delay_feedback"),
    *("reverb_size", "attack_rate", "attack_top", "decay_rate", "release_rate", "frequency_hz"),
)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_takes_numbers_arrays_and_tensors(name: str) -> None:
    formula = getattr(curves, name)
    knobs = np.linspace(0.0, 1.0, 41)
    wanted = [formula(float(knob)) for knob in knobs]
    np.testing.assert_allclose(formula(knobs), wanted, rtol=1e-13)
    np.testing.assert_allclose(formula(torch.from_numpy(knobs)), wanted, rtol=1e-13)
    single = formula(torch.from_numpy(knobs).float())
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, wanted, rtol=1e-5, atol=1e-7)


def test_routes_lead_to_what_both_modulations_have() -> None:
    fields = {field.name for field in dataclasses.fields(Modulation)}
    assert fields == {field.name for field in dataclasses.fields(ProxyModulation)}
    assert ROUTES.keys() == SOURCES.keys()
    reached = {target for routes in ROUTES.values() for some in routes.values() for r in some for target in r.targets}
    assert reached == fields | {"rate"}
    for name, routes in ROUTES.items():
        assert TABLE.parameter(SOURCES[name].destination).choices == tuple(routes)
        assert [choice for choice, some in routes.items() if not some] == ["off"]
        assert not TABLE.parameter(SOURCES[name].amount).discrete
        rates = {choice for choice, some in routes.items() if moves_rate(some)}
        assert rates == ({f"{OTHER_LFO[name]} rate"} if name in OTHER_LFO else set())


def test_choices_of_the_table_follow_the_facts() -> None:
    assert TABLE.parameter("filtertype").choices == tuple(kind.label for kind in FILTERS)
    assert [float(name) for name in TABLE.parameter("transpose").choices] == list(facts.TRANSPOSITIONS)
    assert len(TABLE.parameter("osc1tune").choices) == 2 * facts.TUNE_SEMITONES + 1
    assert len(TABLE.parameter("envelopeeditorspeed").choices) == len(facts.EDITOR_SPEEDS)
