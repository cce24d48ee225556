"""Chords: keys that are pressed together, in the hosts, in MIDI files and in the constraints of a search."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from inference.constraints import Constraints
from render.__main__ import main
from render.dexed.instrument import DEXED
from render.errors import OutOfRange
from render.instruments.instrument import Program
from render.measures.metrics import mss
from render.midi import midi_file
from render.noisemaker.engine.host import EmbeddedHost
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.presets import write_program
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note
from tests.plugins import NOISEMAKER as PLUGIN
from tests.plugins import needs_noisemaker

KEYS = (48, 52, 55)
CHORD = Note.of(KEYS, 100, 0.2, 0.35)
SINGLES = [Note(key, 100, 0.2, 0.35) for key in KEYS]
MOVING = TABLE.patch(
    {
        "cutoff": 0.45, "resonance": 0.4, "filtercontour": 0.7, "filterdecay": 0.3, "filtersustain": 0.3,
        "keyfollow": 0.8, "lfo1destination": 1 / 7, "lfo1amount": 0.7, "lfo1rate": 0.6, "highpass": 0.4, "voices": 1.0,
    }
)  # fmt: skip
"""No effect, no randomness, and everything else that a voice has of its own."""


def test_the_keys_of_a_chord() -> None:
    assert Note.of([64, 60, 67]) == Note(60, chord=(4, 7))
    assert CHORD.keys == CHORD.as_keys == KEYS
    assert (CHORD.title, CHORD.highest) == ("C3 E3 G3", 55)
    assert (Note(60).keys, Note.of(60).as_keys, Note(60).title) == ((60,), 60, "C4")
    assert repr(Note(60, 100, 1.0, 2.0)) == "Note(number=60, velocity=100, gate_seconds=1.0, seconds=2.0)"
    assert repr(CHORD).endswith("chord=(4, 7))")
    for keys in ([], [60, 60], [120, 128], [60.5, 70]):
        with pytest.raises(OutOfRange):
            Note.of(keys)  # type: ignore[arg-type]
    for above in ((0,), (7, 4), (-3,), (68,)):
        with pytest.raises(OutOfRange, match="chord"):
            Note(60, chord=above)


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedHost]:
    host = EmbeddedHost()
    yield host
    host.close()


def test_without_effects_a_chord_is_the_sum_of_its_keys(embedded: EmbeddedHost) -> None:
    together = embedded.render(MOVING, CHORD)
    apart = sum(embedded.render(MOVING, one) for one in SINGLES)
    np.testing.assert_allclose(together, apart, atol=2e-4)  # the filter's noise differs
    assert np.abs(together).max() > 0.1


def test_the_voices_meet_before_the_effects(embedded: EmbeddedHost) -> None:
    """What a delay feeds back is limited, so that the echoes of a loud chord are no sum of its keys' echoes."""
    patch = MOVING.with_knobs({"delaywet": 1.0, "delaytime": 0.05, "delayfeedback": 0.9, "volume": 0.8})
    together = embedded.render(patch, CHORD)
    apart = sum(embedded.render(patch, one) for one in SINGLES)
    assert np.abs(together - apart).max() > 0.05
    assert np.abs(together).max() < np.abs(apart).max()


def test_as_many_keys_sound_as_there_are_voices_the_highest_ones(embedded: EmbeddedHost) -> None:
    for n_voices in (1, 2):
        patch = MOVING.with_knobs({"voices": TABLE.parameter("voices").choice_knobs[n_voices - 1]})
        highest = sum(embedded.render(patch, one) for one in SINGLES[-n_voices:])
        np.testing.assert_allclose(embedded.render(patch, CHORD), highest, atol=2e-4)


@needs_noisemaker
def test_the_real_plugin_plays_chords_as_the_embedded_engine_does(embedded: EmbeddedHost) -> None:
    from render.hosts.plugin import PluginHost
    from render.noisemaker.plugin import ADAPTER

    plugin = PluginHost(PLUGIN, ADAPTER)
    together = plugin.render(MOVING, CHORD)
    np.testing.assert_allclose(together, sum(plugin.render(MOVING, one) for one in SINGLES), atol=1e-5)
    assert mss(together, embedded.render(MOVING, CHORD), SAMPLE_RATE) < 0.2
    mono = MOVING.with_knobs({"voices": 0.0})
    assert np.array_equal(plugin.render(mono, CHORD), plugin.render(mono, SINGLES[-1]))


def test_a_midi_file_presses_and_releases_all_keys_together() -> None:
    single, content = midi_file(SINGLES[0]), midi_file(CHORD)
    assert content.count(b"\x00\x90") == 3
    for key in KEYS:
        assert bytes((0, 0x90, key, 100)) in content
        assert bytes((0x80, key, 0)) in content
    assert bytes((0, 0x80, 55, 0)) in content  # at the time of the one before
    assert len(content) == len(single) + 2 * 8


def test_a_search_for_a_chord_has_the_voices_for_it() -> None:
    voices = TABLE.parameter("voices")
    assert Constraints().for_keys(NOISEMAKER, 1) == Constraints()
    assert Constraints().for_keys(NOISEMAKER, 3).locked == {"voices": 1.0}
    four = TABLE.patch({"voices": voices.choice_knobs[3]})
    assert Constraints().for_keys(NOISEMAKER, 3, four).locked == {"voices": voices.choice_knobs[3]}
    limited = Constraints.parse(TABLE, limits=["voices=..4"])
    assert limited.for_keys(NOISEMAKER, 3).locked == {"voices": voices.choice_knobs[3]}
    refused: list[tuple[Constraints, Any, int]] = [
        (Constraints(), NOISEMAKER, 7),
        (Constraints({"voices": 0.0}), NOISEMAKER, 2),
        (limited, NOISEMAKER, 5),
        (Constraints(), DEXED, 2),
    ]
    for constraints, instrument, n_keys in refused:
        with pytest.raises(OutOfRange, match="number of keys"):
            constraints.for_keys(instrument, n_keys)


def test_the_render_command_plays_chords(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_program(tmp_path / "a.noisemakerpreset", Program("a", MOVING))
    command = ["render", str(tmp_path / "a.noisemakerpreset"), str(tmp_path / "a.wav"), "--plugin", "embedded"]
    command += ["--gate", "0.2", "--seconds", "0.35", "--note", "C3", "--note", "E3", "--note", "G3"]
    assert main(command) == 0
    audio, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert np.array_equal(audio.T, EmbeddedHost().render(MOVING, CHORD))
    assert main([*command, "--note", "C3"]) != 0
    assert "all different" in capsys.readouterr().err
