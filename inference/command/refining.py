"""Refining the clips of one group; the best match so far is always on disk."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from inference.clip.target import Target, read_target
from inference.command.interruptions import raise_again
from inference.command.jobs import Group
from inference.command.keeper import Keeper
from inference.evaluate import start_workers
from inference.match import Ended
from render.errors import FileError, one_line
from render.hosts.pool import Pool

if TYPE_CHECKING:
    from inference.leaderboard import Leaderboard
    from inference.match import Match
    from inference.ports import Models
    from inference.stages.library import LibraryOpener


_EXIT_SECONDS = 0.25  # from the last file to the prompt
_TRIAL_SECONDS, _LESSON_SECONDS = 0.3, 0.02  # for each match and one more, and for each preset of a bank


class Listener(Protocol):
    """An observer of a run: the terminal, or the studio."""

    def analysed(self, clip: Path, target: Target) -> None:
        """Called with the target that was read from a clip."""

    def progress(self) -> contextlib.AbstractContextManager[Callable[[Leaderboard], None]]:
        """A context whose function is called after every render and descent step."""

    def say(self, text: str) -> None:
        """Called with notices before the run."""

    def judged(self, match: Match) -> None:
        """Called with the best so far whenever a stage has been judged."""


def refined(
    group: Group,
    open_library: LibraryOpener,
    listener: Listener,
    *,
    targets: Sequence[Target] | None = None,
    models: Models | None = None,
    pool: Pool[Any, Any] | None = None,
    began: float | None = None,
) -> tuple[Match, list[dict[str, Any]]]:
    """Refine the clips of a group; their files are written whenever a stage has been judged, and at the end.

    Args:
        group: the clips and the options.
        open_library: returns the library for a host.
        listener: observer of the run.
        targets: targets of the clips, if they were already read.
        models: the models, if they are already loaded.
        pool: workers that were already started; they are ended.
        began: when the budget began to count, in the time of ``time.monotonic``.

    Returns:
        The match, and the record of each clip.

    Raises:
        ReconstructError: if there is no match.
        KeyboardInterrupt: if the run was interrupted before there was a match.
    """
    began = time.monotonic() if began is None else began
    make_host = functools.partial(group.options.instrument.hosts.open_host, group.options.where)
    with pool or start_workers(make_host, group.options.workers) as workers:  # they open their hosts meanwhile
        return _refined_by(workers, group, open_library, listener, targets, models, began)


def _refined_by(
    pool: Pool[Any, Any],
    group: Group,
    open_library: LibraryOpener,
    listener: Listener,
    targets: Sequence[Target] | None,
    models: Models | None,
    began: float,
) -> tuple[Match, list[dict[str, Any]]]:
    from inference.pipeline import refine

    jobs = group.jobs
    if targets is None:
        targets = [
            read_target(job.clip, note=job.note, velocity=job.velocity, gate_seconds=job.gate_seconds, focus=job.focus)
            for job in jobs
        ]
    for job, target in zip(jobs, targets, strict=True):
        listener.analysed(job.clip, target)
    keeper = Keeper(group)

    def on_judged(match: Match) -> None:
        keeper.keep(match)
        listener.judged(match)

    try:
        with listener.progress() as show:

            def on_progress(board: Leaderboard) -> None:
                raise_again()
                show(board)

            match = refine(
                targets,
                group.options,
                open_library=open_library,
                models=models,
                pool=pool,
                analysis_seconds=time.monotonic() - began,
                finishing=lambda: keeper.seconds + _after_seconds(group),
                on_preparing=listener.say,
                on_progress=on_progress,
                on_judged=on_judged,
                tries_out=True,
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


def _after_seconds(group: Group) -> float:
    """Seconds that a run needs after its last stage beside writing: for trials on other keys, and to end."""
    options = group.options
    return _EXIT_SECONDS + _TRIAL_SECONDS * (options.candidates + 1) + _LESSON_SECONDS * len(options.bank)


def _ended_by(error: BaseException, match: Match) -> Match:
    """The state that was written last, as the result of a run that an error or a signal ended."""
    if isinstance(error, KeyboardInterrupt):
        return replace(match, ended=Ended.INTERRUPTED, notices=(*match.notices, "interrupted: the best so far"))
    what = f"the run failed: {one_line(error)}"
    return replace(match, ended=Ended.FAILED, notices=(*match.notices, f"the best so far; {what}"), error=what)
