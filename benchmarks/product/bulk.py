"""Many clips in one command: their time beyond the sum of their budgets, and their results when the command is killed.

First a folder of clips is refined with a budget in seconds each. Then another one, with a few renders each, is refined
by a command that is killed repeatedly (SIGKILL, each time after some more clips) and started again. Results that were
finished before a kill must be unchanged at the end, and all other clips must be finished too. The bars are
100 clips at 5 % (``--count 100 --seconds 60``) and 1,000 clips with ten kills (``--killed-count 1000 --kills 10``); the
defaults are small.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from benchmarks.common.table import machine
from benchmarks.common.targets import check_counts
from inference.match import Ended
from inference.output.names import RECORD_SUFFIX
from render.audio import write_wav
from render.errors import HostError
from render.instruments.host import EMBEDDED
from render.note import SAMPLE_RATE, Note

_LOOK_SECONDS = 0.02
_LOWEST_NOTE, _KEYS = 40, 40
_CLIP_SECONDS = 0.4

Finished = Mapping[Path, tuple[int, str]]
"""Records of finished clips: when they were written, in nanoseconds, and a digest of what is in them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--count", type=int, default=4, help="clips with a budget in seconds (default: 4)")
    parser.add_argument("--seconds", type=float, default=10.0, help="budget of each of them (default: 10)")
    parser.add_argument("--killed-count", type=int, default=6, help="clips of the command that is killed (default: 6)")
    parser.add_argument("--kills", type=int, default=2, help="how often it is killed (default: 2)")
    parser.add_argument("--renders", type=int, default=4, help="renders for each of its clips (default: 4)")
    parser.add_argument("--jobs", type=int, default=1, help="clips at a time (default: 1)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--plugin", default=EMBEDDED, metavar="PATH|embedded")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    check_counts(arguments, "count", "killed_count", "kills", "renders", "jobs", "workers")
    print(machine())
    shared = ["--jobs", str(arguments.jobs), "--workers", str(arguments.workers), "--plugin", arguments.plugin]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        budget = ["--seconds", str(arguments.seconds), *shared]
        seconds = _seconds(_command(make_clips(folder / "timed", arguments.count), folder / "timed-out", budget))
        whole = arguments.count * arguments.seconds / arguments.jobs
        print(
            f"{arguments.count} clips of {arguments.seconds:g} s, {arguments.jobs} at a time: {seconds:.1f} s, "
            f"{seconds / whole - 1.0:+.1%} over their budgets (bar: 5 % with 100 clips)"
        )
        clips, out = make_clips(folder / "killed", arguments.killed_count), folder / "killed-out"
        few = ["--renders", str(arguments.renders), "--stages", "search", "--formats", "none", *shared]
        began = time.monotonic()
        lost, again, left_over = killed(
            _command(clips, out, few), out, count=arguments.killed_count, kills=arguments.kills, say=print
        )
        print(
            f"{arguments.killed_count} clips, killed {arguments.kills} times: {lost} lost, {again} done twice, "
            f"{left_over} left-over files, {time.monotonic() - began:.1f} s (bar: 0, 0 and 0 with 1,000 clips and 10)"
        )
    return 0 if lost == again == left_over == 0 else 1


def make_clips(folder: Path, count: int) -> Path:
    """Make a folder of different short sounds, and return it.

    Args:
        folder: folder to make.
        count: number of clips.
    """
    folder.mkdir(parents=True)
    time_seconds = np.arange(round(_CLIP_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    for number in range(count):
        hertz = Note(_LOWEST_NOTE + number % _KEYS).frequency_hz
        partials = sum(np.sin(2.0 * np.pi * k * hertz * time_seconds) / k for k in range(1, 3 + number // _KEYS % 20))
        audio = 0.2 * partials * np.exp(-time_seconds * (2.0 + number % 7))
        write_wav(folder / f"{number:04d}.wav", np.array([audio], np.float32))
    return folder


def killed(
    command: list[str], out: Path, *, count: int, kills: int, say: Callable[[str], None]
) -> tuple[int, int, int]:
    """Run a command that is killed several times, after equal numbers of clips, then once to its end.

    Args:
        command: the command.
        out: folder of its results.
        count: number of its clips.
        kills: number of kills.
        say: called with messages for the user.

    Returns:
        Clips without a finished result, finished results that were written again, and files that should not be there.
    """
    before: Finished = {}
    again = 0
    for kill in range(1, kills + 1):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wanted = count * kill // (kills + 1)
        while process.poll() is None and _n_records(out) < wanted:
            time.sleep(_LOOK_SECONDS)
        process.kill()
        process.wait()
        now = finished(out)
        again += rewritten(before, now)
        before = now
        say(f"  kill {kill}: {len(now)} of {count} finished")
    _seconds(command)
    now = finished(out)
    again += rewritten(before, now)
    names = {path.name.partition(".")[0] for path in now}
    left_over = [path for path in out.iterdir() if path.name.partition(".")[0] not in {*names, "summary"}]
    with (out / "summary.csv").open(newline="", encoding="utf-8") as stream:
        listed = sum(row["state"] == Ended.FINISHED for row in csv.DictReader(stream))
    return count - min(len(now), listed), again, len(left_over)


def finished(out: Path) -> Finished:
    """The records of finished clips in a folder of results."""
    found = {}
    for path in out.glob(f"*{RECORD_SUFFIX}"):
        content = path.read_bytes()
        if json.loads(content).get("ended") == Ended.FINISHED:
            found[path] = path.stat().st_mtime_ns, hashlib.sha256(content).hexdigest()
    return found


def rewritten(before: Finished, now: Finished) -> int:
    """How many finished records are gone, or were written again."""
    return sum(now.get(path) != stamp for path, stamp in before.items())


def _n_records(out: Path) -> int:
    return sum(1 for _ in out.glob(f"*{RECORD_SUFFIX}")) if out.is_dir() else 0


def _command(clips: Path, out: Path, options: list[str]) -> list[str]:
    return [sys.executable, "-m", "inference.cli", str(clips), "--out", str(out), "--quiet", *options]


def _seconds(command: list[str]) -> float:
    """Seconds that a command takes; raises ``HostError`` if it fails."""
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise HostError(f"refine ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return time.monotonic() - began
