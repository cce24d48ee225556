"""Patches that are moved to another key and sound as before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from render.instruments.instrument import Instrument
from render.instruments.keys import transposed
from render.instruments.patch import Patch
from render.noisemaker.hosts import open_host
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.pitches import sounding_pitches
from render.noisemaker.table import TABLE
from render.note import Note
from tests.toy import TABLE as TOY_TABLE
from tests.toy import TOY

NOTE = Note(57, 100, 0.2, 0.3)
TWO = TABLE.default.with_settings({"osc1tune": "-12", "osc2tune": "+7", "osc2waveform": "pulse"}).with_knobs(
    {"osc1volume": 0.7, "osc2volume": 0.5, "osc3volume": 0.0, "cutoff": 0.8, "oscmastertune": 0.6}
)


def moved(patch: Patch, semitones: int, instrument: Instrument = NOISEMAKER) -> Patch:
    found = transposed(instrument, patch, semitones)
    assert found is not None
    return found


def sounding(patch: Patch, number: int) -> list[int]:
    pitches, powers = sounding_pitches(patch, number)
    return [pitch for pitch, power in zip(pitches, powers, strict=True) if power > 0.0]


@pytest.mark.parametrize("semitones", [-24, -17, -12, -5, -1, 0, 4, 12, 19, 24])
def test_a_transposed_patch_sounds_the_same_on_the_other_key(semitones: int) -> None:
    key = replace(NOTE, number=NOTE.number - semitones)
    patch = moved(TWO, semitones)
    assert sounding(patch, key.number) == sounding(TWO, NOTE.number)
    host = open_host("embedded")
    try:
        here, there = host.render(TWO, NOTE), host.render(patch, key)
    finally:
        host.close()
    np.testing.assert_allclose(there, here, atol=1e-4)


def test_octaves_go_into_the_transposition_and_the_rest_into_the_tunings() -> None:
    assert set(TWO.diff(moved(TWO, 12))) == {"transpose"}
    assert set(TWO.diff(moved(TWO, 5))) == {"osc1tune", "osc2tune"}
    only = TWO.with_knobs({"osc2volume": 0.0})
    assert set(only.diff(moved(only, 5))) == {"osc1tune"}
    assert sounding(moved(moved(TWO, 19), -19), 60) == sounding(TWO, 60)


def test_what_is_out_of_reach_is_said() -> None:
    with_sub = TWO.with_knobs({"osc3volume": 0.5})
    assert transposed(NOISEMAKER, with_sub, 12) is not None
    assert transposed(NOISEMAKER, with_sub, 7) is None
    assert transposed(NOISEMAKER, TWO, 60) is None


def test_an_instrument_without_a_way_of_its_own_moves_by_octaves() -> None:
    plain = TOY_TABLE.default
    assert moved(plain, 12, TOY).choice("octave") == "+12"
    assert transposed(TOY, plain, 7) is None
    assert transposed(TOY, plain, 24) is None
