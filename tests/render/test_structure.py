"""Changes of a patch's structure: what they set, and what they leave."""

from __future__ import annotations

import numpy as np
import pytest

from render.instruments.hints import Hints
from render.noisemaker.changes.lfos import with_lfo
from render.noisemaker.changes.structure import EXTRAS, changes, plain
from render.noisemaker.hosts import open_host
from render.noisemaker.pitches import sounding_pitches
from render.noisemaker.table import TABLE
from render.note import Note

NOTE = Note(48, 100, 0.4, 0.5)
TWO = TABLE.patch(
    {"osc1volume": 0.8, "osc2volume": 0.7, "osc3volume": 0.0, "osc1tune": 0.25, "osc2tune": 0.25, "transpose": 0.667}
)


def test_every_change_is_another_patch_and_can_be_heard() -> None:
    found = list(changes(TWO, NOTE, Hints((7.0, 2.0), (0.3,))))
    assert len({patch for _, patch in found}) == len(found)
    kinds = {kind for kind, _ in found}
    assert {"osc 1 interval", "osc 2 interval", "lfo1 filter", "lfo2 volume", "delay"} <= kinds
    for kind, patch in found:
        heard = [name for name in TWO.diff(patch) if patch.sounds(name) or TWO.sounds(name)]
        assert heard, kind


def test_an_oscillator_that_is_off_is_switched_on() -> None:
    one = TWO.with_knobs({"osc2volume": 0.0})
    on = [patch for kind, patch in changes(one, NOTE, Hints()) if kind == "osc 2 on"]
    assert on
    assert all(patch["osc2volume"] > 0.5 for patch in on)
    assert len({patch.choice("osc2waveform") for patch in on}) == 4


def test_an_audible_lfo_is_replaced_only_if_there_is_no_other() -> None:
    first = with_lfo(TWO, "lfo1", "filter", 5.0, 0.3)
    moved = dict(found for found in changes(first, NOTE, Hints((7.0,))) if found[0].startswith("lfo"))
    assert {"lfo2 volume", "lfo1 pulse width", "lfo1 fm"} <= set(moved)
    for patch in moved.values():
        kept = [name for name in ("lfo1", "lfo2") if patch.choice(f"{name}destination") == "filter"]
        assert any(patch[f"{name}rate"] == first["lfo1rate"] for name in kept)
    both = with_lfo(first, "lfo2", "volume", 3.0, 0.5)
    kinds = {kind for kind, _ in changes(both, NOTE, Hints((7.0,)))}
    assert {kind[:4] for kind in kinds if kind.startswith("lfo")} == {"lfo1", "lfo2"}


@pytest.mark.parametrize(("destination", "knob"), [("filter", "cutoff"), ("pulse width", "osc1pw")])
def test_what_an_lfo_shifts_on_average_is_taken_back(destination: str, knob: str) -> None:
    base = TWO.with_knobs({"cutoff": 0.7})
    moved = with_lfo(base, "lfo1", destination, 4.0, 0.2)
    assert moved[knob] < base[knob]
    stronger = with_lfo(moved, "lfo1", destination, 4.0, 0.4)
    assert stronger[knob] < moved[knob]
    assert with_lfo(stronger, "lfo1", destination, 4.0, 0.2)[knob] == pytest.approx(moved[knob], abs=1e-6)


def test_a_plain_voice_has_nothing_extra_and_the_same_pitches() -> None:
    rich = with_lfo(TWO, "lfo1", "osc1", 5.0, 0.3).with_knobs(
        {"osc2fm": 0.3, "reverbwet": 0.4, "filtercontour": 0.8, "velocitycutoff": 0.3, "filtersustain": 0.4}
    )
    found = dict(plain(rich, NOTE))
    assert set(found) == {"plain", "plain with filter envelope"}
    for kind, patch in found.items():
        kept = EXTRAS - ({"filtercontour"} if kind != "plain" else set())
        assert all(patch[name] == TABLE.parameter(name).default for name in kept), kind
        assert sounding_pitches(patch, NOTE.number)[0][:2] == [48, 48]
    assert found["plain"].index("osc1tune") - 24 == 0  # the transposition is taken back


def test_a_plain_voice_stands_where_its_filter_stood_while_the_key_was_held() -> None:
    rich = TWO.with_knobs({"cutoff": 0.3, "filtercontour": 0.9, "filtersustain": 0.6, "velocitycutoff": 0.2})
    steady = dict(plain(rich, NOTE))["plain"]
    host = open_host()
    whole, still = (np.abs(np.fft.rfft(host.render(patch, NOTE)[0, 4000:16000])) for patch in (rich, steady))
    bins = whole > 0.01 * whole.max()
    assert np.median(np.abs(20.0 * np.log10(still[bins] / whole[bins]))) < 0.5


def test_a_voice_with_a_sub_is_also_tried_without() -> None:
    assert "plain without sub" in dict(plain(TWO.with_knobs({"osc3volume": 0.5}), NOTE))
