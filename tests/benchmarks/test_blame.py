"""Which section costs what: exchanges of sections, distances at the best gain, and the command on the fake host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.common import kept_runs, runs
from benchmarks.common.best_gain import BestGainMss
from benchmarks.common.blame_report import report
from benchmarks.common.blame_row import LEVEL, BlameRow
from benchmarks.common.exchange import EXCHANGED, Part, Played, exchanged
from benchmarks.common.kept_runs import Answer
from benchmarks.common.table import Table
from benchmarks.common.targets import Sound, read_sound, read_sounds
from benchmarks.product.blame import blamed, golden_sounds
from inference.ports import Models
from render.held_out import held_out
from render.instruments.patch import Patch
from render.measures.metrics import mss
from render.noisemaker.editor_curves import steps
from render.noisemaker.pitches import sounding_pitches
from render.noisemaker.table import TABLE
from render.noisemaker.trials import inversynth2, single_modulations
from render.noisemaker.trials.sections import JOINED, SECTIONS, TUNING
from render.note import SAMPLE_RATE, Note
from tests.paths import GOLDEN, needs_golden
from tests.scale_host import ScaleHost

NOTE = Note(60, 100, 0.4, 0.5)
OPTIONS = {"where": "embedded", "seconds": 1.0, "renders": None, "steps": None, "seed": 0, "workers": 1}


def random_patch(seed: int) -> Patch:
    rng = np.random.default_rng(seed)
    return TABLE.patch(dict(zip(TABLE.names, rng.random(len(TABLE.names)), strict=True)), steps([0.2, 0.9, 0.4]))


def test_every_parameter_that_can_be_heard_is_in_one_section() -> None:
    named = [name for names in SECTIONS.values() for name in names]
    assert sorted(named) == sorted(row.name for row in TABLE.parameters if not row.silent and row is not TABLE.level)
    assert set(SECTIONS) > {"oscillators", "filter", "filter envelope", "amp envelope", "LFO 1", "LFO 2", "AD", "delay"}
    assert all(name in SECTIONS for names in JOINED.values() for name in names)


@pytest.mark.parametrize("key", [60, 72, 67])
def test_all_sections_together_are_the_whole_other_sound(key: int) -> None:
    base = Played(random_patch(1).with_settings({"transpose": "0"}), NOTE, 0.02)
    other = Played(random_patch(2).with_settings({"transpose": "0"}), Note(key, 90, 0.3, 0.5))
    whole = base
    for section in EXCHANGED:
        whole = exchanged(whole, other, section)
    heard = [row.name for row in TABLE.parameters if not row.silent and row is not TABLE.level]
    assert {name for name in whole.patch.diff(other.patch) if name in heard} == set()
    assert whole.patch.extra == other.patch.extra
    assert (whole.note.number, whole.note.velocity) == (key, 90)
    assert whole.note.gate_seconds == pytest.approx(0.3 + base.lead_seconds)


def test_choices_and_knobs_add_up_to_the_section() -> None:
    base, other = Played(random_patch(1), NOTE), Played(random_patch(2), NOTE)
    for section in SECTIONS:
        whole = exchanged(base, other, section)
        assert exchanged(exchanged(base, other, section, Part.CHOICES), other, section, Part.KNOBS) == whole
        assert set(base.patch.diff(whole.patch)) <= set(SECTIONS[section])
    choices = exchanged(base, other, "envelope editor", Part.CHOICES)
    assert choices.patch["envelopeeditoramount"] == base.patch["envelopeeditoramount"]


def test_a_key_that_the_transposition_takes_up_is_no_mistake_of_the_tuning() -> None:
    true = Played(TABLE.patch().with_settings({"transpose": "0", "keyfollow": 0.5}), NOTE)
    found = Played(true.patch.with_settings({"transpose": "+12"}), replace(NOTE, number=48))
    assert exchanged(true, found, TUNING) == true
    assert exchanged(found, true, TUNING) == found
    moved = exchanged(true, found, "note")
    assert moved.note.number == 48
    assert sounding_pitches(moved.patch, 48)[0] == sounding_pitches(true.patch, 60)[0]


def test_a_key_that_nothing_takes_up_comes_with_the_tuning() -> None:
    true = Played(TABLE.patch().with_settings({"osc1tune": "0"}), NOTE)
    found = Played(true.patch.with_settings({"osc1tune": "-7"}), replace(NOTE, number=67))
    tuned = exchanged(true, found, TUNING)
    assert (tuned.note.number, tuned.patch.choice("osc1tune")) == (67, "-7")
    assert exchanged(true, found, "note") == true


def test_the_best_gain_is_found_and_takes_nothing_from_the_timbre() -> None:
    host, patch = ScaleHost(), TABLE.patch({"volume": 0.5, "cutoff": 0.4})
    audio = host.render(patch, NOTE)
    target = BestGainMss(audio, SAMPLE_RATE)
    distance, gain = target.measure(audio * np.float32(0.25))
    assert distance < 0.02
    assert gain == pytest.approx(12.04, abs=0.05)
    other = host.render(patch.with_knobs({"cutoff": 0.9}), NOTE) * np.float32(3.0)
    distance, gain = target.measure(other)
    around = [mss(audio, other * np.float32(10.0 ** ((gain + off) / 20.0)), SAMPLE_RATE) for off in (-2, -0.5, 0.5, 2)]
    assert distance == pytest.approx(mss(audio, other * np.float32(10.0 ** (gain / 20.0)), SAMPLE_RATE), abs=1e-3)
    assert distance <= min(around)
    assert target.measure(np.zeros_like(audio))[1] == 0.0


def test_the_section_that_is_wrong_is_blamed() -> None:
    host = ScaleHost()
    true = TABLE.patch({"volume": 0.5, "cutoff": 0.2, "ampdecay": 0.3, "chorus1enable": 1.0})
    found = true.with_knobs({"volume": 0.9, "cutoff": 0.9})
    sound = Sound("factory", "one", host.render(true, NOTE, seed=1), NOTE, true)
    note = replace(NOTE, seconds=0.45)
    answer = Answer(Played(found, note), 0.0, note.n_samples, (1.0, 50, 0), OPTIONS)
    rows = {row.section: row for row in blamed(sound, answer, host, BlameRow("factory", "one", LEVEL, "fake"))}
    assert list(rows) == [*EXCHANGED, *JOINED, LEVEL]
    gap = rows["filter"].found - rows["filter"].floor  # type: ignore[operator]
    assert gap > 1.0
    assert rows["filter"].costs == pytest.approx(gap, abs=0.2)
    assert rows["filter"].saves == pytest.approx(gap, abs=0.2)
    assert rows["filter"].costs_choices == 0.0
    assert rows["filter"].costs_knobs == rows["filter"].costs
    assert rows["filter and its envelope"].costs == rows["filter"].costs
    others = [row for name, row in rows.items() if not name.startswith("filter") and name not in ("gate", LEVEL)]
    assert all(row.costs == row.saves == 0.0 for row in others)
    assert rows["gate"].costs == 0.0
    assert rows["gate"].costs_choices is None
    assert rows[LEVEL].path == f"filter:{rows['filter'].floor:.3f}"
    assert rows[LEVEL].level_db is not None
    assert rows[LEVEL].level_db > 3.0
    assert rows[LEVEL].costs > 1.0 < rows[LEVEL].saves  # type: ignore[operator]


def made(target: str, costs: dict[str, float]) -> list[BlameRow]:
    blank = BlameRow("factory", target, "", "embedded", "60 s", 0, 2, "a machine", 1.0, 3.0, 0.0, 0.0)
    blank = replace(blank, seconds=60.0, renders=1000, steps=900)
    rows = [replace(blank, section=name, costs=costs.get(name, 0.0)) for name in (*EXCHANGED, *JOINED, LEVEL)]
    return [*rows[:-1], replace(rows[-1], path="filter:3.5;LFO 1:3.2;AD:2.0")]


def test_the_report_ranks_sections_and_lists_runs() -> None:
    rows = [
        *made("one", {"filter": 3.0, "LFO 1": 1.0, "all modulators": 1.0}),
        *made("two", {"filter": 1.0, "AD": -0.5}),
    ]
    text = report([*rows, BlameRow("factory", "three", LEVEL, "embedded", "60 s", status="lost")], each=True)
    lines = text.splitlines()
    assert lines[0] == "## factory, 60 s, host embedded, seed 0"
    assert "2 runs; MSS at the best gain: found 3.00 dB" in lines[2]
    table = [line.split(" | ")[:4] for line in lines if line.startswith("| ")]
    assert table[1] == ["| filter", "80%", "2.00", "2.00"]
    assert table[2] == ["| LFO 1", "20%", "0.50", "0.50"]
    assert "| all modulators | 0.50 |" in text
    assert "| dB farther than the found sound, median | +0.50 | +0.20 | -1.00 | -1.00 |" in text
    assert "Closer than the found sound by 0.1 dB after 3, 3 sections." in text
    assert "* one: found 3.00, floor 1.00; filter 3.00 (saves 0.00), LFO 1 1.00" in text
    assert "* three failed: lost" in text
    assert "* one" not in report(rows)
    assert report([]) == "no rows"


def test_runs_are_made_kept_resumed_and_read(
    fake_hosts: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kept_runs, "load_models", lambda options: Models())
    monkeypatch.setattr(single_modulations, "NOTE", Note(48, 100, 0.2, 0.3))
    out, csv = tmp_path / "runs", tmp_path / "rows.csv"
    command = ["blame", "--set", "single", "--known-note", "--count", "1", "--workers", "1", "--csv", str(csv)]
    budget = ["--renders", "40", "--steps", "10", "--out", str(out)]
    assert main([*command, *budget]) == 0
    printed = capsys.readouterr().out
    assert "## single, 40 renders, 10 steps, host embedded, seed 0" in printed
    assert (out / "LFO on filter, 0.5 Hz.json").is_file()
    rows = Table(BlameRow, csv).rows
    assert [row.section for row in rows] == [*EXCHANGED, *JOINED, LEVEL]
    assert {row.status for row in rows} == {"ok"}
    assert all(row.renders is not None and 0 < row.renders < 60 for row in rows)

    def broken(*arguments: object, **named: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(runs, "refine", broken)
    before = csv.read_bytes()
    assert main([*command, *budget]) == 0
    assert csv.read_bytes() == before
    csv.unlink()
    assert main([*command, "--records", str(out)]) == 0
    assert [(r.section, r.costs, r.budget) for r in Table(BlameRow, csv).rows] == [
        (r.section, r.costs, r.budget) for r in rows
    ]
    capsys.readouterr()
    assert main(["blame", "--report-only", "--csv", str(csv)]) == 0
    assert "| section | share |" in capsys.readouterr().out
    assert main(["blame", "--set", "single", "--count", "2", "--records", str(out)]) == 0
    assert "LFO on filter, 2 Hz failed: cannot read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(["--out", "x"], "--golden DIR"), ([], "one of --out"), (["--out", "x", "--records", "x"], "one of --out")],
)
def test_what_is_missing_is_one_line(
    fake_hosts: None, wrong: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["blame", *wrong]) == 1
    assert said in capsys.readouterr().err


@needs_golden
def test_golden_rows_are_held_out_or_not() -> None:
    names = {flag: [s.name for s in golden_sounds(GOLDEN, 5, held_out_rows=flag)] for flag in (False, True)}
    assert len(names[False]) == len(names[True]) == 5
    assert not set(names[False]) & set(names[True])
    assert all(sound.patch is not None for sound in golden_sounds(GOLDEN, 1, held_out_rows=False))
    assert held_out("P3")


def test_the_protocol_of_inversynth2_is_drawn_from_its_grid() -> None:
    patches = [inversynth2.draw(index) for index in range(40)]
    assert patches == [inversynth2.draw(index) for index in range(40)]
    assert len(set(patches)) == 40
    for name, values in inversynth2.GRID.items():
        drawn = {patch[name] for patch in patches}
        assert drawn <= set(values)
        assert len(drawn) >= min(len(values), 8) - 1
    for name, choices in inversynth2.DESTINATIONS.items():
        assert {patch.choice(name) for patch in patches} == set(choices)
    for patch in patches:
        assert (patch["osc1volume"], patch["osc2volume"], patch["osc3volume"]) == (0.8, 0.8, 0.0)
        assert patch.sounds("lfo1rate")
        assert patch.sounds("osc1pw") == (patch.choice("lfo1destination") == "pulse width")
        assert not any(patch[row.name] != row.off for row in TABLE.parameters if row.role == "effect")


def test_draws_off_the_grid_stay_in_its_range() -> None:
    patches = [inversynth2.draw(index, off_grid=True) for index in range(20)]
    assert not set(patches) & {inversynth2.draw(index) for index in range(20)}
    for name in ("cutoff", "lfo1rate", "lfo2amount"):
        values = inversynth2.GRID[name]
        drawn = [patch[name] for patch in patches]
        assert min(values) <= min(drawn) < max(drawn) <= max(values)
        assert not set(drawn) & set(values)
    assert len({patch.index("osc2tune") for patch in patches}) > 9


def test_single_modulations_have_the_rates_that_they_are_called_by() -> None:
    named = dict(single_modulations.single_modulations())
    assert len(named) == 4 * len(single_modulations.RATES_HZ) + 2
    for name, patch in named.items():
        if name.startswith("LFO"):
            assert f"{patch.setting('lfo1rate'):g} Hz" in name
            assert patch.sounds("lfo1rate")
    assert named["detuned pair"].setting("osc2finetune") == pytest.approx(0.1)
    assert named["filter sweep"].sounds("filterdecay")


def test_sets_that_are_played_tell_the_gate_with_the_note(fake_hosts: None) -> None:
    sounds = read_sounds(["inversynth2", "inversynth2-off", "single"], 2, ScaleHost())
    assert [sound.set for sound in sounds] == ["inversynth2"] * 2 + ["inversynth2-off"] * 2 + ["single"] * 2
    assert len({(sound.set, sound.name) for sound in sounds}) == 6
    assert sounds[0].note == Note(70, 127, 0.9, 1.0)
    known, _ = read_sound(sounds[0], known_note=True)
    assert (known.note.number, known.note.velocity, known.note.gate_seconds) == (70, 127, 0.9)
    assert known.gate_fixed
    estimated, _ = read_sound(sounds[0])
    assert not estimated.gate_fixed
