"""Fitting finds corrections that are there, goes on where it stopped, and refuses what does not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from benchmarks.__main__ import main as benchmarks
from proxy.__main__ import main
from proxy.fitting.fit import Example, Examples, Fit, distances_of
from proxy.fitting.settings import Settings
from proxy.synth.corrections import FACTORS, Corrections
from proxy.synth.play import play
from proxy.synth.weights import load_corrections
from render.errors import FileError, FormatError, OutOfRange
from render.measures.golden import read_rows
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note

NOTE = Note(48, 100, 0.1, 0.2)
PATCHES = [TABLE.patch({"osc1volume": 0.5 + 0.1 * k, "osc3volume": 0.0, "cutoff": 0.7}) for k in range(4)]


def louder() -> Corrections:
    corrections = Corrections()
    with torch.no_grad():
        corrections.log_factors[FACTORS.index("osc1 gain")] = 0.2
    return corrections


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of golden renders by a synthesizer whose first oscillator is louder."""
    folder = tmp_path_factory.mktemp("golden")
    base = TABLE.default
    (folder / "base_patch.json").write_text(json.dumps(dict(base.diff(base))))
    lines = []
    for number, patch in enumerate(PATCHES):
        audio = play(patch, NOTE, louder())
        soundfile.write(folder / f"one-{number}.flac", audio[0], SAMPLE_RATE, subtype="PCM_24")
        changes = {name: knobs[1] for name, knobs in base.diff(patch).items()}
        row = {
            "file": f"one-{number}.flac", "group": "osc1", "note": 48, "velocity": 100, "gate_seconds": 0.1,
            "seconds": 0.2, "gain": 1.0, "peak": float(np.abs(audio).max()), "channels": 1, "floor_mss": 0.0,
            "changes": changes,
        }  # fmt: skip
        lines.append(json.dumps(row))
    (folder / "probes.jsonl").write_text("\n".join(lines))
    return folder


def examples(golden: Path, settings: Settings) -> Examples:
    return Examples(read_rows(golden), None, settings)


def test_a_fit_finds_the_gain_that_is_missing(golden: Path) -> None:
    settings = Settings(steps=10, items=4, part=4, rate=0.03)
    fit = Fit(examples(golden, settings), settings)
    list(fit.steps())
    assert float(fit.corrections.factor("osc1 gain").detach()) > 1.01
    # The knobs' curves may take a part of it: what counts is the sound.
    row = read_rows(golden)[0]
    levels = [np.abs(audio).mean() for audio in (row.audio(), play(row.patch, row.note, fit.corrections))]
    assert levels[1] / levels[0] == pytest.approx(1.0, abs=0.1)  # 0.82 before


def test_an_interrupted_fit_goes_on_as_if_nothing_had_happened(golden: Path, tmp_path: Path) -> None:
    settings = Settings(steps=4, items=2, part=2, rate=0.01)
    whole, first, second = (Fit(examples(golden, settings), settings) for _ in range(3))
    list(whole.steps())
    for done in first.steps():
        if done["step"] == 2:
            break
    first.save(tmp_path / "checkpoint.safetensors")
    second.resume(tmp_path / "checkpoint.safetensors")
    assert [done["step"] for done in second.steps()] == [3, 4]
    for expected, found in zip(whole.corrections.parameters(), second.corrections.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_checkpoints_of_other_fits_are_refused(golden: Path, tmp_path: Path) -> None:
    settings = Settings(steps=1, items=2, part=2)
    fit = Fit(examples(golden, settings), settings)
    list(fit.steps())
    path = tmp_path / "checkpoint.safetensors"
    fit.save(path)
    other = Settings(steps=2, items=2, part=2)
    with pytest.raises(FormatError, match="settings"):
        Fit(examples(golden, other), other).resume(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FormatError, match="holds no fit checkpoint"):
        fit.resume(path)
    with pytest.raises(FileError, match="cannot read"):
        fit.resume(tmp_path / "none")


def test_distances_do_not_depend_on_the_company() -> None:
    sounds = [Example(patch, NOTE, play(patch, NOTE, louder())) for patch in PATCHES]
    short = Example(PATCHES[0], NOTE, sounds[0].audio[:, :6000])
    together = distances_of([*sounds, short], None)
    alone = torch.cat([distances_of([one], None) for one in (*sounds, short)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)


def test_a_render_that_breaks_is_passed_over(golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(examples: list[Example], corrections: Corrections) -> torch.Tensor:
        distances = distances_of(examples, corrections)
        return torch.cat([distances[:1] * torch.nan, distances[1:]])

    monkeypatch.setattr("proxy.fitting.fit.distances_of", broken)
    settings = Settings(steps=1, items=2, part=2)
    fit = Fit(examples(golden, settings), settings)
    (done,) = fit.steps()
    assert done["lost"] == 1
    assert all(bool(one.isfinite().all()) for one in fit.corrections.parameters())


def test_nothing_to_fit_to_and_impossible_settings_are_refused(golden: Path) -> None:
    with pytest.raises(FileError, match="nothing to fit to"):
        Examples([], None, Settings())
    for wrong in ({"steps": 0}, {"items": 0}, {"golden_share": 1.5}):
        with pytest.raises(OutOfRange):
            Settings(**wrong)


def test_the_fit_command_writes_weights_log_and_verdict(
    golden: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new"
    command = ["fit", "--golden", str(golden), "--out", str(out), "--steps", "8", "--items", "4"]
    command += ["--rate", "0.03"]
    assert main(command) == 0
    said = [json.loads(line) for line in (out / "fit.jsonl").read_text().splitlines()]
    assert [line["step"] for line in said if "step" in line] == list(range(1, 9))
    assert said[-1]["held_out"] == "blocks"
    assert said[-1]["after"] < said[-1]["before"]
    assert "closer" in capsys.readouterr().out
    assert float(load_corrections(out / "corrections.safetensors").factor("osc1 gain").detach()) > 1.0


def test_the_fidelity_command_prints_the_shared_table(golden: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmarks(["proxy-fidelity", "--golden", str(golden), "--untrained"]) == 0
    title, line, *_ = capsys.readouterr().out.splitlines()
    assert title.split()[:3] == ["group", "count", "MSS"]
    assert line.split()[:2] == ["osc1", "4"]


def test_a_missing_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmarks(["proxy-fidelity", "--golden", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("benchmarks: no golden rows")


def test_help_needs_no_torch() -> None:
    code = "import sys\nfrom proxy.__main__ import main\ntry: main(['fit', '--help'])\nexcept SystemExit: pass\n"
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=Path(__file__).parents[2])
