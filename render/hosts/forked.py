"""Running a function in a forked child, so that it leaves this process as it was."""

from __future__ import annotations

import faulthandler
import mmap
import os
import signal
import sys
import warnings
from collections.abc import Callable
from multiprocessing.connection import wait

import numpy as np
from numpy.typing import NDArray

from render.errors import HostError
from render.hosts.processes import die_with_parent, leave_signals_to_parent

FORK_IS_SAFE = sys.platform == "linux"
"""macOS frameworks forbid forking once they are in use, and Windows has no fork."""

Signals = NDArray[np.float32]


class DeadChildError(HostError):
    """A forked child crashed or took too long. A second attempt may succeed: see ``in_fork``."""


def in_fork(function: Callable[[], Signals], shape: tuple[int, int], *, seconds: float) -> Signals:
    """Call a function in a forked child.

    A child has none of the parent's other threads. If one of those held a lock at the moment of the fork, the child
    waits for it forever or dies; a second attempt may succeed.

    Args:
        function: returns a float32 array of ``shape``; whatever else it changes is lost with the child.
        shape: shape of the result.
        seconds: time limit, after which the child is killed.

    Returns:
        The result of the function.

    Raises:
        DeadChildError: if the child dies or takes too long.
        HostError: if the function raises.
    """
    shared = mmap.mmap(-1, 4 * shape[0] * shape[1])
    result = np.frombuffer(shared, np.float32).reshape(shape)
    reading, writing = os.pipe()
    parent = os.getpid()
    with warnings.catch_warnings():  # Python 3.12 warns of the parent's other threads: see above
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            leave_signals_to_parent()
            die_with_parent(parent)
            _silence()
            try:
                result[:] = function()
                os.write(writing, b"\n")
            except Exception as error:
                os.write(writing, (str(error) or type(error).__name__).encode())
        finally:
            os._exit(0)
    try:
        os.close(writing)
        answered = bool(wait([reading], seconds))  # select() takes no numbers above 1023
        message = os.read(reading, 4096) if answered else b""
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)  # its message has been read
        _, status = os.waitpid(child, 0)
    if message == b"\n":
        return result
    if message:
        raise HostError(message.decode(errors="replace").partition("\n")[0])
    if not answered:
        raise DeadChildError(f"the plug-in took longer than {seconds:g} s")
    code = os.waitstatus_to_exitcode(status)
    raise DeadChildError(f"the plug-in crashed ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})")


def _silence() -> None:
    """Let a child that dies leave neither text nor a core file."""
    import resource  # not on Windows

    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
