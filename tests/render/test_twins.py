"""Patches whose oscillators play each other's parts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from render.instruments.host import Host
from render.instruments.patch import Patch
from render.noisemaker.changes.lfos import with_lfo
from render.noisemaker.changes.twins import exchanged, instead_of_sub, other_waveforms, usual_phases
from render.noisemaker.hosts import open_host
from render.noisemaker.table import TABLE
from render.note import Note

NOTE = Note(48, 100, 0.4, 0.5)
TWO = TABLE.patch({"osc1volume": 0.8, "osc2volume": 0.5, "osc3volume": 0.3, "cutoff": 0.6}).with_settings(
    {"osc1waveform": "saw", "osc2waveform": "pulse", "osc1tune": "+12", "osc2tune": "+7"}
    | {"osc2finetune": 0.1, "osc1phase": 0.2, "osc2phase": 0.6}
)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    host = open_host("embedded")
    yield host
    host.close()


@pytest.mark.parametrize(
    "patch",
    [
        TWO,
        TWO.with_settings({"osc1waveform": "pulse", "osc2waveform": "saw"}),
        TWO.with_knobs({"osc1volume": 0.0}),
        TWO.with_knobs({"osc2volume": 0.0}),
        TWO.with_settings({"oscsync": "on"}),
        TWO.with_knobs({"ringmodulation": 0.6}),
        with_lfo(with_lfo(TWO, "lfo1", "osc1", 5.0, 0.02), "lfo2", "osc2", 3.0, 0.1),
        TWO.with_settings({"freeaddestination": "osc2", "freeadamount": 0.3}),
    ],
    ids=["both", "other waveforms", "the second", "the first", "synced", "ring modulation", "LFOs", "AD"],
)
def test_an_exchanged_patch_sounds_the_same(host: Host, patch: Patch) -> None:
    twin = exchanged(patch)
    assert twin is not None
    assert twin.diff(patch)
    sound, other = host.render(patch, NOTE, seed=1), host.render(twin, NOTE, seed=1)
    assert np.abs(other - sound).max() < 1e-3 * np.abs(sound).max()


@pytest.mark.parametrize("quiet", [1, 2])
def test_oscillator_1_plays_what_the_sub_did(host: Host, quiet: int) -> None:
    base = with_lfo(TWO, "lfo1", f"osc{3 - quiet}", 5.0, 0.05).with_knobs({f"osc{quiet}volume": 0.0})
    found = instead_of_sub(base)
    assert found is not None
    assert (found["osc3volume"], found.choice("osc1waveform"), found.setting("osc1tune")) == (0.0, "pulse", "-24")
    sound, other = host.render(base, NOTE, seed=1), host.render(found, NOTE, seed=1)
    assert np.abs(other - sound).max() < 1e-3 * np.abs(sound).max()
    assert "osc 1 waveform" in {kind for kind, patch in other_waveforms(base) if patch["osc3volume"] == 0.0}


def test_the_sub_stays_where_both_oscillators_are_needed() -> None:
    assert instead_of_sub(TWO) is None
    assert instead_of_sub(TWO.with_knobs({"osc1volume": 0.0, "osc3volume": 0.0})) is None


def test_phases_at_their_defaults_stay_there() -> None:
    phases = {name: TABLE.default[name] for name in ("osc1phase", "osc2phase")}
    found = exchanged(TWO.with_knobs(phases))
    assert found is not None
    assert {name: found[name] for name in phases} == phases
    ((_, usual),) = usual_phases(TWO)
    assert {name: usual[name] for name in phases} == phases
    assert not list(usual_phases(usual))


def test_oscillators_with_different_parts_are_not_exchanged() -> None:
    assert exchanged(TWO.with_settings({"osc2waveform": "triangle"})) is None
    assert exchanged(TWO.with_knobs({"osc2fm": 0.2})) is None


def test_oscillator_2_plays_the_part_of_oscillator_1_with_waveforms_of_its_own() -> None:
    found = [patch for _, patch in other_waveforms(TWO) if patch.setting("osc2tune") == "+12"]
    assert {patch.choice("osc2waveform") for patch in found} == {"triangle", "sine"}
    for patch in found:
        assert (patch.choice("osc1waveform"), patch.setting("osc1tune")) == ("pulse", "+7")


def test_the_fundamental_of_another_waveform_is_as_loud(host: Host) -> None:
    one = TABLE.patch({"osc1volume": 0.0, "osc2volume": 0.6, "osc3volume": 0.0, "cutoff": 1.0})
    one = one.with_settings({"osc2waveform": "triangle", "osc2tune": "0", "filtercontour": 0.0})
    found = [patch for _, patch in other_waveforms(one)]
    assert {patch.choice("osc2waveform") for patch in found} == {"saw", "pulse", "sine"}
    bins = round(440.0 * 2.0 ** ((NOTE.number - 69) / 12.0) * 0.25), 4  # of a quarter of a second, and their reach

    def fundamental(patch: Patch) -> float:
        sound = host.render(patch, NOTE)[0, 4410 : 4410 + 11025]
        middle, reach = bins
        return float(np.abs(np.fft.rfft(sound * np.hanning(11025)))[middle - reach : middle + reach].max())

    assert [fundamental(patch) for patch in found] == pytest.approx([fundamental(one)] * 3, rel=0.03)
