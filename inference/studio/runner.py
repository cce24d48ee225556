"""The run process as the server sees it: one run at a time, the others wait."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from inference.studio.messages import Event, Over, Ready, Stop, Wish
from inference.studio.run_process import SECONDS_TO_END, serve
from render.hosts.processes import signals_blocked

OnEvent = Callable[[str, Event], None]
"""Called in a thread of the runner with the name of the session and what happened in its run."""


class Runner:
    """Starts runs in a process of their own, and starts that process again if it dies.

    Args:
        instrument: name of the synth whose models are loaded at once.
        where: host that the runs search on.
        workers: number of processes that render.
        on_event: see ``OnEvent``.
    """

    def __init__(self, instrument: str, where: str, workers: int, on_event: OnEvent) -> None:
        self._arguments, self._on_event = (instrument, where, workers), on_event
        self._context = multiprocessing.get_context("spawn")
        self._lock = threading.Lock()
        self._waiting: deque[Wish] = deque()
        self._running: Wish | None = None
        self._closed = False
        self.ready = False
        self._start_process()

    @property
    def running(self) -> str | None:
        """Name of the session whose run is going on."""
        running = self._running
        return running.name if running is not None else None

    def start(self, wish: Wish) -> None:
        """Start a run, or have it wait for those before it."""
        with self._lock:
            if self._running is None:
                self._send(wish)
            else:
                self._waiting.append(wish)

    def position(self, name: str) -> int:
        """How many runs are before that of a session; 0 if it runs or none is wanted."""
        with self._lock:
            names = [wish.name for wish in self._waiting]
        return names.index(name) + 1 if name in names else 0

    def stop(self, name: str) -> None:
        """End the run of a session, which keeps its best so far, or forget that it waits."""
        with self._lock:
            if self._running is not None and self._running.name == name:
                with contextlib.suppress(OSError):
                    self._connection.send(Stop())
                return
            waiting = [wish for wish in self._waiting if wish.name != name]
            gone = len(waiting) < len(self._waiting)
            self._waiting = deque(waiting)
        if gone:
            self._on_event(name, Over(None))

    def close(self) -> None:
        """End the process; a run that is going on writes its best so far first."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
        with contextlib.suppress(OSError):
            self._connection.send(None)
        self._process.join(SECONDS_TO_END)
        if self._process.is_alive():
            self._process.kill()

    def _start_process(self) -> None:
        self._connection, theirs = self._context.Pipe()
        self._process: SpawnProcess = self._context.Process(
            target=serve, args=(theirs, *self._arguments), name="refine-runs"
        )
        with signals_blocked():
            self._process.start()
        theirs.close()
        threading.Thread(target=self._receive, args=(self._connection,), daemon=True).start()

    def _send(self, wish: Wish) -> None:
        self._running = wish
        with contextlib.suppress(OSError):  # it is dead: reading from it will say so
            self._connection.send(wish)

    def _receive(self, connection: Connection) -> None:
        while True:
            try:
                event = connection.recv()
            except (EOFError, OSError):
                break
            if isinstance(event, Ready):
                self.ready = True
                continue
            running = self._running
            if running is not None:
                if isinstance(event, Over):
                    self._next()
                self._on_event(running.name, event)
        lost = self._running
        with self._lock:
            if self._closed:
                return
            self._running, self.ready = None, False
            self._start_process()
            if self._waiting:
                self._send(self._waiting.popleft())
        if lost is not None:
            self._on_event(lost.name, Over(None, "the process of the run ended unexpectedly"))

    def _next(self) -> None:
        with self._lock:
            self._running = None
            if self._waiting:
                self._send(self._waiting.popleft())
