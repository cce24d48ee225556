"""The command's own time, with a program that only pretends to be it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.product import startup
from render.errors import HostError

needs_shell = pytest.mark.skipif(os.name == "nt", reason="the program is a shell script")


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(program))
    return program


@needs_shell
def test_the_first_result_and_the_prompt_are_timed(pretend: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretend.write_text('#!/bin/sh\nsleep 0.2\necho {} > "$5/bass.json"\nsleep 0.3\n')
    pretend.chmod(0o755)
    first, end = startup.timed(Path("bass.wav"), 1.0)
    assert 0.2 <= first.seconds <= end.seconds - 0.25
    assert main(["startup", "bass.wav", "--seconds", "1"]) == 0
    assert "beside the budget of 1 s" in capsys.readouterr().out


@needs_shell
def test_a_command_that_fails_is_an_error(pretend: Path) -> None:
    pretend.write_text("#!/bin/sh\necho no such clip >&2\nexit 1\n")
    pretend.chmod(0o755)
    with pytest.raises(HostError, match="no such clip"):
        startup.timed(Path("bass.wav"), 1.0)
