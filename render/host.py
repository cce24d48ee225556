"""What every host of the synthesizer offers, whatever is behind it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from render.note import Note
from render.patch import Patch

Audio = NDArray[np.float32]
"""Samples at ``SAMPLE_RATE``, shape ``(channels, samples)``."""


@dataclass(frozen=True, slots=True)
class HostInfo:
    """What a result file says about where its renders came from.

    Attributes:
        kind: ``embedded``, ``plugin`` or ``fake``.
        name: name of the instrument.
        version: version of the instrument, as far as it can be known.
        path: of a plug-in.
        class_id: of a VST3, which its preset files carry.
    """

    kind: str
    name: str
    version: str
    path: str | None = None
    class_id: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """Plain form for JSON."""
        return asdict(self)


class Host(Protocol):
    """Something that plays patches. ``render`` and ``close`` are all that an implementation writes."""

    @property
    def info(self) -> HostInfo:
        """What this host is."""
        ...

    def render(self, patch: Patch, note: Note, *, seed: int = 0, clean: bool = True) -> Audio:
        """Play one note.

        Args:
            patch: what to play it with.
            note: the key press and the length of the render.
            seed: of whatever the instrument draws at random; the same seed gives the same audio from a clean render.
            clean: whether nothing of earlier renders may be heard; a host may be faster without.

        Returns:
            Audio of shape ``(2, note.n_samples)``, the key press at sample 0.

        Raises:
            HostError: if the host fails.
        """
        ...

    def render_many(self, jobs: Iterable[tuple[Patch, Note]], *, seed: int = 0, clean: bool = True) -> Iterator[Audio]:
        """``render`` for each job, in order."""
        for patch, note in jobs:
            yield self.render(patch, note, seed=seed, clean=clean)

    def close(self) -> None:
        """Give back what the host holds; closing twice is allowed."""
        ...


EMBEDDED = "embedded"
"""What ``--plugin`` says for the embedded host."""


def choose_host(where: str | None = None) -> str:
    """Which host to open: the one asked for, else the plug-in that is found, else the embedded one.

    Args:
        where: the value of ``--plugin``, if it was given.

    Returns:
        ``where``, the value of the environment variable ``NOISEMAKER_PLUGIN``, the path of an installed plug-in, or
        ``embedded``.
    """
    from render.plugin_files import PLUGIN_VARIABLE, find_plugins

    asked = where or os.environ.get(PLUGIN_VARIABLE)
    if asked:
        return asked
    return next((str(path) for path in find_plugins()), EMBEDDED)


def open_host(where: str = EMBEDDED) -> Host:
    """Open a host in this process.

    A plug-in is tried in a process of its own first, so that one that crashes on load does no harm here; a worker of a
    pool is such a process already.

    Args:
        where: ``embedded``, or the path of a TAL-NoiseMaker plug-in.

    Raises:
        HostError: if it cannot be opened.
    """
    if where == EMBEDDED:
        from render.embedded import EmbeddedHost

        return EmbeddedHost()
    from render.plugin import PluginHost, check_plugin

    if multiprocessing.parent_process() is None:
        check_plugin(where)
    return PluginHost(where)
