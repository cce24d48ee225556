"""The duration of the command: until the first result is on disk, and until the prompt is back, beside its budget.

The real command runs in a process of its own. On a machine that is busy with other work the seconds say little, so the
processor time of the command (without its workers, Linux only) at both moments is printed too: with idle cores beside
it, the first result cannot be there earlier than that.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.table import machine
from benchmarks.common.targets import check_counts
from inference.output.names import ResultFiles
from render.errors import HostError
from render.instruments.host import EMBEDDED

_LOOK_SECONDS = 0.01


@dataclass(frozen=True)
class Moment:
    """A moment of a run.

    Attributes:
        seconds: since the start of the command.
        processor_seconds: processor time of the command's own process; None if unknown.
    """

    seconds: float
    processor_seconds: float | None

    def __str__(self) -> str:
        used = "" if self.processor_seconds is None else f" ({self.processor_seconds:.2f} s of processor time)"
        return f"{self.seconds:.2f} s{used}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("clip", type=Path, metavar="CLIP", help="audio file to refine")
    parser.add_argument("--seconds", type=float, default=60.0, help="budget (default: 60)")
    parser.add_argument("--count", type=int, default=1, help="number of runs (default: 1)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--plugin", default=EMBEDDED, metavar="PATH|embedded")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    check_counts(arguments, "count", "workers")
    print(machine())
    for _ in range(arguments.count):
        busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        first, end = timed(arguments.clip, arguments.seconds, workers=arguments.workers, plugin=arguments.plugin)
        print(
            f"first result after {first}, prompt after {end}, {end.seconds - arguments.seconds:+.2f} s beside the "
            f"budget of {arguments.seconds:g} s; load before: {busy:.1f}",
            flush=True,
        )
    return 0


def timed(clip: Path, seconds: float, *, workers: int = 2, plugin: str = EMBEDDED) -> tuple[Moment, Moment]:
    """When the first result of a run was on disk, and when the run was over.

    Args:
        clip: audio file.
        seconds: budget.
        workers: worker processes.
        plugin: host.

    Raises:
        HostError: if the command fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        record = ResultFiles(Path(folder), clip.stem).record
        command = [sys.executable, "-m", "inference.cli", str(clip), "--out", folder, "--seconds", str(seconds)]
        command += ["--workers", str(workers), "--plugin", plugin, "--quiet"]
        began = time.monotonic()
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        first, used = None, None
        while process.poll() is None:
            used = _processor_seconds(process.pid) or used
            if first is None and record.exists():
                first = Moment(time.monotonic() - began, used)
            time.sleep(_LOOK_SECONDS)
        end = Moment(time.monotonic() - began, used)
        _, said = process.communicate()
        if process.returncode or first is None:
            raise HostError(f"refine ended with {process.returncode}: {said.strip()}")
        return first, end


def _processor_seconds(pid: int) -> float | None:
    """Processor time of a process alone in seconds; None if it is gone, or not on Linux."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
