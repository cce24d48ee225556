"""Locks, limits and --no-effects."""

from __future__ import annotations

import numpy as np
import pytest

from inference.candidate import Candidate
from inference.constraints import Constraints
from inference.methods import DEFAULT_METHOD, METHODS
from inference.stages.neighbours import neighbours
from inference.stages.search import space_of
from render.errors import OutOfRange, UnknownName
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.table import TABLE
from render.note import Note


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


class TestLimits:
    """A limited parameter stays between two values in every stage."""

    def test_limits_are_read_in_every_form(self) -> None:
        limits = Constraints.parse(TABLE, limits=["resonance=0.2..0.5", "cutoff=200Hz..2kHz", "osc1tune=-12.."]).limits
        assert limits["resonance"] == (0.2, 0.5)
        low, high = (TABLE.parameter("cutoff").setting(knob) for knob in limits["cutoff"])
        assert (low, high) == (pytest.approx(200.0), pytest.approx(2000.0))
        row = TABLE.parameter("osc1tune")
        assert [row.choices[row.index(knob)] for knob in limits["osc1tune"]] == ["-12", "+24"]

    def test_patches_are_brought_within_them(self) -> None:
        constraints = Constraints.parse(TABLE, limits=["resonance=0.2..0.5", "osc1tune=-12..+12"])
        patch = TABLE.patch({"resonance": 0.9, "osc1tune": 0.0})
        assert constraints.apply(patch)["resonance"] == 0.5
        assert constraints.apply(patch).choice("osc1tune") == "-12"
        inside = TABLE.patch({"resonance": 0.3, "osc1tune": 0.5})
        assert constraints.apply(inside) == inside

    @pytest.mark.parametrize(
        "limit",
        ["resonance", "resonance=0.5", "resonance=0.5..0.2", "resonance=0..2", "osc1tune=0..x", "volume=0..0.5"],
    )
    def test_impossible_limits_are_refused(self, limit: str) -> None:
        with pytest.raises((OutOfRange, UnknownName)):
            Constraints.parse(TABLE, limits=[limit])

    def test_a_limit_beside_a_lock_is_refused(self) -> None:
        with pytest.raises(OutOfRange, match="one limit or lock"):
            Constraints.parse(TABLE, ["cutoff=0.5"], limits=["cutoff=0.1..0.2"])

    def test_a_search_space_reaches_to_the_limits_and_no_farther(self) -> None:
        constraints = Constraints.parse(TABLE, limits=["resonance=0.2..0.5", "osc1tune=-12..+12", "cutoff=..1kHz"])
        base = Candidate(constraints.apply(TABLE.patch({"osc1volume": 0.8})), Note(60))
        space = space_of(base, constraints, METHODS[DEFAULT_METHOD][0], gate=False)
        rng = np.random.default_rng(0)
        patches = [space.decode(rng.random(space.size)).patch for _ in range(200)]
        patches += [space.decode(np.full(space.size, end)).patch for end in (0.0, 1.0)]
        assert {patch["resonance"] for patch in patches[-2:]} == {0.2, 0.5}
        assert {patch.choice("osc1tune") for patch in patches[-2:]} == {"-12", "+12"}
        for patch in patches:
            assert constraints.apply(patch) == patch
        assert space.decode(space.encode(base)).patch["resonance"] == pytest.approx(base.patch["resonance"])

    def test_neighbours_stay_within_them(self) -> None:
        constraints = Constraints.parse(TABLE, limits=["osc1finetune=0.45..0.55", "osc1tune=-12..+12"])
        base = Candidate(TABLE.patch({"osc1volume": 0.8, "osc1tune": 0.5}), Note(60))
        found = neighbours(NOISEMAKER, base, constraints, np.random.default_rng(0), gate=False)
        assert all(constraints.apply(candidate.patch) == candidate.patch for candidate in found)
