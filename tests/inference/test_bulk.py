"""Many clips: several at a time, on one page and in one table, continued where they were left."""

from __future__ import annotations

import contextlib
import csv
import errno
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import soundfile

from inference.cli import main
from inference.command.batch import Batch
from inference.command.console import Console, duration, sparkline
from inference.command.crew import Errand, Outcome, on_this_machine, run_errand
from inference.command.jobs import Job, in_groups
from inference.options import Options
from inference.output.names import ResultFiles
from inference.output.overview import COLUMNS, overview_path, write_overview
from render.noisemaker.instrument import NOISEMAKER
from tests.inference.test_target import tone

SHORT = ["--renders", "4", "--stages", "search", "--note", "60", "--plugin", "embedded", "--formats", "none"]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for number, hertz in enumerate((220.0, 330.0, 440.0)):
        soundfile.write(folder / f"clip {number}.wav", tone(0.3, hertz), 44100)
    (folder / "bad.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_clips_are_refined_side_by_side_and_listed(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main([str(clips), "--out", str(out), "--jobs", "2", "--workers", "2", *SHORT, "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert sorted(Path(record["clip"]).name for record in printed["results"]) == [f"clip {k}.wav" for k in range(3)]
    assert [Path(failure["clip"]).name for failure in printed["failures"]] == ["bad.wav"]
    rows = rows_of(out / "summary.csv")
    assert tuple(rows[0]) == COLUMNS
    assert {Path(row["clip"]).name: row["state"] for row in rows} == {
        "clip 0.wav": "finished",
        "clip 1.wav": "finished",
        "clip 2.wav": "finished",
        "bad.wav": "failed",
    }
    page = (out / "summary.html").read_text("utf-8")
    players = re.findall(r'<audio[^>]* src="([^"]+)"', page)
    assert len(players) == 6
    assert "../clips/clip%200.wav" in players
    assert "3 of 4 clips have a match" in page


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as on Unix")
def test_a_batch_that_is_killed_is_continued(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("bad.wav", "clip 2.wav"):
        (clips / name).unlink()
    command = [sys.executable, "-m", "inference.cli", str(clips), "--out", str(out), "--jobs", "2", *SHORT]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120.0
    while not list(out.glob("clip*.json")) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = {path: path.stat().st_mtime_ns for path in out.glob("clip*.json")
            if json.loads(path.read_text())["ended"] == "finished"}  # fmt: skip
    again = subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True)
    assert again.stderr.count("done already") == len(done)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert len(list(out.glob("clip*.json"))) == 2


class Dying(Executor):
    """Loses so many errands of each clip before it does one.

    Args:
        losses: how many.
    """

    def __init__(self, losses: int) -> None:
        self.losses, self.submitted = losses, Counter[str]()

    def submit(self, work: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        name = arguments[0].jobs[0].clip.name
        self.submitted[name] += 1
        if self.submitted[name] > self.losses:
            future.set_result(Outcome(error=f"{name} is no clip"))
        else:
            future.set_exception(BrokenProcessPool("a process died"))
        return future


@pytest.mark.parametrize(("losses", "tries"), [(1, 2), (100, 3)])
def test_a_clip_whose_process_dies_is_tried_again(losses: int, tries: int, tmp_path: Path) -> None:
    dying, clips = Dying(losses), [tmp_path / "a.wav", tmp_path / "b.wav"]
    jobs = [Job(clip, ResultFiles(tmp_path / "out", clip.stem)) for clip in clips]
    batch = Batch(in_groups(jobs, Options(NOISEMAKER), together=False), Console(quiet=True))
    batch.run_on(contextlib.nullcontext((dying, lambda: None)), 1, 1)
    assert dying.submitted == {clip.name: tries for clip in clips}
    says = "is no clip" if tries > losses else "its process was lost"
    assert [says in failure["error"] for failure in batch.failures] == [True, True]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as on Unix")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM] if sys.platform != "win32" else [])
def test_a_process_that_ends_is_replaced(number: signal.Signals) -> None:
    with on_this_machine(1) as (executor, _):
        first = executor.submit(os.getpid).result()
        os.kill(first, number)
        until, second = time.monotonic() + 60.0, first
        while second == first and time.monotonic() < until:
            with contextlib.suppress(BrokenProcessPool):
                second = executor.submit(os.getpid).result()
            time.sleep(0.05)
        assert second != first


class Ending:
    """Stands in for the event that asks the processes of a command to end."""

    def __init__(self, is_set: bool) -> None:
        self.is_set = lambda: is_set


@pytest.mark.parametrize(("ending", "signals"), [(True, []), (False, [15]), (True, [1])])
def test_an_errand_that_waits_when_the_command_is_asked_to_end_does_not_begin(
    ending: bool, signals: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.command.crew._ending", Ending(ending))
    monkeypatch.setattr("inference.command.crew._asked", signals)
    monkeypatch.setattr("inference.command.crew._exit_soon", lambda: None)
    (group,) = in_groups(
        [Job(tmp_path / "missing.wav", ResultFiles(tmp_path / "out", "missing"))],
        Options(NOISEMAKER, stages=("search",)),
        together=False,
    )
    assert run_errand(Errand.of(group, 1)) == Outcome(interrupted=True)


def test_a_system_without_shared_memory_is_one_line(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("multiprocessing.synchronize._multiprocessing.SemLock", refuse)
    assert main([str(clips), "--out", str(tmp_path / "out"), "--jobs", "2", *SHORT, "--quiet"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "need shared memory: Read-only file system" in said


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="needs the package distributed")
@pytest.mark.filterwarnings("default")
def test_clips_are_refined_on_a_dask_cluster(clips: Path, tmp_path: Path) -> None:
    import distributed

    out = tmp_path / "out"
    (clips / "bad.wav").unlink()
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, scheduler_port=0
    ) as cluster:
        arguments = ["--scheduler", cluster.scheduler_address, "--workers", "1", *SHORT, "--quiet"]
        assert main([str(clips), "--out", str(out), *arguments]) == 0
    assert len(rows_of(out / "summary.csv")) == 3


def test_a_scheduler_that_does_not_answer_is_one_line(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("render.hosts.cluster._SECONDS_TO_CONNECT", 0.2)
    assert main([str(clips), "--out", str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:9", *SHORT]) == 1
    assert "no Dask scheduler answers" in capsys.readouterr().err


RECORD: dict[str, Any] = {
    "clip": "a <b>.wav",
    "clip_path": "/music/a <b>.wav",
    "ended": "finished",
    "error": "",
    "best": {
        "distance": {"mss": 2.3456, "lsd": 5.0},
        "note": {"number": 60, "velocity": 100, "gate_seconds": 0.5, "seconds": 1.0, "chord": []},
    },
    "files": [{"preset": "/out/a.p", "report": "/out/a.html", "match": "/out/a.match.wav"}],
    "note": 60,
    "pitched": True,
    "seconds": 1.0,
    "renders": 3,
}


class Balanced(HTMLParser):
    """Counts what is open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_says_what_is_left(tmp_path: Path) -> None:
    page, table = write_overview(tmp_path, [RECORD], [{"clip": "c.wav", "error": "it & that"}], ["d.wav"])
    text = page.read_text("utf-8")
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert "a &lt;b&gt;.wav" in text
    assert "it &amp; that" in text
    assert [row["state"] for row in rows_of(table)] == ["finished", "failed", "not started"]
    assert rows_of(table)[0]["mss"] == "2.346"


def test_somebodys_own_summary_stays(tmp_path: Path) -> None:
    (tmp_path / "summary.csv").write_text("my,own,table\n")
    assert overview_path(tmp_path, ".csv") == tmp_path / "summary-2.csv"
    _, table = write_overview(tmp_path, [RECORD], [])
    assert table == tmp_path / "summary-2.csv"
    assert write_overview(tmp_path, [RECORD, RECORD], [])[1] == table  # our own is replaced
    assert (tmp_path / "summary.csv").read_text() == "my,own,table\n"


def test_a_failed_run_with_a_match_has_one_row(tmp_path: Path) -> None:
    record = RECORD | {"ended": "failed", "error": "search failed: it broke"}
    _, table = write_overview(tmp_path, [record], [{"clip": RECORD["clip"], "error": "search failed: it broke"}])
    (row,) = rows_of(table)
    assert (row["state"], row["error"], row["mss"]) == ("failed", "search failed: it broke", "2.346")


def test_progress_is_drawn_in_a_line() -> None:
    assert sparkline([]) == ""
    assert sparkline([1.0]) == "▁"
    assert len(sparkline([float(k) for k in range(100)])) == 24
    assert [duration(seconds) for seconds in (0.4, 99.0, 130.0, 7260.0)] == ["0 s", "99 s", "2 min", "2 h 1 min"]
