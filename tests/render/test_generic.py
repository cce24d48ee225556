"""Any plug-in: descriptions, preset files, and a real plug-in that is read and heard."""

from __future__ import annotations

import json
import pickle
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from render.errors import FormatError, HostError, OutOfRange, PresetError
from render.generic.description import Described, Description, read_description, table_of, write_description
from render.generic.instrument import described, plugin_instrument
from render.generic.probe import describe_plugin
from render.instruments.containers import vst3_component
from render.instruments.instrument import Program
from render.instruments.parameter import Kind
from tests.plugins import NEKOBI, needs_nekobi

PARAMETERS = (
    Described("wave", 0, "Wave", 0.5, choices=("saw", "pulse", "noise")),
    Described("cutoff", 1, "Cutoff", 0.25, unit="Hz"),
    Described("unused", 2, "Unused", 0.1, sounds=False),
    Described("volume", 3, "Volume", 0.75, role="level", gains=(0.0, 0.2, 0.5, 1.0)),
    Described("bypass", 4, "Bypass", 0.0, role="kept"),
)
DESCRIPTION = Description("Any", "/nowhere/any.so", {"id": 0xDEADBEEF, "version": 7}, PARAMETERS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_description(tmp_path / "any.json", DESCRIPTION)
    return tmp_path / "any.json"


def test_a_description_is_read_as_it_was_written(path: Path) -> None:
    assert read_description(path) == DESCRIPTION
    table = table_of(path)
    assert table.names == ("wave", "cutoff", "volume")
    assert table.parameter("wave").kind is Kind.CHOICE
    assert table.level is not None
    assert table.level.curve.setting(1.0 / 3.0) == pytest.approx(0.2, abs=1e-4)
    assert table.level.curve.nearest_knob(0.5) == pytest.approx(2.0 / 3.0, abs=1e-4)
    assert pickle.loads(pickle.dumps(table.default)).table is table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 9}, "has schema 9; allowed: 1"),
        ({"parameters": [{"name": "a"}]}, "damaged description"),
        ({"parameters": []}, "no parameter that sounds"),
    ],
)
def test_a_damaged_description_is_one_line(path: Path, change: dict[str, object], message: str) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(FormatError, match=message):
        read_description(path)


def test_a_wrong_role_is_named(path: Path) -> None:
    path.write_text(path.read_text().replace('"role": "kept"', '"role": "loud"'))
    with pytest.raises(FormatError, match="the role of bypass is 'loud'; allowed: null, level, kept"):
        read_description(path)


def test_a_program_file_holds_every_parameter(path: Path, tmp_path: Path) -> None:
    instrument = described(path)
    patch = instrument.table.patch({"wave": 1.0, "cutoff": 0.3, "volume": 0.6})
    assert instrument.presets.SUFFIX == ".fxp"
    instrument.presets.write_program(tmp_path / "a.fxp", Program("a", patch))
    content = (tmp_path / "a.fxp").read_bytes()
    assert content[:4] + content[8:12] == b"CcnKFxCk"
    assert int.from_bytes(content[4:8], "big") == len(content) - 8
    assert struct.unpack(">5f", content[56:]) == pytest.approx((1.0, 0.3, 0.1, 0.6, 0.0))
    (program,) = instrument.presets.read_programs(tmp_path / "a.fxp")
    assert program.patch.choice("wave") == "noise"
    assert program.patch["cutoff"] == pytest.approx(0.3)
    (tmp_path / "b.fxp").write_bytes(content[:16] + b"abcd" + content[20:])
    with pytest.raises(PresetError, match="a preset of another plug-in than Any"):
        instrument.presets.read_programs(tmp_path / "b.fxp")
    (tmp_path / "c.fxp").write_bytes(b"hello")
    with pytest.raises(PresetError, match=r"allowed: \.fxp"):
        instrument.presets.read_programs(tmp_path / "c.fxp")


def test_the_prior_draws_from_the_rows_that_sound(path: Path) -> None:
    prior = described(path).prior
    assert prior is not None
    draws = [prior.draw(0, index, 0)[0] for index in range(20)]
    assert {patch["volume"] for patch in draws} == {0.75}
    assert len({patch["cutoff"] for patch in draws}) > 5
    assert prior.hash() == prior.hash()


def test_a_vst3_state_is_found_in_what_the_host_saved() -> None:
    state = bytes(range(7))
    digits, number = ".ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+", int.from_bytes(state, "little")
    text = "".join(digits[number >> 6 * k & 63] for k in range(10))
    assert vst3_component(f"<VST3PluginState><IComponent>7.{text}</IComponent></VST3PluginState>".encode()) == state
    with pytest.raises(PresetError, match="no state"):
        vst3_component(b"<VST3PluginState/>")


def test_what_is_no_plugin_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutOfRange, match="allowed: the path of a plug-in"):
        plugin_instrument(None)
    with pytest.raises(HostError, match="no plug-in at"):
        describe_plugin(tmp_path / "none.vst3")
    (tmp_path / "bad.so").write_bytes(b"not a library")
    with pytest.raises(HostError, match=r"cannot use .*bad\.so"):
        describe_plugin(tmp_path / "bad.so")


@needs_nekobi
def test_a_real_plugin_is_read_and_heard(tmp_path: Path) -> None:
    found = describe_plugin(NEKOBI)
    rows = {parameter.name: parameter for parameter in found.parameters}
    assert rows["waveform"].choices == ("Square", "Triangle")
    assert rows["tuning"].choices == ()
    assert rows["volume"].role == "level"
    assert rows["volume"].gains[0] == 0.0
    assert rows["volume"].gains[-1] == 1.0
    assert all(rows[name].sounds for name in ("waveform", "tuning", "cutoff", "vcf_resonance", "env_mod", "decay"))
    write_description(tmp_path / "nekobi.json", replace(found, title="Nekobi"))
    instrument = described(tmp_path / "nekobi.json")
    assert instrument.title == "Nekobi"
    assert instrument.hosts.choose_host() == (str(NEKOBI), ())
