"""The process in which the studio's runs take place, one after the other, with the models kept loaded.

It ends when the server does, however that ends: its pipe closes, which interrupts a run politely, so that the best so
far is written.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.studio.messages import Event, Found, Judged, Notice, Over, Progress, Ready, Wish
from render.errors import one_line
from render.hosts.processes import leave_signals_to_parent

if TYPE_CHECKING:
    from inference.candidate import Candidate
    from inference.clip.target import Target
    from inference.command.jobs import Group
    from inference.leaderboard import Leaderboard
    from inference.match import Match
    from inference.options import Options
    from inference.ports import Models
    from inference.stages.library import LibraryOpener
    from render.hosts.pool import Pool

_PROGRESS_SECONDS, _OTHERS_SECONDS = 0.2, 0.7
"""Shortest times between two messages of a kind; which candidates differ takes some milliseconds to find out."""
_LOOKED_AT = 16  # candidates among which different ones are looked for
SECONDS_TO_END = 10.0
"""Without a server the process writes the best so far of a run and ends; compiling, for one, is not waited for."""

_NICENESS = 15  # so that neither the page nor a knob's turn waits for the search


def serve(connection: Connection, instrument: str, where: str, workers: int) -> None:
    """Body of the process.

    Args:
        connection: pipe to the server: wishes and stops come in, events go out.
        instrument: name of the synth whose models are loaded at once.
        where: host that the workers open at once.
        workers: number of processes that render.
    """
    leave_signals_to_parent()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["PYTHONSAFEPATH"] = "1"
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    wishes: queue.SimpleQueue[Wish | None] = queue.SimpleQueue()
    stopped = threading.Event()
    threading.Thread(target=_listen, args=(connection, wishes, stopped), daemon=True).start()
    runs = _Runs(connection.send, stopped)
    runs.warm_up(instrument, where, workers)
    while (wish := wishes.get()) is not None:
        try:
            runs.run(wish)
        except OSError:  # the server is gone
            return
        stopped.clear()


def _listen(connection: Connection, wishes: queue.SimpleQueue[Wish | None], stopped: threading.Event) -> None:
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            message = None
        if isinstance(message, Wish):
            wishes.put(message)
            continue
        stopped.set()
        if message is None:
            wishes.put(None)
            time.sleep(SECONDS_TO_END)
            os._exit(1)


class _Runs:
    def __init__(self, send: Callable[[Event], None], stopped: threading.Event) -> None:
        self._send, self._stopped = send, stopped
        self._models: dict[tuple[str, str, int], Models] = {}
        self._libraries: dict[tuple[str, str], LibraryOpener] = {}
        self._spare: tuple[str, str, Pool[Any, Any]] | None = None

    def warm_up(self, instrument: str, where: str, workers: int) -> None:
        """Load what every run needs, which takes some seconds, and half a minute where nothing is compiled yet."""
        from inference.options import Options
        from render.synths import synth

        options = Options(synth(instrument), where=where, workers=workers)
        self._models_for(options)
        self._start_workers(options)
        import inference.pipeline
        import inference.stages.search  # noqa: F401

        with contextlib.suppress(OSError):
            self._send(Ready())

    def run(self, wish: Wish) -> None:
        """Run, and tell how it ended."""
        from inference.command.refining import refined

        record, error = None, ""
        listener = _Listener(self._send, self._stopped, wish.candidates)
        group = _group(wish)
        try:
            models, library = self._models_for(group.options), self._library_for(group.options)
            pool = self._started_workers(group.options)
            match, (record,) = refined(group, library, listener, targets=[wish.target], models=models, pool=pool)
            error = match.error
        except KeyboardInterrupt:
            error = "stopped before there was a match"
        except Exception as failure:  # whatever it is, the page says it, and the next run may do better
            error = one_line(failure)
        self._send(Over(record, error))
        self._start_workers(group.options)

    def _start_workers(self, options: Options) -> None:
        """Have workers open their hosts for the run that may come next."""
        from inference.evaluate import start_workers

        make_host = functools.partial(options.instrument.hosts.open_host, options.where)
        self._spare = options.instrument.name, options.where, start_workers(make_host, options.workers)

    def _started_workers(self, options: Options) -> Pool[Any, Any] | None:
        """The workers that were started for this run; None if they have another host."""
        spare, self._spare = self._spare, None
        if spare is None:
            return None
        if spare[:2] == (options.instrument.name, options.where):
            return spare[2]
        spare[2].close()
        return None

    def _models_for(self, options: Options) -> Models:
        from inference.stages.models import load_models

        key = options.instrument.name, options.where, options.workers
        if key not in self._models:
            self._models[key] = load_models(options)
        return self._models[key]

    def _library_for(self, options: Options) -> LibraryOpener:
        from inference.stages.library import library_opener

        key = options.instrument.name, options.where
        if key not in self._libraries:
            make_host = functools.partial(options.instrument.hosts.open_host, options.where)
            self._libraries[key] = library_opener(
                options.instrument, make_host, workers=options.workers, progress=self._preparing
            )
        return self._libraries[key]

    def _preparing(self, done: int, count: int) -> None:
        if count and done % max(count // 10, 1) == 0:
            self._send(Notice(f"rendering the library, once: {done} of {count}"))


def _group(wish: Wish) -> Group:
    from inference.command.jobs import Group, Job
    from inference.constraints import Constraints
    from inference.options import Options
    from inference.output.files import suffixes
    from inference.output.names import plan_results
    from render.synths import synth

    instrument, target = synth(wish.instrument), wish.target
    (files,) = plan_results([wish.clip], wish.folder, suffixes(instrument), wish.candidates)
    note = target.note
    job = Job(
        wish.clip,
        files,
        target.fixed_keys,
        note.velocity,
        note.gate_seconds if target.gate_fixed else None,
        target.focus,
    )
    options = Options(
        instrument,
        where=wish.where,
        seconds=wish.seconds,
        candidates=wish.candidates,
        start=wish.start,
        resumed=wish.resumed,
        constraints=Constraints(wish.locked),
        rounds=wish.rounds,
        workers=wish.workers,
    )
    return Group((job,), options)


class _Listener:
    """Sends what happens in a run to the server."""

    def __init__(self, send: Callable[[Event], None], stopped: threading.Event, wanted: int) -> None:
        self._send, self._stopped, self._wanted = send, stopped, wanted
        self._progress_sent = self._others_sent = 0.0
        self._best: Candidate | None = None
        self._others: tuple[Candidate, ...] = ()

    def analysed(self, clip: Path, target: Target) -> None:
        """Nothing is sent: the page has analysed the clip already."""

    def say(self, text: str) -> None:
        """Tell what happens before the run."""
        self._send(Notice(text))

    def judged(self, match: Match) -> None:
        """Send the result of a stage, and the candidates."""
        if match.stages:
            stage = match.stages[-1]
            self._send(Judged(stage.name, stage.best.mss))
        self._send(Found(tuple(confirmed.candidate for confirmed in match.best)))

    @contextlib.contextmanager
    def progress(self) -> Iterator[Callable[[Leaderboard], None]]:
        """Send the progress of the run a few times a second."""
        yield self._progress

    def _progress(self, board: Leaderboard) -> None:
        if self._stopped.is_set():
            raise KeyboardInterrupt
        now = time.monotonic()
        if now - self._progress_sent >= _PROGRESS_SECONDS:
            self._progress_sent = now
            budget = board.budget
            left = max((budget.seconds or 0.0) - budget.elapsed(), 0.0)
            loss = board.best[0].loss if board.best else None
            self._send(Progress(board.stage, budget.elapsed(), left, budget.n_renders, loss))
        if board.best and board.best[0] is not self._best:
            self._best, found_at = board.best[0], time.time()
            if now - self._others_sent >= _OTHERS_SECONDS:
                from inference.judge import different

                self._others_sent = now
                self._others = tuple(different(board.best[:_LOOKED_AT], self._wanted)[1:])
            others = (other for other in self._others if other is not self._best)
            self._send(Found((self._best, *others), found_at))
