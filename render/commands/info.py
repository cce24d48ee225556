"""``python -m render info``: the hosts, whether renders of the chosen one are repeatable, and how fast it is."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import cycle

import numpy as np

from render.hosts.pool import Pool
from render.instruments.host import EMBEDDED, Host, HostInfo
from render.noisemaker.hosts import choose_host, installed_plugins
from render.noisemaker.table import TABLE
from render.noisemaker.trials.auditions import ENDLESS, RICH
from render.note import SAMPLE_RATE, Note

SECONDS_PER_SPEED = 3.0

_NOTE = Note(60)


@dataclass(frozen=True, slots=True)
class Examination:
    """Measurements of a host.

    Attributes:
        info: identity of the host.
        seconds_to_open: time to open it, checks included.
        repeatable: whether a clean render is bit-identical when repeated after others, one with an endless delay among
            them.
        floor_mss: MSS in dB between two clean renders of one patch with different seeds and, for a plug-in, phases.
        clean_per_second: clean renders of 2 s per second, one at a time.
        fast_per_second: fast renders of 2 s per second, one at a time.
    """

    info: HostInfo
    seconds_to_open: float
    repeatable: bool
    floor_mss: float
    clean_per_second: float
    fast_per_second: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--plugin",
        metavar="PATH|embedded",
        help="default: $NOISEMAKER_PLUGIN, else an installed plug-in, else embedded",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from render.hosts.plugin_files import plugin_format

    installed = installed_plugins()
    for path in installed:
        print(f"installed    {path} ({plugin_format(path)})")
    if not installed:
        print("installed    no TAL-NoiseMaker in the standard plug-in folders")
    where, notices = choose_host(arguments.plugin)
    for notice in notices:
        print(f"unusable     {notice}")
    print(f"chosen       {where}")
    found = examine(where)
    print(f"host         {found.info.name} {found.info.version}, opened in {found.seconds_to_open:.2f} s")
    if where != EMBEDDED:
        print(f"table        all {len(TABLE.names)} parameters found by name, and the cutoff changes the sound")
    print(f"clean        {'bit-equal in any order' if found.repeatable else 'NOT repeatable'}")
    print(f"floor        {found.floor_mss:.2f} dB of MSS between two renders of one patch")
    print(
        f"speed        {found.clean_per_second:.0f} clean and {found.fast_per_second:.0f} fast renders per second,"
        " of 2 s each"
    )
    return 0 if found.repeatable else 1


def examine(where: str) -> Examination:
    """Open a host in a process of its own and measure it, in about ten seconds.

    Args:
        where: ``embedded``, or the path of a plug-in.

    Raises:
        HostError: if the host cannot be used; the message says why, in one line.
    """
    from render.hosts.plugin import check_plugin
    from render.noisemaker.plugin import ADAPTER

    if where != EMBEDDED:
        check_plugin(where, ADAPTER)
    with Pool(partial(_make_worker, where), 1) as pool:
        return pool.submit(None).result()


def _make_worker(where: str) -> Callable[[None], Examination]:
    from render.noisemaker.hosts import open_host

    start = time.perf_counter()
    host = open_host(where)
    seconds = time.perf_counter() - start
    return lambda _: _examine(host, seconds)


def _examine(host: Host, seconds_to_open: float) -> Examination:
    from render.hosts.plugin import PluginHost
    from render.measures.metrics import mss

    plain, rich = host.render(TABLE.default, _NOTE), host.render(RICH, _NOTE)
    host.render(ENDLESS, _NOTE)
    host.render(ENDLESS, _NOTE, clean=False)
    again = host.render(RICH, _NOTE), host.render(TABLE.default, _NOTE)
    other = host.rendered_again(RICH, _NOTE) if isinstance(host, PluginHost) else host.render(RICH, _NOTE, seed=1)
    return Examination(
        info=host.info,
        seconds_to_open=seconds_to_open,
        repeatable=np.array_equal(rich, again[0]) and np.array_equal(plain, again[1]),
        floor_mss=mss(rich, other, SAMPLE_RATE),
        clean_per_second=_speed(host, clean=True),
        fast_per_second=_speed(host, clean=False),
    )


def _speed(host: Host, *, clean: bool) -> float:
    start = time.perf_counter()
    for n_done, patch in enumerate(cycle((TABLE.default, RICH))):
        elapsed = time.perf_counter() - start
        if elapsed > SECONDS_PER_SPEED:
            return n_done / elapsed
        host.render(patch, _NOTE, clean=clean)
    raise AssertionError("unreachable")
