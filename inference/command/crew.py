"""Refining several clips at a time, in processes of this machine or on a Dask cluster."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from inference.command.jobs import Group, Job
from inference.options import Options
from render.errors import ReconstructError, one_line
from render.hosts.cluster import dask_client
from render.hosts.processes import die_with_parent
from render.synths import synth

if TYPE_CHECKING:
    from inference.clip.target import Target
    from inference.leaderboard import Leaderboard
    from inference.match import Match
    from inference.ports import Models
    from inference.stages.library import LibraryOpener


@dataclass(frozen=True)
class Errand:
    """A group in a form that can be sent to another process.

    Attributes:
        instrument: name of the synth.
        jobs: clips and where their results go.
        options: all other options, by name.
    """

    instrument: str
    jobs: tuple[Job, ...]
    options: Mapping[str, Any]

    @classmethod
    def of(cls, group: Group, workers: int) -> Self:
        """The errand of a group.

        Args:
            group: what is wanted.
            workers: number of processes that render for it.
        """
        options = {field.name: getattr(group.options, field.name) for field in fields(group.options)}
        del options["instrument"]
        return cls(group.options.instrument.name, group.jobs, options | {"workers": workers})

    def group(self) -> Group:
        """The group again."""
        return Group(self.jobs, Options(synth(self.instrument), **self.options))


@dataclass(frozen=True)
class Outcome:
    """What became of an errand.

    Attributes:
        records: what was written, for each clip.
        error: why there is nothing, or what ended the run early.
        interrupted: whether it was asked to end.
    """

    records: tuple[dict[str, Any], ...] = ()
    error: str = ""
    interrupted: bool = False


def run_errand(errand: Errand) -> Outcome:
    """Refine the clips of an errand in this process, with the models and the library of the one before."""
    from inference.command.refining import refined
    from inference.match import Ended

    group = errand.group()
    options = group.options
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
    """Watches whether the command was asked to end."""

    def heard(self, clip: Path, target: Target) -> None:
        """Nobody is told."""

    def say(self, text: str) -> None:
        """Nobody is told."""

    def judged(self, match: Match) -> None:
        """Nobody is told."""

    @contextlib.contextmanager
    def progress(self) -> Iterator[Callable[[Leaderboard], None]]:
        """A function that raises ``KeyboardInterrupt`` once the command was asked to end."""
        yield self._look

    def _look(self, board: Leaderboard) -> None:
        if _ending is not None and _ending.is_set():
            raise KeyboardInterrupt


_ending: Any = None
"""In a process of ``on_this_machine``: the event that asks it to end."""


def _begin(ending: Any, parent: int) -> None:
    global _ending
    _ending = ending
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what it means
    die_with_parent(parent)


@contextlib.contextmanager
def on_this_machine(count: int) -> Iterator[tuple[Executor, Callable[[], None]]]:
    """An executor of some processes.

    Args:
        count: number of clips at a time.

    Yields:
        The executor, and a function that asks its processes to end politely.
    """
    context = multiprocessing.get_context("spawn")
    ending = context.Event()
    executor = ProcessPoolExecutor(count, context, _begin, (ending, os.getpid()))
    try:
        yield executor, ending.set
    finally:
        ending.set()
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
