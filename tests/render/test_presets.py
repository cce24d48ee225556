"""Reading every version of the preset format, writing 1.7, and refusing everything else."""

from __future__ import annotations

import json
import random
import re
import struct
from pathlib import Path

import pytest

from render.dexed.instrument import DEXED
from render.errors import FileError, PresetError
from render.instruments.containers import fxbank, vstpreset
from render.instruments.instrument import Instrument, Program
from render.instruments.parameter import Kind
from render.instruments.patch import Patch
from render.instruments.programs import read_program
from render.noisemaker.envelope_editor import EnvelopePoint
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.plugin import plugin_state
from render.noisemaker.presets import parse_programs, read_programs, to_xml, write_program
from render.noisemaker.table import TABLE
from render.vital.instrument import VITAL
from tests.paths import BANK, GOLDEN, needs_bank, needs_golden

POINTS = (EnvelopePoint(0.0, 0.1, 0.0, 0.1, 0.25, 0.3), EnvelopePoint(1.0, 1.0 / 3.0, 0.9, 0.2, 1.0, 0.7))


def random_program(rng: random.Random) -> Program:
    return Program(f"Pätch & <{rng.random()}>", Patch(TABLE, tuple(rng.random() for _ in TABLE.names), POINTS))


@needs_bank
@needs_golden
def test_every_factory_program_reads_to_its_golden_knobs() -> None:
    golden = {}
    for line in (GOLDEN / "factory.jsonl").read_text().splitlines():
        row = json.loads(line)
        golden[row["name"]] = row
    programs = read_programs(BANK)
    assert {program.name for program in programs} == set(golden)
    for program in programs:
        for name, knob in golden[program.name]["patch"].items():
            assert program.patch[name] == pytest.approx(knob, abs=1e-6), (program.name, name)
        if golden[program.name]["uses_envelope_editor"]:
            assert len(program.patch.extra) >= 2


@needs_bank
def test_every_factory_program_survives_writing_and_reading(tmp_path: Path) -> None:
    programs = read_programs(BANK)
    assert parse_programs(to_xml(programs)) == programs
    write_program(tmp_path / "one.noisemakerpreset", programs[1])
    assert read_programs(tmp_path / "one.noisemakerpreset") == [programs[1]]


def test_random_programs_survive_writing_and_reading() -> None:
    rng = random.Random(1)
    programs = [random_program(rng) for _ in range(50)]
    assert parse_programs(to_xml(programs)) == programs


def test_a_name_loses_only_what_xml_cannot_hold() -> None:
    assert parse_programs(to_xml([Program("a\0b\x1fc\td", TABLE.default)]))[0].name == "abc\td"


def one_program(version: str, attributes: dict[str, str], points: str = "") -> bytes:
    stored = {row.name: "0" for row in TABLE.parameters if row.kind is not Kind.CHOICE} | attributes
    listed = " ".join(f'{name}="{value}"' for name, value in stored.items() if value != "missing")
    return f'<tal version="{version}"><programs><program {listed}>{points}</program></programs></tal>'.encode()


def test_old_filter_types_are_of_ten() -> None:
    for index, stored in ((0, "0"), (3, "0.333333343"), (9, "1")):
        patch = parse_programs(one_program("1.6", {"filtertype": stored}))[0].patch
        assert patch.index("filtertype") == index
    assert parse_programs(one_program("1.7", {"filtertype": "1"}))[0].patch.choice("filtertype") == "Moog through"


def test_choices_were_counted_from_one_before_1_6() -> None:
    patch = parse_programs(one_program("1.5", {"filtertype": "10", "osc2waveform": "3", "lfo1destination": "8"}))[
        0
    ].patch
    assert patch.choice("filtertype") == "BP SV 24"
    assert patch.choice("osc2waveform") == "triangle"
    assert patch.choice("lfo1destination") == "osc1&2"


def test_spellings_and_defaults() -> None:
    content = one_program(
        "1.6999999999999999556",
        {"delayfactorr": "missing", "delayfactorR": "1", "lfo1phase": "missing", "lfo1Phase": "0.25"}
        | {"velocitycutoff": "missing", "velocityfilter": "0.5", "oscbitcrusher": "missing", "filtertype": "1"},
    )
    patch = parse_programs(content)[0].patch
    assert (patch["delayfactorr"], patch["lfo1phase"], patch["velocitycutoff"]) == (1.0, 0.25, 0.5)
    assert patch["oscbitcrusher"] == 1.0
    assert patch.choice("filtertype") == "Moog through"
    assert patch.extra == ()


def test_what_is_written_names_its_ends() -> None:
    text = to_xml([Program("x", TABLE.default.with_extra(POINTS))]).decode()
    assert 'version="1.7"' in text
    assert text.count('isStartPoint="1"') == text.count('isEndPoint="1"') == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no element found"),
        (b"RIFF\x00\x00\x00\x00WAVE", "not a NoiseMaker preset"),
        (b"<vital/>", "<vital>"),
        (b"<tal/>", "version"),
        (b'<tal version="2.5"><programs><program/></programs></tal>', "version 2.5"),
        (b'<tal version="1.7"><programs/></tal>', "without a program"),
        (b'<tal version="1.7"><programs><program cutoff="1"/></programs></tal>', "only 1 of"),
        (one_program("1.7", {"cutoff": "nan"}), "cutoff"),
        (one_program("1.7", {"cutoff": "1.5"}), "cutoff"),
        (one_program("1.7", {}, "<splinePoints><splinePoint/></splinePoints>"), "centerPointX"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><tal version="1.7">&b;</tal>', "not a NoiseMaker preset"),
    ],
)
def test_refusals_say_what_is_wrong(content: bytes, says: str) -> None:
    with pytest.raises(PresetError, match=says):
        parse_programs(content)


def test_a_thousand_damaged_files_raise_only_the_format_error() -> None:
    rng = random.Random(2)
    whole = to_xml([random_program(rng), random_program(rng)])
    refused = 0
    for _ in range(1000):
        damaged = bytearray(whole)
        if rng.random() < 0.3:
            del damaged[rng.randrange(len(damaged)) :]
        for _ in range(rng.choice((0, 1, 3, 20))):
            if damaged:
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            parse_programs(bytes(damaged))
        except PresetError:
            refused += 1
    assert refused > 300


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="missing"):
        read_programs(tmp_path / "missing.noisemakerpreset")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError, match="file"):
        write_program(tmp_path / "file" / "x.noisemakerpreset", Program("x", TABLE.default))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("wrapping", ["vstpreset", "bank", "program", "state"])
def test_what_plugin_hosts_keep_is_read_too(wrapping: str, tmp_path: Path) -> None:
    program = Program("wrapped", TABLE.patch({"cutoff": 0.3}, POINTS))
    state = plugin_state(program)
    header = bytearray(156)
    header[:4], header[8:12] = b"CcnK", b"FBCh"
    content = {
        "vstpreset": vstpreset(state, "0123456789ABCDEF" * 2),
        "bank": fxbank(state, bytes(header)),
        "program": b"CcnK" + bytes(4) + b"FPCh" + bytes(44) + struct.pack(">I", len(state)) + state,
        "state": state,
    }[wrapping]
    path = tmp_path / "wrapped.preset"
    path.write_bytes(content)
    assert read_programs(path) == [program]
    for cut in (len(content) // 2, 60, 44, 10):
        path.write_bytes(content[:cut])
        with pytest.raises(PresetError, match=r"wrapped\.preset: not a NoiseMaker preset"):
            read_programs(path)


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"RIFF\0\0\0\0WAVEfmt ", "WAV"), (b"fLaC\0", "FLAC"), (b'{"a": 1}', "JSON"), (b"PK\x03\x04", "ZIP")],
)
def test_other_files_are_called_what_they_are(content: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / "x.noisemakerpreset").write_bytes(content)
    with pytest.raises(PresetError, match=what):
        read_programs(tmp_path / "x.noisemakerpreset")


@pytest.mark.parametrize("instrument", [NOISEMAKER, VITAL, DEXED], ids=lambda instrument: instrument.name)
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "an empty file"),
        (b"MThd\x00\x00\x00\x06", "a MIDI file"),
        (b"PK\x03\x04rest", "a ZIP archive"),
        (b"RIFF\x00\x00\x00\x00WAVE", "an audio file (WAV)"),
        (b"\n<!DOCTYPE HTML><html></html>", "a web page"),
    ],
)
def test_what_another_file_is_is_said(instrument: Instrument, content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(PresetError, match=rf"^file: not a .* but {re.escape(says)}$"):
        read_program(instrument, path)
