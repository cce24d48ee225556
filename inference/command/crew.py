"""Refining several clips at a time, in processes of this machine or on a Dask cluster."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

from inference.command.jobs import Group, Job
from inference.options import Options
from render.errors import HostError, ReconstructError, one_line
from render.hosts.cluster import dask_client
from render.hosts.processes import ENDING_SIGNALS, allow_signals, die_with_parent, signals_blocked
from render.synths import synth

if TYPE_CHECKING:
    from inference.clip.target import Target
    from inference.leaderboard import Leaderboard
    from inference.match import Match
    from inference.ports import Models
    from inference.stages.library import LibraryOpener


_SECONDS_TO_SEND = 2.0  # the outcome of an errand


@dataclass(frozen=True)
class Errand:
    """A group in a form that can be sent to another process.

    Attributes:
        instrument: name of the synth.
        jobs: clips and where their results go.
        options: all other options, by name.
        request: identity of the request that is continued, if any.
    """

    instrument: str
    jobs: tuple[Job, ...]
    options: Mapping[str, Any]
    request: str = ""

    @classmethod
    def of(cls, group: Group, workers: int) -> Self:
        """The errand of a group.

        Args:
            group: what is wanted.
            workers: number of processes that render for it.
        """
        options = {field.name: getattr(group.options, field.name) for field in fields(group.options)}
        del options["instrument"]
        return cls(group.options.instrument.name, group.jobs, options | {"workers": workers}, group.request)

    def group(self) -> Group:
        """The group again."""
        return Group(self.jobs, Options(synth(self.instrument), **self.options), self.request)


@dataclass(frozen=True)
class Outcome:
    """What became of an errand.

    Attributes:
        records: what was written, for each clip.
        error: why there is nothing, or what ended the run early.
        interrupted: whether it was asked to end.
        lost: whether the process died.
    """

    records: tuple[dict[str, Any], ...] = ()
    error: str = ""
    interrupted: bool = False
    lost: bool = False


def run_errand(errand: Errand) -> Outcome:
    """Refine the clips of an errand in this process, with the models and the library of the one before."""
    from inference.command.refining import refined
    from inference.match import Ended

    if _is_over():  # it was waiting when the command was asked to end
        return Outcome(interrupted=True)
    group = errand.group()
    options = group.options
    _at_work.append(True)
    try:
        models = _models(
            errand.instrument, options.where, options.calibration, options.workers, options.stages, options.guess
        )
        library = _library(errand.instrument, options.where, options.workers)
        match, records = refined(group, library, _Silent(), models=models)
    except ReconstructError as error:
        return Outcome(error=str(error))
    except KeyboardInterrupt:
        return Outcome(interrupted=True)
    except Exception as error:  # one clip that fails must not end the others
        return Outcome(error=one_line(error))
    finally:
        _at_work.pop()
        if _asked:
            _exit_soon()
    return Outcome(tuple(records), match.error, match.ended is Ended.INTERRUPTED)


@functools.cache
def _models(
    instrument: str, where: str, calibration: bool, workers: int, stages: tuple[str, ...], guess: str
) -> Models:
    from inference.stages.models import load_models

    return load_models(
        Options(synth(instrument), where, calibration=calibration, workers=workers, stages=stages, guess=guess)
    )


@functools.cache
def _library(instrument: str, where: str, workers: int) -> LibraryOpener:
    from inference.stages.library import library_opener

    chosen = synth(instrument)
    make_host = functools.partial(chosen.hosts.open_host, where)
    return library_opener(chosen, make_host, workers=workers, progress=lambda done, count: None)


class _Silent:
    """Prints nothing, and ends a run when the command is asked to end."""

    def analysed(self, clip: Path, target: Target) -> None:
        """Nothing is printed."""

    def say(self, text: str) -> None:
        """Nothing is printed."""

    def judged(self, match: Match) -> None:
        """Nothing is printed."""

    @contextlib.contextmanager
    def progress(self) -> Iterator[Callable[[Leaderboard], None]]:
        """A function that raises ``KeyboardInterrupt`` once the command was asked to end."""
        yield self._look

    def _look(self, board: Leaderboard) -> None:
        if _is_over():
            raise KeyboardInterrupt


_ending: Any = None
"""In a process of ``on_this_machine``: the event that asks it to end."""

_asked: list[int] = []
_at_work: list[bool] = []
"""In such a process: numbers of the signals that asked it to end, and whether it has an errand."""


def _is_over() -> bool:
    """Whether this process, or the command, was asked to end."""
    return bool(_asked) or (_ending is not None and _ending.is_set())


def _begin(ending: Any, parent: int) -> None:
    global _ending
    _ending = ending
    die_with_parent(parent)
    for number in ENDING_SIGNALS:
        signal.signal(number, _handle)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what it means
    allow_signals()


def _handle(number: int, frame: FrameType | None) -> None:
    """Have the errand end politely: ``timeout`` sends its signal to all processes, and so does a terminal."""
    _asked.append(number)
    if not _at_work:
        _exit_soon()


def _exit_soon() -> None:
    """End this process, which may wait for its next errand, after what it has to send is sent."""
    timer = threading.Timer(_SECONDS_TO_SEND, os._exit, (0,))
    timer.daemon = True
    timer.start()


class _Processes(Executor):
    """Processes that are started again when one of them died, which ends an executor of the library.

    Args:
        count: number of processes.
    """

    def __init__(self, count: int) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._count = count
        try:
            with signals_blocked():  # from the process that watches over semaphores, which starts here
                self._ending = self._context.Event()
            self._executor = self._made()
        except OSError as error:
            raise HostError(
                f"several clips at a time (--jobs) need shared memory: {error.strerror or error}"
            ) from error

    def _made(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._count, self._context, _begin, (self._ending, os.getpid()))

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Submit a call, as every executor does."""
        with signals_blocked():
            try:
                return self._executor.submit(work, *arguments, **named)
            except BrokenProcessPool:
                self._executor.shutdown()
                self._executor = self._made()
                return self._executor.submit(work, *arguments, **named)

    def end(self) -> None:
        """Ask the processes to end politely."""
        self._ending.set()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ask the processes to end politely, and wait until they have."""
        self.end()
        self._executor.shutdown(wait, cancel_futures=cancel_futures)


@contextlib.contextmanager
def on_this_machine(count: int) -> Iterator[tuple[Executor, Callable[[], None]]]:
    """An executor of some processes.

    Args:
        count: number of clips at a time.

    Yields:
        The executor, and a function that asks its processes to end politely.

    Raises:
        HostError: if the system has no shared memory for them.
    """
    executor = _Processes(count)
    try:
        yield executor, executor.end
    finally:
        executor.shutdown(cancel_futures=True)


@contextlib.contextmanager
def on_dask(address: str) -> Iterator[tuple[Executor, Callable[[], None]]]:
    """An executor on a Dask cluster that sees the same files and can start processes (``dask worker --no-nanny``).

    Args:
        address: the scheduler's.

    Yields:
        The executor, and a function that does nothing: what has begun there goes on until its budget is spent.

    Raises:
        ReconstructError: if the package is missing.
        HostError: if no scheduler answers.
    """
    with dask_client(address) as client:
        yield client.get_executor(), lambda: None
