"""The clocks that the budget of a run may be counted by.

The wall clock is the time that a person waits, but on a machine that is busy with other work a run does less in it. The
processor clock counts the processor time of the run's processes, divided by a number of cores; it makes runs beside
other work comparable. Cores that share execution units still slow each other down, so distances measured on a busy
machine tend to be too large.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from render.errors import HostError

WALL, PROCESSOR = "wall", "processor"
_FRESH_SECONDS = 0.05  # between two looks at the processes
_FIELDS_BEFORE = 2  # of /proc/PID/stat after the name: state, and number of the parent
_USER, _SYSTEM = 11, 12


class ProcessorClock:
    """Seconds of processor time of this process and of all that it started, for each of some cores.

    Args:
        cores: number of cores that the run is meant for.

    Raises:
        HostError: on a system that does not report the times of other processes.
    """

    def __init__(self, cores: int) -> None:
        if not Path("/proc/self/stat").exists():
            raise HostError("the processor clock needs Linux's /proc")
        self._cores, self._tick = cores, os.sysconf("SC_CLK_TCK")
        self._at, self._seconds = -1.0, 0.0
        self._known: dict[int, float] = {}  # by process, those that ended included

    def __call__(self) -> float:
        """The time in seconds, from an arbitrary start."""
        now = time.monotonic()
        if now - self._at > _FRESH_SECONDS:
            self._look()
            self._at, self._seconds = now, (time.process_time() + sum(self._known.values())) / self._cores
        return self._seconds

    def _look(self) -> None:
        ours = {os.getpid(), *self._known}
        for number in sorted(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
            try:
                fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
            except OSError:  # it has ended meanwhile
                continue
            after_name = fields.rpartition(")")[2].split()
            if int(after_name[_FIELDS_BEFORE - 1]) in ours and number != os.getpid():
                ours.add(number)
                self._known[number] = (int(after_name[_USER]) + int(after_name[_SYSTEM])) / self._tick


CLOCKS: Mapping[str, Callable[[int], Callable[[], float]]] = {
    WALL: lambda cores: time.monotonic,
    PROCESSOR: ProcessorClock,
}
"""By name: from the number of cores to a function that returns the time."""


def add_clock_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a clock."""
    parser.add_argument(
        "--clock",
        choices=tuple(CLOCKS),
        default=WALL,
        help="what a budget counts: the wall clock, or processor time, for a machine that is busy with other work",
    )
    parser.add_argument(
        "--cores", type=int, default=2, help="cores that the processor clock stands for, whatever the workers"
    )
