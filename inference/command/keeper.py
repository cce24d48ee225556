"""Writing the best match so far to disk during a run, so that it survives whatever ends the program."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

from inference.command.interruptions import held_off
from inference.command.jobs import Group
from inference.match import Match
from inference.output.files import write_match


class Keeper:
    """Writes the newest state of a run in a separate thread, so that the stages do not wait for it.

    A signal interrupts the main thread only, so a set of files is always written completely.

    Args:
        group: the clips of the run, and the names of their files.

    Attributes:
        match: the state that was written last, if any.
        records: its records, one for each clip.
        seconds: how long writing it took.
    """

    def __init__(self, group: Group) -> None:
        self.match: Match | None = None
        self.records: list[dict[str, Any]] = []
        self.seconds = 0.0
        self._jobs, self._identity = group.jobs, group.identity
        self._newest: Match | None = None
        self._closing = False
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._thread.start()

    def keep(self, match: Match) -> None:
        """Queue a state for writing; it replaces one that still waits."""
        with self._changed:
            self._newest = match
            self._changed.notify()

    def finish(self, match: Match) -> None:
        """Write the final state; signals are deferred.

        Raises:
            FileError: if it cannot be written; the files of the state before it are still there.
        """
        self.keep(match)
        self.close()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Wait until the queued state is written; closing twice is allowed."""
        while self._thread.is_alive():
            with contextlib.suppress(KeyboardInterrupt), held_off():
                with self._changed:
                    self._closing = True
                    self._changed.notify()
                self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._closing)
                match, self._newest = self._newest, None
            if match is None:
                return
            began = time.monotonic()
            try:
                pairs = zip(match.clips, self._jobs, strict=True)
                records = [write_match(match, one, job.clip, job.files, self._identity) for one, job in pairs]
                self.match, self.records, self._error = match, records, None
                self.seconds = time.monotonic() - began
            except Exception as error:  # a disk that is full now may have room when the run ends; else finish() tells
                self._error = error
