"""One worker process of a pool: what runs in it, how the parent sees it, and when losing it counts as a failure."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import time
import traceback
from collections import deque
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from render.errors import HostError, one_line
from render.hosts.processes import at_work, die_with_parent, leave_signals_to_parent

MAX_CRASHES = 2
"""A job that took its worker down this often (by a crash or by its time limit) is reported instead of retried; after
as many workers in a row that crash while starting the pool gives up."""

MAX_KILLS = 8
"""The same for workers that something outside killed, which is hardly the job's fault (but see the OOM killer)."""

IDLE_SECONDS = 5.0
"""A worker that starts and sleeps for so long, without any processor time, will never be ready. One that is only slow,
on a busy machine or a slow disk, is not asleep."""

BUSY_SECONDS = 30.0
"""A worker that starts has used more processor time than any start needs."""

LOOK_SECONDS = 0.25
"""Time between two looks at workers that start."""

_PROGRESS_SECONDS = 0.01  # of processor time between two looks: the clock's resolution

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(eq=False)
class Losses:
    """How often a job, or the start of workers, took a worker down."""

    crashes: int = 0
    kills: int = 0

    def count(self, *, killed: bool) -> bool:
        """Count one more; returns whether the limit is reached."""
        self.kills += killed
        self.crashes += not killed
        return self.crashes >= MAX_CRASHES or self.kills >= MAX_KILLS


@dataclass(eq=False)
class Task:
    """A job that is queued or running: its pickled form, its future and the workers that it took down."""

    payload: bytes
    future: Future[Any]
    losses: Losses = field(default_factory=Losses)

    def finish(self, succeeded: bool, value: Any, trace: str) -> None:
        """Give the future what the worker replied."""
        if succeeded:
            self.future.set_result(value)
            return
        failure = HostError(value)
        failure.add_note(trace)
        self.future.set_exception(failure)


def outcome(future: Future[Any]) -> Any:
    """The result of a future, or the error in its place."""
    try:
        return future.result()
    except HostError as error:
        return error
    except CancelledError:
        return HostError("the job was cancelled")


@dataclass(eq=False)
class Start:
    """The start of a worker, watched by the parent.

    Only the time during which the parent looks counts, so neither a clock that jumps nor a program that was stopped
    for a while makes a start too long.

    Args:
        seconds: the longest that it may take.
    """

    seconds: float
    _looked: float = field(default_factory=time.monotonic)
    _total: float = 0.0
    _idle: float = 0.0
    _worked: float = 0.0

    def problem(self, pid: int) -> str | None:
        """Look at the process; returns why it must be given up, or None."""
        now = time.monotonic()
        passed, self._looked = min(now - self._looked, 2.0 * LOOK_SECONDS), now
        self._total += passed
        if self._total > self.seconds:
            return f"starting a worker took longer than {self.seconds:g} s"
        if (state := at_work(pid)) is None:
            return None
        worked, wants_on = state
        self._idle = 0.0 if wants_on or worked >= self._worked + _PROGRESS_SECONDS else self._idle + passed
        self._worked = worked
        if self._idle > IDLE_SECONDS:
            return f"starting a worker made no progress for {IDLE_SECONDS:g} s"
        if worked > BUSY_SECONDS:
            return f"starting a worker took more than {BUSY_SECONDS:g} s of processor time"
        return None


@dataclass(eq=False)
class Worker:
    """A worker process as the parent sees it.

    Attributes:
        process: the process.
        connection: the parent's end of its pipe.
        start: its start, until it is ready, without the time in which it waits for how to make its function.
        deadline: when its running job takes too long, in the time of ``time.monotonic``.
        started: whether it listens, and was sent what to prepare.
        prepared: whether it is prepared.
        assigned: whether it was sent how to make its function.
        ready: whether it takes jobs.
        tasks: what it was given; the first one is the one that runs.
    """

    process: SpawnProcess
    connection: Connection
    start: Start
    deadline: float = float("inf")
    started: bool = False
    prepared: bool = False
    assigned: bool = False
    ready: bool = False
    tasks: deque[Task] = field(default_factory=deque)

    @property
    def starting(self) -> bool:
        """Whether it is busy with its start."""
        return not self.ready and (self.assigned or not self.prepared)

    def receive(self) -> tuple[bool, Any, str]:
        """Read one reply, which must have arrived: success, value or error message, traceback.

        Raises:
            EOFError: if the process is gone.
            OSError: if its pipe is broken.
        """
        try:
            reply: tuple[bool, Any, str] = pickle.loads(self.connection.recv_bytes())
            return reply
        except (EOFError, OSError):
            raise
        except Exception as error:  # a result whose class cannot be imported here, for one
            return False, f"unreadable result: {error}", ""

    def send(self, payload: bytes) -> None:
        """Send bytes; that a process is dead is found out by reading from it."""
        with contextlib.suppress(OSError):
            self.connection.send_bytes(payload)

    def was_killed(self) -> bool:
        """Whether the process was ended by a signal that no crash raises."""
        code = self.process.exitcode
        return code is not None and -code in (signal.SIGTERM, getattr(signal, "SIGKILL", None))

    def death(self) -> str:
        """How the process ended, for an error message."""
        code = self.process.exitcode
        if code is None:
            return "a worker closed its pipe"
        if code < 0:
            return f"a worker was ended by {signal.Signals(-code).name}"
        return f"a worker ended with exit code {code}"

    def end(self) -> None:
        """Kill the process, if it still runs, and close the pipe."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def start_worker(context: SpawnContext, seconds: float) -> Worker:
    """Start a worker process.

    It says when it listens, expects the pickled ``prepare`` of the pool through its pipe, says when it has done that,
    and expects the pickled ``make_worker``. That may be large, and as an argument of the process it would block
    ``start`` for ever if the process ended while importing.

    Args:
        context: starts the process.
        seconds: the longest that the start may take.

    Raises:
        HostError: if the system starts no more processes.
    """
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs,), daemon=True)
    try:
        process.start()
    except OSError as error:
        raise HostError(f"cannot start a worker process: {error}") from error
    theirs.close()
    return Worker(process, ours, Start(seconds))


def _work(connection: Connection) -> None:
    """Body of a worker process.

    Replies are ``(success, value or message, traceback)``; the first one says "started", the second one "prepared", the
    third one "ready".
    """
    leave_signals_to_parent()
    parent = multiprocessing.parent_process()
    assert parent is not None
    die_with_parent(parent.pid or 0)
    for name in _THREAD_VARIABLES:  # before numpy is imported: the pool has a process per core already
        os.environ.setdefault(name, "1")
    connection.send((True, None, ""))
    prepared: tuple[Any, ...] = ()
    work: Any = None
    for begins in (False, True):
        try:
            pickled = connection.recv_bytes()
        except (EOFError, OSError):  # the parent is gone
            return
        try:
            step = pickle.loads(pickled)
            if begins:
                work = step(*prepared)
            elif step is not None:
                prepared = (step(),)
        except Exception as error:
            connection.send((False, one_line(error), traceback.format_exc()))
            return
        connection.send((True, None, ""))
    while True:
        try:
            payload = connection.recv_bytes()
        except (EOFError, OSError):  # the parent is gone
            return
        try:
            reply = pickle.dumps((True, work(pickle.loads(payload)), ""), protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            reply = pickle.dumps((False, one_line(error), traceback.format_exc()))
        connection.send_bytes(reply)
