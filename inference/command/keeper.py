"""Keeping the best so far on disk while a run goes on, so that nothing that ends the program can lose it."""

from __future__ import annotations

import threading
from typing import Any

from inference.command.jobs import Group
from inference.match import Match
from inference.output.files import write_match
from render.errors import ReconstructError


class Keeper:
    """Writes the newest state of a run in a thread of its own: the stages do not wait for it.

    A signal that ends the run interrupts the main thread only, so a set of files that is being written becomes whole.

    Args:
        group: the clips of the run, and where their files go.
    """

    def __init__(self, group: Group) -> None:
        self._jobs, self._identity = group.jobs, group.identity
        self._newest: Match | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._thread.start()

    def keep(self, match: Match) -> None:
        """Have a state written; one that still waits to be written is passed over."""
        with self._changed:
            self._newest = match
            self._changed.notify()

    def finish(self, match: Match) -> list[dict[str, Any]]:
        """Write the final state and return the record of each clip; raises ``FileError``."""
        self.close()
        return self._write(match)

    def close(self) -> None:
        """Wait until what was given is written; closing twice is allowed."""
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
            try:
                self._write(match)
            except ReconstructError:  # a disk that is full now may have room when the run ends; else finish() tells
                continue

    def _write(self, match: Match) -> list[dict[str, Any]]:
        pairs = zip(match.clips, self._jobs, strict=True)
        return [write_match(match, clip_match, job.clip, job.files, self._identity) for clip_match, job in pairs]
