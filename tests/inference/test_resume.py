"""A resumed run: as its record says, except for what is asked for now; nothing that is asked for is ignored."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile

from inference.cli import main
from inference.clip.focus import Focus
from inference.command.arguments import refine_parser
from inference.command.asked import focus_asked
from inference.command.jobs import Group
from inference.command.resuming import resumed_groups
from inference.constraints import Constraints
from inference.output.record import read_record
from render.errors import FileError
from tests.inference.test_command import toy_clip
from tests.toy import TABLE, TOY

FEW = ("--renders", "8", "--workers", "1", "--quiet")
FOCUS = Focus((0.01, 0.5), (), (50.0, 9000.0))
"""Of the results that are resumed."""

IGNORED = ((0.1, 0.2), (0.3, 0.4))


def toy_synth(name: str, plugin: str | None = None) -> Any:
    return TOY


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("inference.cli", "inference.command.resuming"):
        monkeypatch.setattr(f"{module}.synth", toy_synth)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip, and the results of a run that had options of its own."""
    folder = tmp_path_factory.mktemp("results")
    clip = toy_clip(folder / "a.wav")
    asked = ["--range", "0.01:0.5", "--band", "50:9000", "--lock", "shake=0.25", "--limit", "fade=0.1..0.9"]
    asked += ["--seed", "3", "--no-tidy", "--no-calibration", "--formats", "mid", "--candidates", "2", "--note", "57"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inference.cli.synth", toy_synth)
        assert main([str(clip), "--out", str(folder / "out"), *asked, "--stages", "search", *FEW]) == 0
    return folder


@pytest.fixture
def out(results: Path, tmp_path: Path) -> Path:
    """Such results that a test may change."""
    shutil.copytree(results, tmp_path, dirs_exist_ok=True)
    record = tmp_path / "out" / "a.json"
    record.write_text(record.read_text().replace(str(results), str(tmp_path)))
    return tmp_path / "out"


def resumed(out: Path, *asked: str) -> dict[str, Any]:
    assert main(["--resume", str(out), *asked, *FEW]) == 0
    return read_record(out / "a.json")


def group_of(out: Path, *asked: str) -> Group:
    (group,) = resumed_groups(refine_parser().parse_args(["--resume", str(out), *asked, *FEW]))
    return group


def test_what_is_not_asked_for_is_as_in_the_record(out: Path) -> None:
    first = read_record(out / "a.json")
    second = resumed(out)
    for name in ("span_seconds", "ignored_seconds", "band_hz", "noise", "note", "gate_fixed", "instrument", "identity"):
        assert second[name] == first[name], name
    changed = {"renders", "rounds"}
    kept = {name: value for name, value in first["options"].items() if name not in changed}
    assert kept == {name: value for name, value in second["options"].items() if name not in changed}
    assert (first["options"]["seed"], first["options"]["formats"]) == (3, ["mid"])
    assert second["best"]["distance"]["mss"] <= first["best"]["distance"]["mss"] + 1e-9
    assert not list(out.glob("*.fxp"))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["--range", "0.02:0.4"], {"focus": Focus((0.02, 0.4), (), (50.0, 9000.0))}),
        (["--ignore", "0.1:0.2", "--ignore", "0.3:0.4"], {"focus": replace(FOCUS, ignored_seconds=IGNORED)}),
        (["--band", "100:3000"], {"focus": Focus((0.01, 0.5), (), (100.0, 3000.0))}),
        (["--noise"], {"focus": replace(FOCUS, noise=True)}),
        (["--note", "58"], {"note": 58}),
        (["--velocity", "70"], {"velocity": 70}),
        (["--gate", "0.3"], {"gate_seconds": 0.3}),
    ],
)
def test_how_the_clip_is_read_can_be_changed(asked: list[str], expected: dict[str, Any], out: Path) -> None:
    (before,), (after,) = group_of(out).jobs, group_of(out, *asked).jobs
    assert after == replace(before, **expected)
    assert after != before
    assert group_of(out, *asked).identity != group_of(out).identity == read_record(out / "a.json")["identity"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["--seed", "5"], {"seed": 5}),
        (["--candidates", "1"], {"candidates": 1}),
        (["--candidates", "3"], {"candidates": 3}),
        (["--stages", "guess,search"], {"stages": ("guess", "search")}),
        (["--guess", "regression"], {"guess": "regression"}),
        (["--formats", "none"], {"formats": ()}),
        (["--class-id", "0" * 32], {"class_id": "0" * 32}),
        (["--lock", "shape=saw"], {"constraints": Constraints({"shake": 0.25, "shape": 1.0}, {"fade": (0.1, 0.9)})}),
        (["--lock", "fade=0.5"], {"constraints": Constraints({"shake": 0.25, "fade": 0.5})}),
        (["--limit", "shake=0..0.2"], {"constraints": Constraints({}, {"fade": (0.1, 0.9), "shake": (0.0, 0.2)})}),
        (["--no-effects"], {"constraints": Constraints({"shake": 0.0}, {"fade": (0.1, 0.9)})}),
    ],
)
def test_how_it_is_searched_can_be_changed(asked: list[str], expected: dict[str, Any], out: Path) -> None:
    before, after = group_of(out), group_of(out, *asked)
    assert after.options == replace(before.options, **expected)
    assert after.options != before.options
    assert after.identity != before.identity


def test_what_was_found_is_measured_anew_and_keeps_to_new_locks(out: Path) -> None:
    first = read_record(out / "a.json")
    second = resumed(out, "--band", "100:3000", "--lock", "colour=0.9", "--limit", "fade=0.2..0.3")
    assert (second["band_hz"], second["span_seconds"]) == ([100.0, 3000.0], [0.01, 0.5])
    assert second["stages"][0]["distance"] != first["stages"][-1]["distance"]
    assert any("below 100 Hz, above 3000 Hz" in notice for notice in second["notices"])
    for candidate in second["candidates"]:
        assert (candidate["knobs"]["shake"], candidate["knobs"]["colour"]) == (0.25, 0.9)
        assert 0.2 <= candidate["knobs"]["fade"] <= 0.3


def test_a_lock_without_a_value_keeps_that_of_the_best_match(out: Path) -> None:
    best = read_record(out / "a.json")["best"]["knobs"]
    moved = next(name for name in ("colour", "shape", "octave", "loud") if best[name] != TABLE.default[name])
    assert group_of(out, "--lock", moved).options.constraints.locked[moved] == best[moved]


def test_a_preset_to_start_from_is_remembered(out: Path, tmp_path: Path) -> None:
    preset = tmp_path / "mine.toy"
    knobs = dict(zip(TABLE.names, TABLE.default.knobs, strict=True)) | {"colour": 0.123}
    preset.write_text(json.dumps({"name": "mine", "knobs": knobs}))
    record = resumed(out, "--start", str(preset))
    assert record["options"]["start"]["knobs"] == knobs
    assert group_of(out).options.start == TABLE.patch(knobs)


@pytest.mark.parametrize("asked", [["--out", "elsewhere"], ["--together"]])
def test_what_a_resumed_run_cannot_do_is_refused(
    asked: list[str], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_record(out / "a.json")
    assert main(["--resume", str(out), *asked, "--renders", "8"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert asked[0] in said
    assert read_record(out / "a.json") == before


def test_the_same_folder_may_be_named(out: Path) -> None:
    assert group_of(out, "--out", str(out)) == group_of(out)


def test_another_synth_is_refused(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "inference.command.resuming.synth",
        lambda name, plugin=None: TOY if name == "toy" else replace(TOY, name=name),
    )
    assert main(["--resume", str(out), "--synth", "vital", "--renders", "8"]) == 2
    assert "--synth" in capsys.readouterr().err
    assert group_of(out, "--synth", "toy") == group_of(out)


def test_further_candidates_replace_no_file_of_another_kind(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign = out / "a.3.match.wav"
    foreign.write_bytes(b"mine")
    assert main(["--resume", str(out), "--candidates", "3", "--renders", "8"]) == 1
    assert "a.3.match.wav is not a result of a.wav" in capsys.readouterr().err
    assert foreign.read_bytes() == b"mine"


def test_several_results_go_on_with_the_same_budget_too(tmp_path: Path) -> None:
    clips = [str(toy_clip(tmp_path / f"{name}.wav", colour)) for name, colour in (("a", 0.2), ("b", 0.8))]
    out = tmp_path / "out"
    command = [*clips, "--out", str(out), "--note", "57", "--stages", "search", *FEW]
    assert main(command) == 0
    assert main(["--resume", str(out), *FEW]) == 0
    records = [read_record(out / f"{name}.json") for name in "ab"]
    assert [record["options"]["rounds"] for record in records] == [1, 1]
    assert main(command) == 0  # which is done: what it asked for is there, and better
    assert [read_record(out / f"{name}.json") for name in "ab"] == records


def test_a_plug_in_that_is_gone_is_replaced_by_the_usual_host_and_said(out: Path) -> None:
    record = read_record(out / "a.json")
    record["options"]["where"] = "/gone/Toy.vst3"
    (out / "a.json").write_text(json.dumps(record))
    said: list[str] = []
    (group,) = resumed_groups(refine_parser().parse_args(["--resume", str(out)]), say=said.append)
    assert group.options.where == "embedded"
    assert said == ["/gone/Toy.vst3 is gone: the host is embedded now"]


def test_the_clip_must_be_there(out: Path, tmp_path: Path) -> None:
    arguments = refine_parser().parse_args(["--resume", str(out)])
    (tmp_path / "a.wav").unlink()
    with pytest.raises(FileError, match="is gone"):
        resumed_groups(arguments)


def test_a_part_of_the_focus_can_be_taken_back() -> None:
    was = Focus((0.5, 2.0), ((1.0, 1.1),), (80.0, 5000.0), noise=True)
    asked = focus_asked(refine_parser().parse_args(["--no-noise", "--band", ":"]), was)
    assert asked == Focus((0.5, 2.0), ((1.0, 1.1),), (0.0, 22050.0), noise=False)
    assert focus_asked(refine_parser().parse_args([]), was) == was


def test_later_constraints_count_for_what_both_name() -> None:
    was = Constraints({"cutoff": 0.1, "resonance": 0.2}, {"volume": (0.0, 0.5), "tune": (0.1, 0.2)})
    now = Constraints({"volume": 0.3}, {"cutoff": (0.2, 0.4)})
    both = was.replaced_by(now)
    assert both.locked == {"resonance": 0.2, "volume": 0.3}
    assert both.limits == {"tune": (0.1, 0.2), "cutoff": (0.2, 0.4)}
    assert was.replaced_by(Constraints()) == was


def test_the_first_match_is_not_lost_when_the_range_cannot_be_used(out: Path) -> None:
    before = read_record(out / "a.json")
    assert main(["--resume", str(out), "--range", "7:8", "--renders", "8", "--quiet"]) == 1
    assert read_record(out / "a.json") == before
    assert soundfile.info(out / "a.match.wav").frames > 0
