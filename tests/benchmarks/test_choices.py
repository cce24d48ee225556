"""Balanced accuracies of the choices of a proposal."""

import pytest

from benchmarks.__main__ import main
from benchmarks.hearing.choices import AUDIBLE, MATTERS, compared, table
from render.instruments.patch import Patch
from render.noisemaker.table import TABLE

PLAIN = TABLE.default.with_settings({"osc1waveform": "saw", "osc2waveform": "sine", "filtertype": "LP 12"}).with_knobs(
    {"osc1volume": 0.8, "osc2volume": 0.0, "cutoff": 0.4}
)
BUSY = PLAIN.with_knobs({"osc2volume": 0.5, "osc2fm": 0.5, "lfo1amount": 0.8}).with_settings(
    {"lfo1destination": "osc1", "envelopeeditordest1": "ring mod"}
)


def everything(_: Patch) -> float:
    """All parts matter."""
    return MATTERS


def nothing(_: Patch) -> float:
    """No part is audible."""
    return 0.5 * AUDIBLE


def test_the_true_patch_is_right_in_everything() -> None:
    answers = list(compared(BUSY, BUSY, everything, everything))
    assert {question for question, _, _ in answers} == {
        "waveform",
        "filter type",
        "FM",
        "ring modulation",
        "sync",
        "LFO destination",
        "editor destination",
    }
    assert all(right for _, _, right in answers)
    assert ("FM", "on", True) in answers
    assert ("ring modulation", "on", True) in answers  # by the envelope editor alone
    assert ("sync", "off", True) in answers


def test_what_does_not_matter_does_not_count() -> None:
    answers = list(compared(BUSY, PLAIN, nothing, nothing))
    assert answers == [("sync", "off", True)]


def test_inaudible_parts_of_a_proposal_are_off() -> None:
    assert ("FM", "off", True) in compared(PLAIN, BUSY, everything, nothing)
    assert ("FM", "off", False) in compared(PLAIN, BUSY, everything, everything)


def test_each_oscillator_of_the_proposal_counts_once() -> None:
    twins = PLAIN.with_knobs({"osc2volume": 0.8}).with_settings({"osc2waveform": "saw"})
    right = [found for question, _, found in compared(twins, PLAIN, everything, everything) if question == "waveform"]
    assert right == [True, False]


def test_either_lfo_may_have_the_destination() -> None:
    other = BUSY.with_settings({"lfo1destination": "off", "lfo2destination": "osc1"})
    assert ("LFO destination", "osc1", True) in compared(BUSY, other, everything, everything)
    assert ("LFO destination", "osc1", False) in compared(BUSY, PLAIN, everything, everything)


def test_the_table_has_means_of_recalls() -> None:
    text = table([("sync", "on", True), *[("sync", "off", found) for found in (True, True, False, False)]])
    assert text.splitlines()[1].split()[:5] == ["sync", "75%", "50%", "80%", "5"]


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["choices", "--draws", "1", "--guesses", "2", "--workers", "1"]) == 0
    assert "1 draws, 2 proposals; 0 failed" in capsys.readouterr().out
