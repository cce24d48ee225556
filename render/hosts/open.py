"""Choosing a host and opening it."""

from __future__ import annotations

import multiprocessing
import os

from render.hosts.protocol import Host

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
    from render.hosts.plugin_files import PLUGIN_VARIABLE, find_plugins

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
        from render.noisemaker.engine.host import EmbeddedHost

        return EmbeddedHost()
    from render.hosts.plugin import PluginHost, check_plugin

    if multiprocessing.parent_process() is None:
        check_plugin(where)
    return PluginHost(where)
