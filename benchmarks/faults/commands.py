"""Running the real ``refine`` as a person does, and seeing how it ends and what it leaves."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import soundfile

from benchmarks.faults.rows import Count
from inference.output.record import read_record
from render.audio import write_wav
from render.errors import ReconstructError
from render.hosts.processes import ENDING_SIGNALS
from render.noisemaker.presets import read_programs
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE

ROOT = Path(__file__).resolve().parents[2]
SECONDS_PER_RUN = 600.0
"""A run that takes longer is a hang: some ten seconds of work on a machine that may be very busy."""

QUICK = ("--stages", "search", "--workers", "1", "--note", "57", "--plugin", "embedded")
"""Options of a run that takes a few seconds."""

_ORPHAN_SECONDS = 30.0  # a killed process needs a core to end, and on a busy machine it waits for one
_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: exit code, negative for the number of a signal.
        said: what it printed on standard error.
        hung: whether it had to be killed.
        orphans: ends of the command lines of the processes that it left behind.
        peak_mib: largest memory of one of its processes in MiB.
    """

    code: int
    said: str
    hung: bool
    orphans: tuple[str, ...]
    peak_mib: float

    @property
    def explained(self) -> bool:
        """Whether it succeeded, or explained in one line why not."""
        return self.code == 0 or (self.code == 1 and len(self.said.strip().splitlines()) == 1)

    def count(self, total: Count, what: str) -> None:
        """Add what can be wrong with the end of any command."""
        total.cases += 1
        total.orphans += len(self.orphans)
        total.peak_mib = max(total.peak_mib, self.peak_mib)
        if self.orphans:
            total.failures.append(f"{what} left {', '.join(self.orphans)}")
        if self.hung:
            total.hang(f"{what}: {self.said[-200:]}")
        elif "Traceback" in self.said or -self.code in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
            total.trace(f"{what}: exit code {self.code}: {self.said[-250:]}")


class Command:
    """A command that runs in a session of its own.

    Args:
        arguments: arguments of ``refine``, or of ``program``.
        cwd: current folder.
        env: environment variables that differ; None takes one away.
        prepare: called in the child before the program starts, for limits.
        wrapper: command that the program is started by, such as ``unshare``.
        program: the command itself.
    """

    def __init__(
        self,
        arguments: Sequence[object],
        *,
        cwd: Path,
        env: Mapping[str, str | None] | None = None,
        prepare: Callable[[], None] | None = None,
        wrapper: Sequence[str] = (),
        program: Sequence[str] = (sys.executable, "-P", "-m", "inference.cli"),
    ) -> None:
        variables = os.environ | {"PYTHONPATH": str(ROOT)} | dict(env or {})
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [*wrapper, *program, *(os.fsencode(one) if isinstance(one, Path) else str(one) for one in arguments)],
            cwd=cwd,
            env={name: value for name, value in variables.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,
            preexec_fn=functools.partial(_prepared, _priority(), prepare),
        )

    @property
    def pid(self) -> int:
        """Number of the process, and of its session."""
        return self.process.pid

    def workers(self) -> list[int]:
        """Processes that run in its session, beside itself."""
        return [pid for pid in processes_of(self.pid) if pid != self.pid and b"spawn_main" in _command_line(pid)]

    def running(self) -> bool:
        """Whether it has not ended."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def wait_for(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Wait for its end, for some seconds, or for a condition."""
        end = time.monotonic() + seconds
        while self.running() and time.monotonic() < end and not until():
            time.sleep(_LOOK_SECONDS)

    def kill(self) -> None:
        """Send it SIGKILL; unlike that of ``Popen`` this does not collect a process that has ended already."""
        os.kill(self.pid, signal.SIGKILL)

    def end(self, seconds: float = SECONDS_PER_RUN) -> Ended:
        """Wait for its end, kill it after some seconds, and look for what it leaves."""
        self.wait_for(seconds)
        hung = self.running()
        if hung:
            self.kill()
        _, status, usage = os.wait4(self.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        patience = time.monotonic() + _ORPHAN_SECONDS
        while (left := processes_of(self.pid)) and time.monotonic() < patience:
            time.sleep(_LOOK_SECONDS)
        names = [_command_line(pid).replace(b"\0", b" ").decode("utf-8", "replace")[-60:] for pid in left]
        for pid in left:
            kill(pid)
        self._said.seek(0)
        said = self._said.read().decode("utf-8", "replace")
        self._said.close()
        orphans = () if hung else tuple(names)
        return Ended(self.process.returncode, said, hung, orphans, usage.ru_maxrss / 1024.0)


def _priority() -> bytes:
    """Niceness of this session's group, which Linux does not hand on to new sessions; empty where there is none."""
    try:
        _, _, niceness = Path("/proc/self/autogroup").read_bytes().rpartition(b" ")
    except OSError:
        return b""
    return niceness.strip()


def _prepared(priority: bytes, prepare: Callable[[], None] | None) -> None:
    """Runs in the child: gives it the priority of this session, and then what ``prepare`` sets."""
    for number in ENDING_SIGNALS:  # a campaign under ``nohup`` ignores some, and its commands would too
        signal.signal(number, signal.SIG_DFL)
    if priority:
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_bytes(priority)
    if prepare is not None:
        prepare()


def processes_of(session: int) -> list[int]:
    """Processes of a session that run; those that only wait to be collected do not."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, of_session = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[:4]
            except (OSError, ValueError):
                continue
            if int(of_session) == session and state != "Z":
                found.append(int(entry.name))
    return found


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def kill(pid: int) -> None:
    """Send SIGKILL to a process, which may be gone already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def write_clip(path: Path, choose: random.Random) -> Path:
    """A clip of 0.6 s: a decaying tone at A3 with random partials."""
    seconds = np.arange(round(0.6 * SAMPLE_RATE)) / SAMPLE_RATE
    wave = sum(choose.random() / k * np.sin(2.0 * np.pi * 220.0 * k * seconds) for k in range(1, 9))
    held = np.where(seconds < 0.4, 1.0, np.exp((0.4 - seconds) / 0.03))
    write_wav(path, (0.3 * wave * np.exp(-choose.uniform(0.0, 6.0) * seconds) * held).astype(np.float32)[None])
    return path


def cases(line: str, part: int, seed: int, count: int) -> Iterator[tuple[int, random.Random, Path]]:
    """The cases of a part: the number of each, the source of its choices, and a folder that is removed afterwards.

    Args:
        line: name of the line.
        part: number of the part.
        seed: seed of the campaign.
        count: number of cases of every part.
    """
    for number in range(part * count, (part + 1) * count):
        with tempfile.TemporaryDirectory() as name:
            yield number, random.Random(f"{line} {seed} {number}"), Path(name)


def problem_of(folder: Path, stem: str, *, killed: bool = False) -> str | None:
    """What is wrong with the results of a clip; None if they are there and whole.

    Args:
        folder: folder of the results.
        stem: stem of their names.
        killed: whether the run may have been killed between two files, when temporary ones may be left.
    """
    try:
        record = read_record(folder / f"{stem}.json")
        for files in record["files"]:
            for kind, path in files.items():
                if not Path(path).is_file() or Path(path).stat().st_size == 0:
                    return f"no {kind}: {path}"
        (program,) = read_programs(record["files"][0]["preset"])
        audio, _ = soundfile.read(record["files"][0]["match"])
        page = Path(record["files"][0]["report"]).read_text("utf-8")
    except (ReconstructError, OSError, soundfile.SoundFileError, ValueError, KeyError) as error:
        return f"results that cannot be read: {error}"
    if dict(zip(TABLE.names, program.patch.knobs, strict=True)) != record["best"]["knobs"] and not killed:
        return "the preset is not that of the record"
    if not np.isfinite(audio).all() or not page.rstrip().endswith("</html>"):
        return "a broken match or report"
    if not killed and (left := [path.name for path in folder.glob(".*")]):
        return f"temporary files are left: {left}"
    return None


def failure_of(ended: Ended, folder: Path, stem: str, *, killed: bool = False) -> str | None:
    """What is wrong with a run that had to finish with whole results; see ``problem_of``."""
    if ended.code != 0:
        return f"exit code {ended.code}: {ended.said[-200:]}"
    return problem_of(folder, stem, killed=killed)


def mss_of(folder: Path, stem: str) -> float:
    """Distance of the best so far, in dB."""
    return float(read_record(folder / f"{stem}.json")["best"]["distance"]["mss"])


def visible(folder: Path) -> list[str]:
    """Names of the files in a folder that may not be there yet; hidden ones do not count."""
    return sorted(path.name for path in folder.glob("[!.]*")) if folder.is_dir() else []


def records(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The stem and the content of every record in a folder."""
    for path in sorted(folder.glob("*.json")):
        yield path.stem, json.loads(path.read_text("utf-8"))
