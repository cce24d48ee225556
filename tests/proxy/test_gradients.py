"""The measurement of gradient truth, with the proxy itself as the host: it must agree with itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.parts import slopes as gradients
from benchmarks.parts.slopes import STEP, Case, Slope, audible, cases, has_slope, slopes, table, write_slopes
from proxy.synth.controls import SEARCHED
from proxy.synth.play import play
from render.audio import Audio
from render.instruments.patch import Patch
from render.noisemaker.table import TABLE
from render.note import Note

PATCH = TABLE.patch({"osc1volume": 0.6, "osc3volume": 0.4, "cutoff": 0.6, "resonance": 0.3, "amprelease": 0.3})
NOTE = Note(48, 100, 0.15, 0.25)
TARGET = PATCH.with_knobs({"osc1volume": 0.15, "cutoff": 0.5, "osc3volume": 0.6})


def host(patch: Patch, note: Note, seed: int) -> Audio:
    return play(patch, note)


def test_a_host_that_is_the_proxy_agrees() -> None:
    found = slopes(Case(0, PATCH, NOTE, play(TARGET, NOTE)), host)
    by_name = {slope.knob: slope for slope in found}
    assert set(by_name) <= set(audible(PATCH))
    for name in ("osc1volume", "osc3volume", "cutoff"):
        assert by_name[name].counts
        assert by_name[name].agrees
        assert by_name[name].proxy == pytest.approx(by_name[name].host, rel=0.3)
    assert "osc2volume" not in by_name  # stands at 0, where a sound begins


def test_a_host_that_turns_a_knob_the_other_way_does_not() -> None:
    def turned(patch: Patch, note: Note, seed: int) -> Audio:
        return play(patch.with_knobs({"cutoff": 1.2 - patch["cutoff"]}), note)

    found = slopes(Case(0, PATCH, NOTE, play(TARGET, NOTE)), turned)
    assert not next(slope for slope in found if slope.knob == "cutoff").agrees


def test_unrest_of_the_host_hides_small_changes() -> None:
    def restless(patch: Patch, note: Note, seed: int) -> Audio:
        return play(patch, note) * (1.0 + 10.0 * seed)

    found = slopes(Case(0, PATCH, NOTE, play(TARGET, NOTE)), restless)
    assert not any(slope.counts for slope in found)


def test_off_positions_have_no_slope() -> None:
    assert not has_slope("cutoff", 0.0)
    assert not has_slope("cutoff", 1.0 - STEP / 2.0)
    assert not has_slope("filtercontour", 0.5)
    assert has_slope("cutoff", 0.5)
    assert has_slope("filtercontour", 0.5 + 2.0 * STEP)


def test_cases_are_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "refusal", lambda audio: None)
    monkeypatch.setattr(gradients, "SECONDS", 0.1)
    first, again = (list(islice(cases(host, 2), 2)) for _ in range(2))
    assert [case.patch for case in first] == [case.patch for case in again]
    assert [case.number for case in first] == [0, 1]
    assert (first[0].target == again[0].target).all()


def test_the_table_counts_signs_of_what_exceeds_the_floor(tmp_path: Path) -> None:
    right = Slope(0, "cutoff", proxy=2.0, host=1.0, change=0.1, floor=0.01)
    wrong = replace(right, case=1, proxy=-2.0)
    small = replace(right, case=2, change=0.001)
    searched = replace(right, knob="delaytime", proxy=-1.0)
    lines = {line.split()[0]: line.split() for line in table([right, wrong, small, searched])}
    assert lines["cutoff"] == ["cutoff", "3", "2", "50%", "2.00"]
    assert lines["delaytime"][-1] == "searched"
    assert lines["all"] == ["all", "descended", "3", "2", "50%", "2.00"]
    write_slopes([right, searched], tmp_path / "slopes.csv")
    assert (tmp_path / "slopes.csv").read_text().splitlines()[1] == "0,cutoff,2,1,0.1,0.01"


def test_what_is_searched_is_in_the_table_of_the_instrument() -> None:
    assert set(TABLE.names) >= SEARCHED
