"""Workers for the tests of the pool, apart from them so that a worker need not import pytest."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from render.errors import HostError, UnknownName

Job = tuple[str, float]

AUDIO_BYTES = 2 * 88_200 * 4
"""Two seconds of stereo float32."""


def prepared() -> int:
    """What ``make_prepared`` wants."""
    return os.getpid()


def not_prepared() -> None:
    """Cannot prepare anything."""
    raise HostError("no plug-in at '/nowhere'")


def make_prepared(add: int, pid: int) -> Callable[[Job], object]:
    """A worker that knows what it was prepared with, and otherwise does what jobs say."""
    assert pid == os.getpid()
    work = make_worker()
    return lambda job: job[1] + add if job[0] == "add" else work(job)


def make_worker(marker: str = "") -> Callable[[Job], object]:
    """A worker that does what the job says; ``marker`` names a file that makes some jobs fail only once."""
    assert threading.current_thread() is threading.main_thread()

    def work(job: Job) -> object:
        name, value = job
        if name.startswith("echo "):
            return len(name)
        match name:
            case "echo":
                return value
            case "sleep":
                time.sleep(value)
                return value
            case "pid":
                return os.getpid()
            case "audio":
                return bytes([int(value) % 256]) * AUDIO_BYTES
            case "exit" | "exit once":
                if name == "exit" or not _seen(marker):
                    os._exit(3)
            case "kill once":
                if not _seen(marker):
                    os.kill(os.getpid(), signal.SIGKILL)
            case "segfault":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "hang":
                while True:
                    time.sleep(1)
            case "raise":
                raise UnknownName("fruit", "pear", ["apple"])
            case "bug":
                raise TypeError("a bug")
            case "unpicklable":
                return lambda: None
            case "modules":
                return sorted(sys.modules)
            case "threads":
                return os.environ["OPENBLAS_NUM_THREADS"]
        return "survived"

    return work


def _seen(marker: str) -> bool:
    path = Path(marker)
    existed = path.exists()
    path.touch()
    return existed


def make_nothing(kind: str) -> Callable[[Job], object]:
    """A worker that cannot be made."""
    if kind == "raise":
        raise HostError("no plug-in at '/nowhere'; allowed: an existing file")
    if kind == "exit":
        os._exit(7)
    begun, worked = time.monotonic(), time.process_time()
    while kind == "spin":
        pass
    while kind == "poll":
        time.sleep(0.1)
    while kind == "slow" and time.process_time() < worked + 1.6:
        pass
    while kind == "halves" and time.monotonic() < begun + 1.8:
        time.sleep(0.4)
        worked = time.process_time()
        while time.process_time() < worked + 0.06:
            pass
    if kind in ("slow", "halves"):
        return make_worker()
    if kind == "deaf":
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(100)
    raise AssertionError
