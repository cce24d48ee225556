"""Locks and --no-effects."""

from __future__ import annotations

import pytest

from inference.constraints import Constraints
from render.errors import OutOfRange, UnknownName
from render.noisemaker.table import TABLE


def test_locks_are_knobs_units_or_choices() -> None:
    locked = Constraints.parse(TABLE, ["cutoff=0.25", "delaytime=1500ms", "osc1waveform=Pulse", "osc1tune=-7"]).locked
    patch = TABLE.patch(locked)
    assert locked["cutoff"] == 0.25
    assert patch.setting("delaytime") == pytest.approx(1.5)
    assert (patch.choice("osc1waveform"), patch.choice("osc1tune")) == ("pulse", "-7")


def test_a_bare_name_keeps_the_start() -> None:
    start = TABLE.patch({"resonance": 0.123456789})
    assert Constraints.parse(TABLE, ["resonance"], start=start).locked == {"resonance": 0.123456789}
    assert Constraints.parse(TABLE, ["resonance"]).locked == {"resonance": 0.0}


def test_applying_is_bit_equal_and_locked_knobs_are_not_free() -> None:
    constraints = Constraints.parse(TABLE, ["cutoff=0.1", "filtertype=Moog 24"])
    patch = constraints.apply(TABLE.patch({"cutoff": 0.9, "resonance": 0.4}))
    assert (patch["cutoff"], patch["resonance"]) == (0.1, 0.4)
    assert not {"cutoff", "filtertype"} & set(constraints.free(TABLE))
    assert "resonance" in constraints.free(TABLE)


def test_what_can_never_be_heard_is_not_free() -> None:
    assert {"portamento", "voices", "pitchwheelpitch"}.isdisjoint(Constraints().free(TABLE))
    without_delay = Constraints.parse(TABLE, ["delaywet=0", "lfo1destination=off"]).free(TABLE)
    assert {"delaytime", "delayfeedback", "lfo1rate", "lfo1amount"}.isdisjoint(without_delay)
    assert "lfo2rate" in without_delay


def test_no_effects_locks_every_effect_off() -> None:
    start = TABLE.patch({"reverbwet": 0.7, "chorus1enable": 1.0, "delaywet": 0.5, "delaytime": 0.3})
    constraints = Constraints.parse(TABLE, [], no_effects=True, start=start)
    patch = constraints.apply(start)
    assert (patch["reverbwet"], patch["delaywet"]) == (0.0, 0.0)
    assert patch.choice("chorus1enable") == patch.choice("chorus2enable") == "off"
    groups = {row.group for row in TABLE.parameters if row.name in constraints.free(TABLE)}
    assert groups.isdisjoint({"reverb", "delay", "chorus"})


@pytest.mark.parametrize(
    ("locks", "error", "says"),
    [
        (["cutof=1"], UnknownName, "cutof"),
        (["cutof"], UnknownName, "cutof"),
        (["cutoff=1.5"], OutOfRange, "0 to 1"),
        (["cutoff=99kHz"], OutOfRange, "22"),
        (["cutoff=loud"], OutOfRange, "Hz"),
        (["cutoff="], OutOfRange, "cutoff"),
        (["cutoff=nan"], OutOfRange, "0 to 1"),
        (["osc1waveform=sine"], UnknownName, "saw, pulse, noise"),
        (["cutoff=0.5", "cutoff=0.6"], OutOfRange, "given before"),
    ],
)
def test_wrong_locks_are_refused(locks: list[str], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Constraints.parse(TABLE, locks)


def test_effects_on_and_off_at_once_are_refused() -> None:
    with pytest.raises(OutOfRange, match="no-effects"):
        Constraints.parse(TABLE, ["reverbwet=0.5"], no_effects=True)
