"""The cores that this process may use, and children that end with their parent."""

from __future__ import annotations

import contextlib
import ctypes
import math
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from multiprocessing.connection import wait
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

_CONTROL_GROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")

ENDING_SIGNALS = tuple(
    getattr(signal, name)
    for name in (
        "SIGINT",
        "SIGTERM",
        "SIGHUP",
        "SIGQUIT",
        "SIGBREAK",
        "SIGALRM",
        "SIGUSR1",
        "SIGUSR2",
        "SIGXCPU",
        "SIGPWR",
    )
    if hasattr(signal, name)
)
"""Signals that ask a program to end, or that end it where it does not handle them; faults are not among them."""


def leave_signals_to_parent() -> None:
    """Ignore signals that ask the program to end.

    A terminal and ``timeout`` send them to all processes of a program; its first process decides what they mean, and
    needs the others to write its results.
    """
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    allow_signals()


def allow_signals() -> None:
    """Let signals come again that ``signals_blocked`` held back when this process was started."""
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Hold signals that ask the program to end back from this thread, and from what it starts meanwhile."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def die_with_parent(parent: int) -> None:
    """Arrange that this process is killed when the process (on Linux: the thread) that started it ends.

    Args:
        parent: process id of the parent, which may have ended already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    elif (process := multiprocessing.parent_process()) is not None:
        sentinel = process.sentinel  # becomes readable when the parent ends
        threading.Thread(target=lambda: (wait([sentinel]), os._exit(1)), daemon=True).start()


def at_work(pid: int) -> tuple[float, bool] | None:
    """What a process has done so far.

    Args:
        pid: number of the process.

    Returns:
        Its processor time in seconds, and whether it wants to go on and waits for nothing but a core or a disk; None
        where the system does not tell (elsewhere than on Linux) or the process is gone.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        ticks = sum(int(field) for field in fields[11:15])  # its own and its children's, in user and system mode
        return ticks / os.sysconf("SC_CLK_TCK"), fields[0] in (b"R", b"D")
    except (OSError, ValueError):
        return None


def usable_cores() -> int:
    """How many cores this process may use: fewer than the machine has under ``taskset``, in a container or a slice."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([affinity, *_quotas(control_groups("cpu"))]))


def control_groups(controller: str, root: Path = _CONTROL_GROUPS, own: Path = _OWN_GROUPS) -> Iterator[Path]:
    """Folders of the control groups that limit this process, of versions 2 and 1 of the interface; innermost first.

    Args:
        controller: name of a controller: ``cpu`` or ``memory``.
        root: folder of the control groups; in a container its own group.
        own: file that lists the groups of this process.
    """
    found = []
    with contextlib.suppress(OSError, ValueError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            inside = [part for part in Path(path).parts[1:] if part != ".."]
            if not controllers:
                found.append((root, inside))
            elif controller in controllers.split(","):
                found.append((root / controller, inside))
    for base, inside in found:
        yield from (base.joinpath(*inside[:depth]) for depth in range(len(inside), 0, -1))
    yield root / controller
    yield root


def _quotas(groups: Iterable[Path]) -> Iterator[int]:
    """Cores that control groups grant, rounded up; of those that have a limit."""
    for group in groups:
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            if (group / "cpu.max").exists():
                quota, period = (group / "cpu.max").read_text().split()
            else:
                quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            if int(quota) > 0:
                yield math.ceil(int(quota) / int(period))
