"""The fake host as the tests of data sets and libraries want it: some stereo, and able to fail."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np

from render.audio import Audio
from render.errors import HostError
from render.instruments.patch import Patch
from render.note import Note
from tests.fake_host import FakeHost


class ScaleHost(FakeHost):
    """Its renders are stereo where chorus 1 is on.

    Args:
        kill_marker: the first render of a note above 70 kills the process if this file does not exist, and makes it.
        broken: every render raises.
    """

    def __init__(self, kill_marker: str | None = None, *, broken: bool = False) -> None:
        super().__init__()
        self._kill_marker = kill_marker
        self._broken = broken

    def render(self, patch: Patch, note: Note, *, seed: int = 0, clean: bool = True) -> Audio:
        if self._broken:
            raise HostError("no sound today")
        if self._kill_marker is not None and note.number > 70 and not Path(self._kill_marker).exists():
            Path(self._kill_marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        audio = super().render(patch, note, seed=seed, clean=clean)
        sides = (1.0, 0.5) if patch.choice("chorus1enable") == "on" else (1.0, 1.0)
        return audio * np.array(sides, np.float32)[:, None]


def make_killer(marker: str) -> ScaleHost:
    """A host that kills its process once."""
    return ScaleHost(marker)


def make_broken() -> ScaleHost:
    """A host that cannot render."""
    return ScaleHost(broken=True)


def make_any(where: str) -> ScaleHost:
    """In place of ``open_host``."""
    return ScaleHost()
