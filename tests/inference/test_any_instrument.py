"""The product works with any instrument, and names none outside of the folders that are one's own."""

from __future__ import annotations

import ast
import json
import os
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.parts.structure import OF_AN_INSTRUMENT, ROOT, literal_texts, parameter_names
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.command.batch import Batch
from inference.command.console import Console
from inference.command.jobs import Job, in_groups
from inference.constraints import Constraints
from inference.evaluate import Evaluator
from inference.judge import Judge
from inference.options import Options
from inference.output.files import suffixes
from inference.output.names import plan_results
from inference.pipeline import refine
from inference.stages.neighbours import crossovers, neighbours
from render.errors import FileError
from render.instruments.instrument import Program
from render.instruments.programs import read_bank
from render.note import SAMPLE_RATE, Note
from tests.toy import TABLE, TOY, ToyHost

NOTE = Note(57, 100, 0.4, 0.6)
TRUE = TABLE.patch({"loud": 0.4, "shape": 1.0, "colour": 0.3, "fade": 0.2})

NAMING = {
    "inference/command/trials.py": "the doctor tries NoiseMaker's hosts, proxy and network",
    "inference/stages/models.py": "which instrument has a network and a proxy",
    "inference/stages/descended.py": "which of NoiseMaker's knobs and curves have a gradient",
    "inference/stages/descender.py": "NoiseMaker's proxy, as the stages use it",
    "inference/stages/proxy_descent.py": "NoiseMaker's proxy, descended on",
    "render/commands/fit_prior.py": "the prior is NoiseMaker's",
    "render/measures/golden.py": "golden renders are NoiseMaker's",
    "render/synths.py": "the registry of synths",
}
"""Product modules outside of the instrument's folder, its proxy and its network that may name it, and why."""


def test_every_patch_that_is_made_from_the_clip_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [TRUE.with_knobs({"fade": round(0.9 - 0.05 * k, 2)}) for k in range(14)]
    instrument = replace(TOY, starts=lambda audio, note: made)
    judged: set[float] = set()
    confirm = Judge.confirm

    def recorded(judge: Judge, candidates: Sequence[Candidate], evaluator: Evaluator) -> bool:
        judged.update(one.patch["fade"] for one in candidates)
        return confirm(judge, candidates, evaluator)

    monkeypatch.setattr(Judge, "confirm", recorded)
    target = Target("toy", ToyHost().render(TRUE, NOTE)[:1], NOTE, True, True, 0.0)
    match = refine([target], Options(instrument, seconds=None, renders=200, workers=1, stages=(), tidy=False))
    assert judged == {patch["fade"] for patch in (*made, TABLE.default)}
    assert match.best[0].candidate.patch["fade"] == 0.25


def test_the_presets_of_a_bank_are_starting_points() -> None:
    target = Target("toy", ToyHost().render(TRUE, NOTE)[:1], NOTE, True, True, 0.0)
    options = Options(TOY, seconds=None, renders=60, workers=1, stages=(), tidy=False)
    bank = (Program("far", TABLE.patch({"shape": 0.5})), Program("near", TRUE))
    assert refine([target], options).best[0].mss > 1.0
    match = refine([target], replace(options, bank=bank))
    assert match.best[0].candidate.origin == "bank"
    assert match.best[0].mss < 0.01
    budget = replace(options, bank=bank * 50)
    assert refine([target], budget).renders <= 60 // 5 + 20


def test_the_presets_of_a_folder_are_a_bank(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    TOY.presets.write_program(tmp_path / "b.toy", Program("b", TRUE))
    TOY.presets.write_program(tmp_path / "more" / "a.toy", Program("a", TABLE.default))
    (tmp_path / "broken.toy").write_text("{}")
    (tmp_path / "notes.txt").write_text("")
    assert [program.name for program in read_bank(TOY, tmp_path)] == ["b", "a"]
    assert read_bank(TOY, tmp_path / "b.toy") == [Program("b", TRUE)]
    (tmp_path / "none").mkdir()
    with pytest.raises(FileError, match=r"no \.toy preset of Toy in .*none"):
        read_bank(TOY, tmp_path / "none")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_file_in_a_folder_of_presets_is_not_waited_for(tmp_path: Path) -> None:
    TOY.presets.write_program(tmp_path / "b.toy", Program("b", TRUE))
    os.mkfifo(tmp_path / "pipe.toy")
    (tmp_path / "folder.toy").mkdir()
    (tmp_path / "link.toy").symlink_to("nowhere")
    (tmp_path / "circle.toy").symlink_to("circle.toy")
    assert [program.name for program in read_bank(TOY, tmp_path)] == ["b"]


def test_from_a_clip_to_a_preset_and_a_report_by_search(tmp_path: Path) -> None:
    clip = tmp_path / "toy clip.wav"
    soundfile.write(clip, ToyHost().render(TRUE, NOTE)[0], SAMPLE_RATE)
    options = Options(
        TOY,
        seconds=None,
        renders=250,
        workers=1,
        candidates=2,
        constraints=Constraints.parse(TABLE, ["octave=0"], no_effects=True),
    )
    (files,) = plan_results([clip], tmp_path / "out", suffixes(TOY), options.candidates)
    batch = Batch(in_groups([Job(clip, files, note=57)], options, together=False), Console(quiet=True))
    batch.run()
    (record,) = batch.records
    assert record["instrument"] == "toy"
    assert [stage["name"] for stage in record["stages"]] == ["start", "search", "tidy"]
    assert any("no model for Toy" in notice for notice in record["notices"])
    assert record["best"]["distance"]["mss"] < 0.7 * record["stages"][0]["distance"]["mss"]
    (program,) = TOY.presets.read_programs(tmp_path / "out" / "toy clip.toy")
    assert dict(zip(TABLE.names, program.patch.knobs, strict=True)) == record["best"]["knobs"]
    for candidate in record["candidates"]:
        assert (candidate["settings"]["octave"], candidate["knobs"]["shake"]) == ("0", 0.0)
    page = (tmp_path / "out" / "toy clip.html").read_text()
    assert "a patch of Toy" in page
    assert "NoiseMaker" not in page
    match, _ = soundfile.read(tmp_path / "out" / "toy clip.match.wav", always_2d=True)
    note = Note.from_data(record["best"]["note"])
    np.testing.assert_array_equal(match.T.astype(np.float32), ToyHost().render(program.patch, note))
    assert json.loads(files.record.read_text()) == record


def test_neighbours_and_crossovers_come_from_the_table() -> None:
    rng = np.random.default_rng(0)
    candidate = Candidate(TRUE, NOTE)
    patches = [c.patch for c in neighbours(TOY, candidate, Constraints(), rng, gate=False)]
    assert {p.choice("shape") for p in patches} == {"sine", "square", "saw"}
    assert {p.choice("octave") for p in patches} == {"-12", "0", "+12"}
    assert {p["shake"] for p in patches} == {0.0, 0.5}
    other = Candidate(TRUE.with_knobs({"fade": 0.9, "shake": 0.5}), NOTE)
    crossed = {tuple(TRUE.diff(c.patch)) for c in crossovers(TOY, candidate, [other], Constraints())}
    assert crossed == {("fade",), ("shake",)}


def test_a_patch_travels_to_another_process_as_a_patch_of_the_same_table() -> None:
    copy = pickle.loads(pickle.dumps(TRUE))
    assert copy == TRUE
    assert copy.table is TABLE


def test_no_product_module_names_noisemaker_or_its_parameters_without_a_reason() -> None:
    found = set()
    for file in sorted(path for package in ("render", "inference") for path in (ROOT / package).rglob("*.py")):
        path = file.relative_to(ROOT).as_posix()
        if path.startswith(OF_AN_INSTRUMENT):
            continue
        nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
        imports = any(isinstance(n, ast.ImportFrom) and (n.module or "").startswith("render.noisemaker") for n in nodes)
        says = any("noisemaker" in text.lower() for text in literal_texts(file))
        if imports or says or (parameter_names(file) and path != "render/instruments/parameter.py"):
            found.add(path)
    assert found == set(NAMING)


@pytest.mark.parametrize("package", ["render", "proxy", "inference", "benchmarks"])
def test_folders_and_files_stay_small(package: str) -> None:
    for folder in (ROOT / package, *(path for path in (ROOT / package).rglob("*") if path.is_dir())):
        modules = [file for file in folder.glob("*.py") if file.name != "__init__.py"]
        assert len(modules) <= 15, folder
