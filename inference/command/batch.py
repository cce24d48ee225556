"""Refining the clips of one command, one group after the other, so that nothing that was found is lost."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.clip.target import read_target
from inference.command.console import Console
from inference.command.interruptions import raise_again
from inference.command.jobs import Group
from inference.command.keeper import Keeper
from inference.evaluate import HostFactory, start_workers
from inference.match import Ended
from inference.output.files import install
from render.errors import FileError, ReconstructError, one_line
from render.files import display_name
from render.hosts.pool import Pool

if TYPE_CHECKING:
    from inference.leaderboard import Leaderboard
    from inference.match import Match
    from inference.stages.library import LibraryOpener


_EXIT_SECONDS = 0.5  # from the last file to the prompt


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
        self._began = began

    @property
    def n_clips(self) -> int:
        """How many clips there are."""
        return sum(len(group.jobs) for group in self.groups)

    def run(self) -> None:
        """Refine every group.

        Raises:
            ReconstructError: if the only group fails.
            KeyboardInterrupt: if the only group is interrupted before there is a match.
        """
        self.console.say(f"host: {self.groups[0].options.where}")
        open_library = _library_opener(self.groups[0], self.console)
        for group in self.groups:
            if self.interrupted:
                self.not_started += _names(group)
                continue
            try:
                self._refine(group, open_library)
            except ReconstructError as error:
                if len(self.groups) == 1:
                    raise
                self._failed(group, str(error))
            except KeyboardInterrupt:
                if len(self.groups) == 1:
                    raise
                self.interrupted = True
                self.not_started += _names(group)

    def _refine(self, group: Group, open_library: LibraryOpener) -> None:
        finished = group.finished() if len(self.groups) > 1 and not self.again else None
        if finished is not None:
            self.records += finished
            self.console.say(f"{', '.join(_names(group))}: done already (--again refines it anew)")
            return
        match, records = _refined(group, open_library, self.console, self._began or time.monotonic())
        self._began = None
        self.records += records
        self.console.done(match, records[0])
        if match.ended is Ended.FAILED:
            self._failed(group, match.error)
        self.interrupted = match.ended is Ended.INTERRUPTED
        if self.preset_folder is not None:
            for path in install([Path(files["preset"]) for files in records[0]["files"]], self.preset_folder):
                self.console.say(f"  installed {display_name(path)}")

    def _failed(self, group: Group, error: str) -> None:
        self.failures.append({"clip": ", ".join(_names(group)), "error": error})
        self.console.error(error)


def _refined(
    group: Group, open_library: LibraryOpener, console: Console, began: float
) -> tuple[Match, list[dict[str, Any]]]:
    """Refine the clips of a group; their files are written whenever a stage has been judged, and at the end."""
    with start_workers(_host_maker(group), group.options.workers) as pool:  # they open their hosts meanwhile
        return _refined_by(pool, group, open_library, console, began)


def _refined_by(
    pool: Pool[Any, Any], group: Group, open_library: LibraryOpener, console: Console, began: float
) -> tuple[Match, list[dict[str, Any]]]:
    from inference.pipeline import refine

    jobs = group.jobs
    targets = [
        read_target(job.clip, note=job.note, velocity=job.velocity, gate_seconds=job.gate_seconds) for job in jobs
    ]
    for job, target in zip(jobs, targets, strict=True):
        console.heard(job.clip, target)
    keeper = Keeper(group)
    try:
        with console.progress() as show:

            def on_progress(board: Leaderboard) -> None:
                raise_again()
                show(board)

            match = refine(
                targets,
                group.options,
                open_library=open_library,
                pool=pool,
                analysis_seconds=time.monotonic() - began,
                finishing=lambda: keeper.seconds + _EXIT_SECONDS,
                on_preparing=console.say,
                on_progress=on_progress,
                on_judged=keeper.keep,
            )
        keeper.finish(match)
    except (KeyboardInterrupt, Exception) as error:
        # Whatever it is, wherever it comes from: what was kept stays, and the record says how the run ended.
        keeper.close()
        if keeper.match is None or isinstance(error, FileError):
            raise
        match = _ended_by(error, keeper.match)
        keeper = Keeper(group)
        keeper.finish(match)
    return match, keeper.records


def _ended_by(error: BaseException, match: Match) -> Match:
    """The state that was kept last, as the end of a run that an error or a signal ended."""
    if isinstance(error, KeyboardInterrupt):
        return replace(match, ended=Ended.INTERRUPTED, notices=(*match.notices, "interrupted: the best so far"))
    what = f"the run failed: {one_line(error)}"
    return replace(match, ended=Ended.FAILED, notices=(*match.notices, f"the best so far; {what}"), error=what)


def _library_opener(group: Group, console: Console) -> LibraryOpener:
    from inference.stages.library import library_opener

    options = group.options
    return library_opener(options.instrument, _host_maker(group), workers=options.workers, progress=console.preparing)


def _host_maker(group: Group) -> HostFactory:
    return functools.partial(group.options.instrument.hosts.open_host, group.options.where)


def _names(group: Group) -> list[str]:
    return [display_name(job.clip) for job in group.jobs]
