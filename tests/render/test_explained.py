"""Modulators of a destination, explained by others: what they sound like, and what stays."""

from __future__ import annotations

import pytest

from render.instruments.patch import Patch
from render.measures.loudness import EqualLoudnessMss
from render.noisemaker.changes.explained import explained
from render.noisemaker.changes.lfos import with_lfo
from render.noisemaker.curves import log8
from render.noisemaker.editor_curves import lines
from render.noisemaker.hosts import open_host
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note

NOTE = Note(48, 100, 0.9, 1.0)
VOICE = TABLE.patch({"osc1volume": 0.8, "osc2volume": 0.0, "osc3volume": 0.0, "cutoff": 0.7})


def lfos(patch: Patch) -> list[str]:
    """The LFOs that a patch uses."""
    return [name for name in ("lfo1", "lfo2") if patch.sounds(f"{name}rate")]


def distance(one: Patch, other: Patch) -> float:
    """MSS between renders of two patches in dB, at equal loudness."""
    host = open_host()
    return EqualLoudnessMss([host.render(other, NOTE)], SAMPLE_RATE).measure([host.render(one, NOTE)])[0]


def closest(patch: Patch, kind: str) -> tuple[float, Patch]:
    """The explanation of one kind by a single LFO that sounds most like a patch, and its MSS in dB."""
    found = [other for name, other in explained(patch, NOTE) if name == kind and len(lfos(other)) == 1]
    return min(((distance(one, patch), one) for one in found), key=lambda pair: pair[0])


def test_without_a_modulator_there_is_nothing_to_explain() -> None:
    assert not list(explained(VOICE, NOTE))
    assert not list(explained(VOICE.with_settings({"lfo1destination": "filter", "lfo1amount": 0.0}), NOTE))


def test_two_lfos_that_add_up_to_a_saw_are_one() -> None:
    fast = with_lfo(VOICE, "lfo1", "osc1", 4.0, 0.2, waveform="saw")
    both = with_lfo(fast, "lfo2", "osc1", 2.0, -0.2, waveform="rectangle")
    mss, one = closest(both, "explained osc1")
    (on,) = lfos(one)
    wanted = with_lfo(VOICE, on, "osc1", 2.0, 0.4, waveform="saw")
    assert one.choice(f"{on}waveform") == "saw"
    assert one[f"{on}rate"] == pytest.approx(wanted[f"{on}rate"], abs=0.01)
    assert one[f"{on}amount"] == pytest.approx(wanted[f"{on}amount"], abs=0.01)
    _, still = next(iter(explained(both, NOTE)))
    assert mss < 0.4 * distance(still, both)


def test_an_lfo_takes_the_place_of_the_editor() -> None:
    steps = [0.0, 0.0, 1.0, 1.0] * 8
    drawn = VOICE.with_settings(
        {"envelopeeditordest1": "filter", "envelopeeditorspeed": "x2", "envelopeeditoramount": 0.3}
    ).with_extra(lines(steps))
    mss, one = closest(drawn, "explained filter")
    assert one.choice("envelopeeditordest1") == "off"
    assert mss < 2.5


@pytest.mark.parametrize("destination", ["filter", "osc1", "pulse width"])
def test_without_its_modulation_a_destination_keeps_its_mean(destination: str) -> None:
    moved = with_lfo(VOICE.with_knobs({"osc1pw": 0.5}), "lfo1", destination, 10.0 / 3.0, 0.2)
    kind, still = next(iter(explained(moved, NOTE)))
    assert kind == f"explained {destination}"
    assert still.choice("lfo1destination") == "off"
    if destination == "filter":
        assert log8(still["cutoff"]) == pytest.approx(log8(VOICE["cutoff"]), abs=0.02)
    if destination == "pulse width":
        assert still["osc1pw"] == pytest.approx(0.5, abs=0.02)
    if destination == "osc1":
        assert still.index("osc1tune") == VOICE.index("osc1tune")
        assert still["osc1finetune"] == pytest.approx(0.5, abs=0.1)


def test_an_lfo_that_something_else_needs_is_not_taken() -> None:
    panned = with_lfo(VOICE, "lfo2", "pan", 1.0, 0.5)
    both = with_lfo(panned, "lfo1", "filter", 5.0, 0.3)
    for _, patch in explained(both, NOTE):
        assert patch.choice("lfo2destination") == "pan"
