"""The hosts that play NoiseMaker: the embedded engine, and the plug-in where one is installed."""

from __future__ import annotations

import multiprocessing
import os
import re
from pathlib import Path

from render.errors import HostError
from render.hosts.plugin_files import find_plugins
from render.instruments.host import EMBEDDED, Host

PLUGIN_VARIABLE = "NOISEMAKER_PLUGIN"
"""Environment variable that names the plug-in."""

FILE_NAME = re.compile(r"^(lib)?(tal)?noi[sz]emak[e3]r(vst2?|x?64)?$")
"""File names of TAL-NoiseMaker's releases and ports, as ``plugin_files.normalised`` returns them."""


def installed_plugins() -> list[Path]:
    """Every TAL-NoiseMaker in the standard plug-in folders, the preferred format first."""
    return find_plugins(FILE_NAME)


def choose_host(where: str | None = None) -> tuple[str, tuple[str, ...]]:
    """Choose the host: the one that was asked for, else an installed plug-in that can be used, else the embedded one.

    Args:
        where: the host that the user asks for, if any: ``embedded`` or the path of a plug-in.

    Returns:
        ``where``, the value of the environment variable ``NOISEMAKER_PLUGIN``, the path of an installed plug-in, or
        ``embedded``; and a notice for each installed plug-in that cannot be used.
    """
    asked = where or os.environ.get(PLUGIN_VARIABLE)
    if asked:
        return asked, ()
    from render.hosts.plugin import check_plugin
    from render.noisemaker.plugin import ADAPTER

    notices = []
    for path in installed_plugins():
        try:
            check_plugin(path, ADAPTER)
        except HostError as error:
            notices.append(f"{error}")
        else:
            return str(path), tuple(notices)
    return EMBEDDED, tuple(notices)


def open_host(where: str = EMBEDDED) -> Host:
    """Open a host in this process.

    A plug-in is first opened in a process of its own, so that one that crashes does no harm; in a worker of a pool this
    is not necessary.

    Args:
        where: ``embedded``, or the path of a TAL-NoiseMaker plug-in.

    Raises:
        HostError: if it cannot be opened.

    Example:
        >>> from render.noisemaker.table import TABLE
        >>> from render.note import Note
        >>> host = open_host()
        >>> host.render(TABLE.default, Note(60, seconds=0.5)).shape
        (2, 22050)
    """
    if where == EMBEDDED:
        from render.noisemaker.engine.host import EmbeddedHost

        return EmbeddedHost()
    from render.hosts.plugin import PluginHost, check_plugin
    from render.noisemaker.plugin import ADAPTER

    if multiprocessing.parent_process() is None:
        check_plugin(where, ADAPTER)
    return PluginHost(where, ADAPTER)
