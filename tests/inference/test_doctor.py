"""``refine doctor``: one screen, whatever is broken."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inference.cli import main
from inference.command import doctor
from inference.command.doctor import Finding, State, examine
from proxy.synth.calibrations import Calibration, save_calibration
from proxy.synth.weights import load_corrections
from tests.paths import ROOT

CALIBRATION = Calibration("TAL-NoiseMaker", "1.0.1 (VST3)", 300, 100, (0.52, 0.41), (0.021, 0.018), 0.77, True)


def run_doctor(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> tuple[int, dict[str, Any], str]:
    command = [sys.executable, "-P", "-m", "inference.cli", "doctor", "--json", *arguments]
    variables = os.environ | {"PYTHONPATH": str(ROOT)} | (env or {})
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=400, check=False)
    return done.returncode, json.loads(done.stdout), done.stderr


def of(data: dict[str, Any], what: str) -> list[dict[str, str]]:
    return [finding for finding in data["findings"] if finding["what"] == what]


def test_a_machine_that_works_is_said_to_work(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    kept = tmp_path_factory.mktemp("data") / "synth-reconstruct" / "calibrations"
    save_calibration(kept / "a.safetensors", load_corrections(), CALIBRATION)
    (kept / "b.safetensors").write_bytes(b"half a file")
    code, data, error = run_doctor("--plugin", "embedded", cwd=tmp_path, env={"XDG_DATA_HOME": str(kept.parents[1])})
    assert (code, data["ok"], error) == (0, True, "")
    assert "will be used" in of(data, "host")[0]["text"]
    assert {"Python", "packages", "cores", "memory", "GPU", "cache", "results", "proxy", "models"} <= {
        finding["what"] for finding in data["findings"]
    }
    good, damaged = of(data, "calibration")
    assert (good["state"], good["text"]) == ("ok", f"TAL-NoiseMaker 1.0.1 (VST3): {CALIBRATION.sentence()}")
    assert damaged["state"] == "note"
    assert "the shipped corrections are used" in damaged["text"]
    assert len(data["findings"]) < 24  # one screen
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="links and limits as on POSIX systems")
def test_when_half_of_it_is_broken_the_rest_is_said(tmp_path: Path) -> None:
    broken = tmp_path / "site"
    (broken / "dawdreamer").mkdir(parents=True)
    (broken / "dawdreamer" / "__init__.py").write_text("import os\nprint('a library talks')\nos.abort()\n")
    (broken / "torch").mkdir()
    (broken / "torch" / "__init__.py").write_text("raise ImportError('libtorch.so: cannot open shared object file')\n")
    (tmp_path / "refined").write_text("not a folder")
    (tmp_path / "doctor").write_text("a clip")
    (tmp_path / "signal.py").write_text("raise SystemExit('code of the current folder')")
    env = {"PYTHONPATH": os.pathsep.join((str(broken), str(ROOT))), "XDG_CACHE_HOME": "/dev/null/cache"}
    code, data, error = run_doctor(cwd=tmp_path, env=env)
    assert (code, data["ok"], error) == (1, False, "")
    wrong = {finding["what"]: finding["text"] for finding in data["findings"] if finding["state"] == "wrong"}
    assert wrong.keys() == {"results", "host", "models"}
    assert "choosing a host ended with -6" in wrong["host"]
    assert "libtorch.so" in wrong["models"]
    assert "./doctor" in of(data, "clip")[0]["text"]
    assert "compiled anew by every run" in of(data, "cache")[0]["text"]
    assert of(data, "Python")[0]["state"] == "ok"


def test_a_check_that_fails_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> Any:
        raise ZeroDivisionError("no such thing")

    monkeypatch.setattr(doctor, "_CHECKS", (("memory", broken), ("GPU", doctor._gpu)))
    works = lambda name, argument="": contextlib.nullcontext(lambda: [Finding(name, State.GOOD, f"{argument} works")])  # noqa: E731
    monkeypatch.setattr(doctor, "_trial", works)
    assert examine("x") == [
        Finding("memory", State.WRONG, "cannot be examined: ZeroDivisionError: no such thing"),
        *doctor._gpu(),
        Finding("host", State.GOOD, "x works"),
        Finding("models", State.GOOD, " works"),
    ]
    assert main(["doctor"]) == 1
    assert "1 of 4 checks found something wrong: memory" in capsys.readouterr().out


def test_a_trial_that_hangs_is_said_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_SECONDS_PER_TRIAL", 0.01)
    with doctor._trial("host") as findings:
        (found,) = findings()
    assert (found.what, found.state) == ("host", State.WRONG)
    assert "took too long" in found.text


def test_a_clip_called_doctor_can_be_refined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "doctor").write_text("no audio")
    monkeypatch.chdir(tmp_path)
    assert main(["./doctor", "--quiet", "--plugin", "embedded", "--note", "60"]) == 1
    assert "doctor is not an audio file" in capsys.readouterr().err


def test_the_name_of_a_requirement() -> None:
    names = [doctor._name_of(line) for line in ("torch==2.11.*", "numpy>=2.0", "a-b [c] >1; x", "rich (>=13)")]
    assert names == ["torch", "numpy", "a-b", "rich"]
