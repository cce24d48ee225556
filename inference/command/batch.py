"""Refining the clips of one command, one group after the other or several at a time, so that nothing found is lost."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.command.console import Console
from inference.command.crew import Errand, Outcome, run_errand
from inference.command.jobs import Group
from inference.command.refining import refined
from inference.match import Ended
from inference.output.files import install
from inference.output.overview import write_overview
from render.errors import HostError, ReconstructError, one_line
from render.files import display_name

if TYPE_CHECKING:
    from inference.ports import Models
    from inference.stages.library import LibraryOpener

Crew = AbstractContextManager[tuple[Executor, Callable[[], None]]]
"""Executor of ``inference.command.crew.run_errand``, and a function that asks its processes to end politely."""

_FETCHED_AHEAD = 2  # errands that are submitted beside those that run
_MOST_LOSSES = 3  # processes that a clip may take down before it is given up; one that dies takes the others with it


class Batch:
    """The groups of one command.

    Args:
        groups: what there is to refine.
        console: what a person sees.
        again: whether clips of a batch that are done already are refined anew.
        preset_folder: folder of the synth to install presets into, if wanted.
        began: when the command began, in the time of ``time.monotonic``: the budget of the first clip counts from then.

    Attributes:
        records: the record of each clip that has a match.
        failures: what went wrong, for each clip that failed.
        not_started: clips that were left because the command was interrupted.
        interrupted: whether it was.
        overview: page of all clips, if there are several.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        console: Console,
        *,
        again: bool = False,
        preset_folder: Path | None = None,
        began: float | None = None,
    ) -> None:
        self.groups, self.console, self.again, self.preset_folder = groups, console, again, preset_folder
        self.records: list[dict[str, Any]] = []
        self.failures: list[dict[str, str]] = []
        self.not_started: list[str] = []
        self.interrupted = False
        self.overview: Path | None = None
        self._models: dict[tuple[str, str, object], Models] = {}
        self._libraries: dict[tuple[str, str], LibraryOpener] = {}
        self._began = began

    @property
    def n_clips(self) -> int:
        """How many clips there are."""
        return sum(len(group.jobs) for group in self.groups)

    def run(self) -> None:
        """Refine every group, one after the other.

        Raises:
            ReconstructError: if the only group fails.
            KeyboardInterrupt: if the only group is interrupted before there is a match.
        """
        self.console.say(f"host: {self._hosts}")
        with self.console.batch(len(self.groups)):
            for group in self.groups:
                if self.interrupted:
                    self.not_started += _names(group)
                    continue
                try:
                    self._refine(group)
                except ReconstructError as error:
                    if len(self.groups) == 1:
                        raise
                    self._failed(group, str(error))
                except KeyboardInterrupt:
                    if len(self.groups) == 1:
                        raise
                    self.interrupted = True
                    self.not_started += _names(group)
                self._ended(group)
        self._overview()

    def run_on(self, crew: Crew, count: int, workers: int) -> None:
        """Refine several groups at a time.

        Args:
            crew: where.
            count: how many at a time.
            workers: number of processes that render for each of them.
        """
        self.console.say(f"host: {self._hosts}; {count} clips at a time")
        waiting = [group for group in self.groups if not self._is_done(group)]
        running: dict[Future[Outcome], Group] = {}
        losses: Counter[int] = Counter()  # of the groups, whose processes died
        with crew as (executor, end), self.console.batch(len(waiting)):
            while waiting or running:
                try:
                    while waiting and not self.interrupted and len(running) < count + _FETCHED_AHEAD:
                        group = waiting.pop(0)
                        running[executor.submit(run_errand, Errand.of(group, workers))] = group
                    if self.interrupted and waiting:
                        self.not_started += [name for group in waiting for name in _names(group)]
                        waiting.clear()
                    for future in wait(running, return_when=FIRST_COMPLETED)[0]:
                        group, outcome = running.pop(future), _outcome(future)
                        losses[id(group)] += outcome.lost
                        if outcome.lost and (self.interrupted or losses[id(group)] < _MOST_LOSSES):
                            waiting.insert(0, group)  # it is tried again, or was not started
                        else:
                            self._take(group, outcome)
                except KeyboardInterrupt:
                    self.interrupted = True
                    end()
                    for future in [future for future in running if future.cancel()]:
                        self.not_started += _names(running.pop(future))
        self._overview()

    def _take(self, group: Group, outcome: Outcome) -> None:
        self.records += outcome.records
        if outcome.records:
            self.console.finished(outcome.records[0])
            self._install(outcome.records[0])
        elif outcome.interrupted:
            self.not_started += _names(group)
        if outcome.error:
            self._failed(group, outcome.error)
        self.interrupted = self.interrupted or outcome.interrupted
        self._ended(group)

    @property
    def _hosts(self) -> str:
        return ", ".join(dict.fromkeys(group.options.where for group in self.groups))

    def _refine(self, group: Group) -> None:
        if len(self.groups) > 1 and self._is_done(group):
            return
        began, self._began = self._began or time.monotonic(), None
        kit = _kit(group)
        open_library = self._libraries.setdefault(kit[:2], _library_opener(group, self.console))
        match, records = refined(group, open_library, self.console, models=self._models.get(kit), began=began)
        if kit not in self._models and group is not self.groups[-1]:
            from inference.stages.models import load_models

            self._models[kit] = load_models(group.options)  # once for all other clips that need the same
        self.records += records
        self.console.done(match, records[0])
        if match.ended is Ended.FAILED:
            self._failed(group, match.error)
        self.interrupted = match.ended is Ended.INTERRUPTED
        self._install(records[0])

    def _is_done(self, group: Group) -> bool:
        finished = group.finished() if not self.again else None
        if finished is not None:
            self.records += finished
            self.console.say(f"{', '.join(_names(group))}: done already (--again refines it anew)")
            self._install(finished[0])
        return finished is not None

    def _install(self, record: dict[str, Any]) -> None:
        if self.preset_folder is not None:
            for path in install([Path(files["preset"]) for files in record["files"]], self.preset_folder):
                self.console.say(f"  installed {display_name(path)}")

    def _failed(self, group: Group, error: str) -> None:
        self.failures.append({"clip": ", ".join(_names(group)), "error": error})
        self.console.error(error)

    def _ended(self, group: Group) -> None:
        self.console.advance()
        self._overview()

    def _overview(self) -> None:
        """The page and the table of all clips, as far as they are."""
        if len(self.groups) == 1 or not (self.records or self.failures):
            return
        folder = self.groups[0].jobs[0].files.folder
        known = {record["clip"] for record in self.records} | {failure["clip"] for failure in self.failures}
        left = [name for group in self.groups for name in _names(group) if name not in known]
        self.overview, _ = write_overview(folder, self.records, self.failures, left)


def _outcome(future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except HostError as error:
        return Outcome(error=str(error))
    except Exception as error:  # a process that died, or whatever a cluster raises when it loses one
        return Outcome(error=f"its process was lost: {one_line(error)}", lost=True)


def _kit(group: Group) -> tuple[str, str, object]:
    """What the models of a group depend on; groups that continue earlier runs may differ in it."""
    options = group.options
    return options.instrument.name, options.where, (options.stages, options.guess, options.calibration)


def _library_opener(group: Group, console: Console) -> LibraryOpener:
    from inference.stages.library import library_opener

    options = group.options
    make_host = functools.partial(options.instrument.hosts.open_host, options.where)
    return library_opener(options.instrument, make_host, workers=options.workers, progress=console.preparing)


def _names(group: Group) -> list[str]:
    return [display_name(job.clip) for job in group.jobs]
