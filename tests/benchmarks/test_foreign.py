"""Sounds of other synthesizers: what is missing is named, and what was made is read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.common.foreign_sounds import ForeignSound, read_foreign
from benchmarks.product import foreign
from benchmarks.product.foreign import mda_presets, require, sounds_of
from render.errors import FileError, HostError
from render.note import Note
from tests.plugins import needs_nekobi

NOTE = Note(60, 90, 0.5, 1.5)

PRESETS = """
<http://example.org/one>
	a pset:Preset ;
	rdfs:label "One" ;
	lv2:port [
		lv2:symbol "osc_mix" ;
		pset:value 0.25
	] , [
		lv2:symbol "env_att" ;
		pset:value 1e-2
	] .
<http://example.org/two>
	a pset:Preset ; rdfs:label "Two [X]" ; lv2:port [ lv2:symbol "osc_mix" ; pset:value 1 ] .
"""


@pytest.mark.parametrize("instrument", foreign.PACKAGES)
def test_a_missing_instrument_names_its_package(
    instrument: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("NEKOBI", "AMSYNTH", "MDA", "SOUND_FONT"):
        monkeypatch.setattr(foreign, name, tmp_path / "none")
    with pytest.raises(HostError, match=foreign.PACKAGES[instrument][-1]):
        require(instrument)
    assert main(["foreign", "--out", str(tmp_path / "out"), "--only", instrument]) == 1
    assert f"{instrument} is not installed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_presets_are_read_by_symbol(tmp_path: Path) -> None:
    (tmp_path / "JX10-presets.ttl").write_text(PRESETS)
    assert mda_presets("JX10", tmp_path) == {
        "One": {"osc_mix": 0.25, "env_att": 0.01},
        "Two [X]": {"osc_mix": 1.0},
    }
    with pytest.raises(FileError, match="DX10-presets"):
        mda_presets("DX10", tmp_path)


def test_sounds_that_were_written_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mono = 3.0 * np.sin(np.arange(NOTE.n_samples) / 30.0)
    sound = ForeignSound("Nekobi", "draw 1", NOTE, np.stack([mono, 0.5 * mono]).astype(np.float32))
    monkeypatch.setattr(foreign, "require", lambda instrument: None)
    monkeypatch.setattr(foreign, "sounds_of", lambda instrument, wanted: [sound])
    assert main(["foreign", "--out", str(tmp_path), "--only", "Nekobi"]) == 0
    (back,) = read_foreign(tmp_path)
    assert (back.name, back.note) == ("Nekobi draw 1", NOTE)
    np.testing.assert_allclose(back.audio, sound.audio * 0.3, atol=1e-3)  # at a peak of 0.9
    with pytest.raises(FileError, match="cannot read"):
        read_foreign(tmp_path / "none")


@needs_nekobi
def test_the_same_sounds_every_time() -> None:
    first, second = (list(sounds_of("Nekobi", 2)) for _ in range(2))
    assert [one.preset for one in first] == ["draw 1", "draw 2"]
    for one, other in zip(first, second, strict=True):
        assert one.audio.shape == (2, one.note.n_samples)
        assert np.abs(one.audio).max() >= foreign.QUIETEST_PEAK
        np.testing.assert_array_equal(one.audio, other.audio)
    assert not np.array_equal(first[0].audio[:, :1000], first[1].audio[:, :1000])
