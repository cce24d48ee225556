"""Two commands at the same time never write the same files, and what a killed one left goes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inference.command.arguments import refine_parser
from inference.command.resuming import resumed_groups
from inference.output.claims import Claims
from inference.output.files import suffixes
from inference.output.names import plan_results
from render.errors import FileError
from tests.inference.test_command import toy_batch, toy_clip
from tests.paths import ROOT
from tests.toy import TOY

pytest.importorskip("fcntl", reason="this system has no locks on files")


def planned(clips: list[Path], out: Path, claims: Claims, candidates: int = 1) -> list[str]:
    return [files.stem for files in plan_results(clips, out, suffixes(TOY), candidates, claims)]


def test_clips_of_one_name_get_names_of_their_own_in_runs_at_the_same_time(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Claims() as first, Claims() as second, Claims() as third:
        assert planned([tmp_path / "a.wav"], out, first) == ["a"]
        assert planned([tmp_path / "b" / "a.wav", tmp_path / "c.wav"], out, second) == ["a-2", "c"]
        assert planned([tmp_path / "a.wav"], out, third) == ["a-3"]
    assert list(out.iterdir()) == []
    with Claims() as again:
        assert planned([tmp_path / "a.wav"], out, again) == ["a"]


def test_the_names_of_further_matches_are_claimed_too(tmp_path: Path) -> None:
    with Claims() as first, Claims() as second:
        assert planned([tmp_path / "a.wav"], tmp_path, first, candidates=3) == ["a"]
        assert planned([tmp_path / "a.2.wav"], tmp_path, second) == ["a.2-2"]


def test_what_is_no_claim_of_ours_stays_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".a.lock")
    (tmp_path / ".a-2.lock").mkdir()
    (tmp_path / ".a-3.lock").symlink_to("nowhere")
    (tmp_path / ".a-4.lock").write_text("somebody's own")
    os.mkfifo(tmp_path / "a-5.json")
    before = sorted(tmp_path.iterdir())
    with Claims() as claims:
        assert planned([tmp_path / "clips" / "a.wav"], tmp_path, claims) == ["a-6"]
    assert sorted(tmp_path.iterdir()) == before


def test_more_results_than_files_may_be_open(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from inference.output.claims import Claims\n"
        "limit, hard = resource.RLIMIT_NOFILE, int(sys.argv[2])\n"
        "resource.setrlimit(limit, (40, hard or resource.getrlimit(limit)[1]))\n"
        "print(Claims().claim(Path(sys.argv[1]), [str(k) for k in range(300)]))"
    )
    said = []
    for hard in ("0", "250"):
        command = [sys.executable, "-c", code, tmp_path, hard]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        said.append((done.stdout + done.stderr).splitlines()[-1])
    assert said[0] == "True"
    assert "too many results for one command: 250 files can be open at a time" in said[1]


def test_a_claim_ends_with_its_program_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import os, sys, signal; from pathlib import Path; from inference.output.claims import Claims\n"
        "claims = Claims(); assert claims.claim(Path(sys.argv[1]), ['a'])\n"
        "assert not Claims().claim(Path(sys.argv[1]), ['a'])\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    assert (tmp_path / ".a.lock").exists()
    with Claims() as claims:
        assert claims.claim(tmp_path, ["a"])
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_half_written_goes_and_nothing_else(tmp_path: Path) -> None:
    left = tmp_path / ".a.x1_yz2w3.part"
    others = [tmp_path / name for name in (".b.x1_yz2w3.part", ".a.b.x1_yz2w3.part", ".a.part", "a.part")]
    for folder in (left, *others):
        folder.mkdir()
        (folder / "a.wav").write_text("half")
    with Claims() as claims:
        assert claims.claim(tmp_path, ["a", "a.2"])
        assert not left.exists()
        assert all(other.exists() for other in others)


def test_results_that_another_run_writes_are_not_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.command.resuming.synth", lambda name: TOY)
    clip = toy_clip(tmp_path / "a.wav")
    toy_batch([clip], tmp_path / "out", renders=8).run()
    again = refine_parser().parse_args(["--resume", str(tmp_path / "out"), "--renders", "8"])
    with Claims() as first, Claims() as second:
        assert len(resumed_groups(again, first)) == 1
        with pytest.raises(FileError, match=r"another run is at work on .*a\.json"):
            resumed_groups(again, second)


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot write in"):
        Claims().claim(tmp_path / "file" / "out", ["a"])
