"""Standard streams that are closed, full, or of another encoding end no program."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from inference import cli
from render.errors import FileError
from render.streams import guarded_streams
from tests.paths import ROOT

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def unread() -> io.TextIOWrapper:
    """A pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return open(writing, "w", encoding="utf-8")


@needs_full
@pytest.mark.parametrize("kind", ["full", "unread"])
def test_what_cannot_be_written_is_an_error_once_or_dropped(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = [FULL.open("w") if kind == "full" else unread() for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    with guarded_streams():
        print("x" * 100_000, file=sys.stderr)
        sys.stderr.flush()
        with pytest.raises(FileError, match="cannot write to standard output: "):
            print("x" * 100_000)
        print("and more")
    assert [sys.stdout, sys.stderr] == streams
    for stream in streams:
        stream.close()  # Python would complain here if it still had something to write


@needs_full
def test_the_command_says_that_its_answer_did_not_arrive(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_run", lambda *_: print("an answer") or 0)
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert cli.main(["clip.wav"]) == 1
    assert capsys.readouterr().err == "refine: cannot write to standard output: No space left on device\n"


def test_characters_that_an_encoding_lacks_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", plain)
    with guarded_streams():
        print("C\u266f")
    assert plain.buffer.getvalue() == b"C\\u266f\n"


@pytest.mark.skipif(os.name == "nt", reason="streams are closed as a shell on Unix does")
def test_nothing_else_gets_the_number_of_a_stream_that_is_closed(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys; from render.streams import guarded_streams\n"
        "with guarded_streams(), open('found', 'w') as found:\n"
        "    print('to nobody'); print('to nobody', file=sys.stderr)\n"
        "    child = subprocess.run([sys.executable, '-c', 'import os; os.fstat(1); os.fstat(2)'])\n"
        "    print(found.fileno(), child.returncode, file=found)"
    )
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code]
    subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    number, code_of_child = (tmp_path / "found").read_text().split()
    assert int(number) > 2
    assert code_of_child == "0"
