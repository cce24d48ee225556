"""A NoiseMaker for which every file is a plug-in: the embedded engine with brighter filters, of the file's version."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from render.audio import Audio
from render.errors import HostError
from render.instruments.host import EMBEDDED, Host, HostInfo
from render.instruments.patch import Patch
from render.noisemaker.instrument import NOISEMAKER
from render.note import Note


class BrighterPlugin:
    """Plays a patch with its cutoff raised."""

    def __init__(self, path: str) -> None:
        try:
            version = Path(path).read_text()
        except OSError as error:
            raise HostError(f"no plug-in at {path}") from error
        self.info = HostInfo("plugin", "TAL-NoiseMaker", version, path)
        self._host = NOISEMAKER.hosts.open_host()

    def render(self, patch: Patch, note: Note, *, seed: int = 0, clean: bool = True) -> Audio:
        raised = patch.with_knobs({"cutoff": min(patch["cutoff"] + 0.05, 1.0)})
        return self._host.render(raised, note, seed=seed, clean=clean)

    def close(self) -> None:
        self._host.close()


class BrighterHosts:
    """Where no plug-in is asked for, none is installed."""

    def choose_host(self, where: str | None = None) -> tuple[str, tuple[str, ...]]:
        return where or EMBEDDED, ()

    def open_host(self, where: str = EMBEDDED) -> Host:
        return NOISEMAKER.hosts.open_host() if where == EMBEDDED else BrighterPlugin(where)


BRIGHTER = dataclasses.replace(NOISEMAKER, hosts=BrighterHosts())
