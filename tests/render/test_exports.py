"""Preset files for plug-in hosts, and MIDI files, as other programs read them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from render.errors import OutOfRange
from render.instruments.exports import FORMATS, checked_class_id, exported
from render.instruments.instrument import Program
from render.midi import midi_file
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.plugin import CLASS_IDS, preset_folders
from render.noisemaker.presets import parse_programs
from render.noisemaker.table import TABLE
from render.note import Note
from tests.plugins import NOISEMAKER as PLUGIN
from tests.plugins import needs_noisemaker
from tests.toy import TABLE as TOY_TABLE
from tests.toy import TOY

NOTE = Note(45, 90, 0.75, 1.5)
PATCH = TABLE.patch({"cutoff": 0.3141592653589793, "resonance": 0.25, "osc1waveform": 0.5, "lfo1rate": 0.123})
PROGRAM = Program("A bass of some sort, with a long name ♫", PATCH)


def content(format_: str, class_id: str | None = None) -> bytes:
    found = exported(NOISEMAKER, PROGRAM, NOTE, format_, class_id)
    assert found is not None
    return found


@pytest.mark.parametrize("format_", ["vstpreset", "fxp"])
def test_presets_read_back_exactly(format_: str) -> None:
    (program,) = parse_programs(content(format_))
    assert program.patch == PATCH
    assert program.name == PROGRAM.name


def test_a_vstpreset_names_the_plugin_that_it_is_for() -> None:
    assert content("vstpreset")[8:40].decode() == CLASS_IDS[0]
    assert content("vstpreset", "0123456789ABCDEF" * 2)[8:40] == b"0123456789ABCDEF" * 2


def test_an_fxp_is_a_chunk_program_of_the_vst2() -> None:
    fxp = content("fxp")
    magic, size, kind, version, plugin, _, n_parameters = struct.unpack_from(">4si4si4sii", fxp)
    assert (magic, kind, version, plugin) == (b"CcnK", b"FPCh", 1, b"ncut")
    assert size == len(fxp) - 8
    assert n_parameters == len(TABLE.parameters)
    name = fxp[28:56]
    assert name.rstrip(b"\0").startswith(b"A bass of some sort")
    assert name[-1:] == b"\0"
    assert struct.unpack_from(">i", fxp, 56)[0] == len(fxp) - 60


@needs_noisemaker
def test_a_vstpreset_loads_in_the_real_plugin(tmp_path: Path) -> None:
    import dawdreamer as daw

    path = tmp_path / "a.vstpreset"
    path.write_bytes(content("vstpreset"))
    engine = daw.RenderEngine(44100, 512)
    plugin = engine.make_plugin_processor("synth", str(PLUGIN))
    assert plugin.load_vst3_preset(str(path))
    names = {row["name"].lower(): row["index"] for row in plugin.get_parameters_description()}
    for name in ("cutoff", "resonance", "lfo1rate", "ampdecay"):
        assert plugin.get_parameter(names[name]) == pytest.approx(PATCH[name], abs=1e-6)


def test_a_midi_file_plays_the_note_as_it_was_heard() -> None:
    content = midi_file(NOTE)
    magic, size, kind, tracks, ticks = struct.unpack_from(">4sIHHH", content)
    assert (magic, size, kind, tracks) == (b"MThd", 6, 0, 1)
    assert content[14:18] == b"MTrk"
    assert struct.unpack_from(">I", content, 18)[0] == len(content) - 22
    events = _events(content[22:])
    tempo = next(data for _, status, data in events if status == 0xFF51)
    seconds = int.from_bytes(tempo, "big") / 1e6 / ticks
    (on,) = [(time, data) for time, status, data in events if status == 0x90]
    (off,) = [(time, data) for time, status, data in events if status == 0x80]
    assert on == (0, bytes((45, 90)))
    assert off[0] * seconds == pytest.approx(0.75, abs=1e-3)
    assert events[-1][1] == 0xFF2F
    assert events[-1][0] * seconds == pytest.approx(1.5, abs=1e-3)


def test_a_midi_file_can_choose_the_sound_before_the_note() -> None:
    plain, chosen = midi_file(NOTE), midi_file(NOTE, 33)
    assert chosen.replace(bytes([0, 0xC0, 33]), b"")[22:] == plain[22:]
    assert chosen.index(bytes([0, 0xC0, 33])) < chosen.index(bytes([0, 0x90, 45, 90]))


@pytest.mark.parametrize("gate", [0.001, 0.03, 1.0, 59.9])
def test_every_length_can_be_written(gate: float) -> None:
    events = _events(midi_file(Note(0, 1, gate, 60.0))[22:])
    assert [status for _, status, _ in events] == [0xFF51, 0x90, 0x80, 0xFF2F]


def _events(track: bytes) -> list[tuple[int, int, bytes]]:
    """Time in ticks, status and data of each event."""
    events, time, at = [], 0, 0
    while at < len(track):
        delta = 0
        while True:
            byte = track[at]
            at += 1
            delta = delta << 7 | byte & 0x7F
            if not byte & 0x80:
                break
        time += delta
        status = track[at]
        at += 1
        if status == 0xFF:
            kind, length = track[at], track[at + 1]
            events.append((time, status << 8 | kind, track[at + 2 : at + 2 + length]))
            at += 2 + length
        else:
            events.append((time, status, track[at : at + 2]))
            at += 2
    return events


def test_an_instrument_without_a_plugin_has_the_note_only() -> None:
    program = Program("toy", TOY_TABLE.default)
    assert [format_ for format_ in FORMATS if exported(TOY, program, NOTE, format_, None)] == ["mid"]


def test_class_ids_are_checked() -> None:
    assert checked_class_id(" abcdef01-9182-faeb-544f-47556e637574 ") == CLASS_IDS[0]
    for wrong in ("", "ABC", "G" * 32):
        with pytest.raises(OutOfRange, match="32 hexadecimal digits"):
            checked_class_id(wrong)


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_each_system_has_a_preset_folder(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", system)
    folders = preset_folders()
    assert folders
    assert all(folder.parts[-2:] == ("TAL-NoiseMaker", "presets") for folder in folders)
    assert all("toguaudioline" in str(folder).lower() for folder in folders)


def test_curves_have_a_place_on_the_panel() -> None:
    curves = NOISEMAKER.curves
    assert curves is not None
    drawn = curves(PATCH, NOTE)
    groups = {row.group for row in TABLE.parameters}
    assert set(drawn) <= groups
    heights, seconds = drawn["amp"]
    assert seconds == 1.5
    assert np.max(heights) == pytest.approx(1.0)
    assert heights[-1] < 0.01  # released at half of the note
    wave, cycle_seconds = drawn["lfo1"]
    assert np.min(wave) < -0.9
    assert np.max(wave) > 0.9
    assert cycle_seconds > 0.0
