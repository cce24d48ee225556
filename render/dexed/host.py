"""The host of Dexed: its engine in this process. The only module that imports ``dexed``.

The engine plays every note from the same state, so that every render is clean.
"""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec

import numpy as np

from render.audio import Audio
from render.dexed.table import TABLE
from render.dexed.voice import voice_of
from render.errors import HostError
from render.instruments.host import EMBEDDED, Host, HostInfo
from render.instruments.patch import Patch
from render.note import SAMPLE_RATE, Note

PACKAGE = "dexed-py"
_ALL_OPERATORS_ON = 0x3F


class DexedHost:
    """Plays patches of Dexed.

    Raises:
        HostError: if the engine is not installed.

    Example:
        >>> DexedHost().render(TABLE.default, Note(60)).shape  # doctest: +SKIP
        (2, 88200)
    """

    def __init__(self) -> None:
        check_installed()
        from dexed import DexedSynth

        self._engine = DexedSynth(SAMPLE_RATE)
        self._closed = False

    @property
    def info(self) -> HostInfo:
        """The engine's name and version."""
        return HostInfo("embedded", TABLE.title, f"{PACKAGE} {version(PACKAGE)}")

    def render(self, patch: Patch, note: Note, *, seed: int = 0, clean: bool = True) -> Audio:
        """See ``Host.render``; every render is clean, and nothing depends on the seed."""
        if self._closed:
            raise HostError("the host is closed")
        if note.chord:
            raise HostError("Dexed's engine plays one key at a time")
        self._engine._synth.load_sysex(voice_of(patch) + bytes((_ALL_OPERATORS_ON,)))
        seconds = (note.n_samples + 0.5) / SAMPLE_RATE  # the engine truncates seconds to samples
        mono = self._engine.render(note.number, note.velocity, note.gate_seconds, seconds)
        level = TABLE.level
        assert level is not None
        mono = np.asarray(mono[: note.n_samples], np.float32) * np.float32(level.curve.setting(patch[level.name]))
        if not np.isfinite(mono).all():
            raise HostError("Dexed's engine returned samples that are not finite numbers")
        return np.stack([mono, mono])

    def close(self) -> None:
        """Release the engine."""
        self._closed = True


def check_installed() -> None:
    """Raise a ``HostError`` with the command that installs the engine if it is missing."""
    if find_spec("dexed") is None:
        raise HostError("Dexed needs the package dexed-py: pip install 'synth-reconstruct[dexed]'")


def choose_host(where: str | None = None) -> tuple[str, tuple[str, ...]]:
    """The host to open: always the engine; raises ``HostError`` if another one is asked for, or it is missing."""
    _check(where or EMBEDDED)
    return EMBEDDED, ()


def open_host(where: str = EMBEDDED) -> Host:
    """Open the engine in this process; raises ``HostError``."""
    _check(where)
    return DexedHost()


def _check(where: str) -> None:
    if where != EMBEDDED:
        raise HostError(f"Dexed is played by its engine, not by {where}; allowed: {EMBEDDED}")
    check_installed()
