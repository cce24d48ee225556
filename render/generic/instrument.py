"""A described plug-in as an instrument."""

from __future__ import annotations

import functools
import hashlib
import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from render.errors import HostError, OutOfRange
from render.files import cache_folder
from render.generic.description import LEVEL, Description, read_description, table_of, write_description
from render.generic.presets import PluginPresets
from render.instruments.draws import draw_note, generator, hash_of_draws
from render.instruments.host import EMBEDDED, Host
from render.instruments.instrument import Instrument, Prior
from render.instruments.parameter import Role
from render.instruments.patch import Patch
from render.instruments.plugin_adapter import PluginAdapter
from render.note import Note

LIBRARY_DRAWS = {60: 300}
"""Draws for the library of a plug-in; few, because they are rendered when the plug-in is first used."""


@dataclass(frozen=True)
class PluginHosts:
    """The one host of a described plug-in: the plug-in itself.

    Attributes:
        path: file of the description.
    """

    path: Path

    def choose_host(self, where: str | None = None) -> tuple[str, tuple[str, ...]]:
        """The described plug-in, or the same one at another path."""
        return where or read_description(self.path).plugin, ()

    def open_host(self, where: str = EMBEDDED) -> Host:
        """Open the plug-in in this process, after a test in another one; raises ``HostError``."""
        from render.hosts.plugin import PluginHost, check_plugin

        description = read_description(self.path)
        adapter, plugin = adapter_of(self.path), description.plugin if where == EMBEDDED else where
        if multiprocessing.parent_process() is None:
            check_plugin(plugin, adapter)
        return PluginHost(plugin, adapter)


def plugin_instrument(plugin: str | None) -> Instrument:
    """The instrument of a plug-in; its description is made on first use and kept in the cache folder.

    Raises:
        OutOfRange: if no plug-in is named.
        HostError: if it cannot be used.
    """
    if plugin is None or plugin == EMBEDDED:
        raise OutOfRange("--plugin", plugin, "the path of a plug-in, for --synth generic")
    return described(kept_description(Path(plugin)))


def kept_description(plugin: Path) -> Path:
    """The file with the description of a plug-in, which is made if it is missing or the plug-in has changed."""
    from render.generic.probe import describe_plugin

    try:
        state = plugin.stat()
    except OSError as error:
        raise HostError(f"no plug-in at {plugin}; allowed: an existing file") from error
    identity = hashlib.sha256(repr((str(plugin.absolute()), state.st_size, state.st_mtime_ns)).encode()).hexdigest()[:8]
    path = cache_folder() / "plugins" / f"{plugin.stem}-{identity}.json"
    if not path.exists():
        write_description(path, describe_plugin(plugin))
    return path


def described(path: Path) -> Instrument:
    """The instrument of a description; raises ``FileError`` or ``FormatError``."""
    path = path.absolute()
    table = table_of(path)
    draw = functools.partial(draw_of, path)
    return Instrument(
        chords=True,
        name=str(path),
        table=table,
        presets=PluginPresets(path),
        hosts=PluginHosts(path),
        prior=Prior(draw, functools.partial(_hash, path)),
        library_draws=LIBRARY_DRAWS,
    )


def draw_of(path: Path, seed: int, index: int, attempt: int = 0) -> tuple[Patch, Note]:
    """Draw a patch, some of whose parameters are uniform and the others at their defaults, and a note."""
    rng = generator(seed, index, attempt)
    table = table_of(path)
    share = rng.uniform(0.2, 0.9)
    knobs = {}
    for row in table.parameters:
        if row.role is not Role.LEVEL and not row.silent and rng.random() < share:
            knobs[row.name] = row.snap(float(np.round(rng.random(), 4)))
    return table.patch(knobs), draw_note(rng)


def _hash(path: Path) -> str:
    return hash_of_draws(functools.partial(draw_of, path))


def adapter_of(path: Path) -> PluginAdapter:
    """How the patches are played on the plug-in."""
    description, table = read_description(path), table_of(path)
    labels = {p.name: (p.label,) for p in description.rows()}
    return PluginAdapter(names=labels, proof=_proof(description, table.default))


def _proof(description: Description, default: Patch) -> tuple[Patch, Patch]:
    """The default patch, and one in which every parameter that sounds is moved."""
    moved = {}
    for parameter in description.rows():
        if parameter.role != LEVEL:
            moved[parameter.name] = 0.3 if parameter.default > 0.5 else 0.7
    return default.with_knobs(moved), default
