"""``python -m render info``: the hosts, whether renders of the chosen one are repeatable, and how fast it is."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle

import numpy as np

from render.command_line import add_synth_arguments
from render.hosts.pool import Pool
from render.instruments.host import EMBEDDED, Host, HostInfo
from render.instruments.instrument import Instrument
from render.instruments.patch import Patch
from render.note import SAMPLE_RATE, Note
from render.synths import synth

SECONDS_PER_SPEED = 3.0

_NOTE = Note(60)


@dataclass(frozen=True, slots=True)
class Examination:
    """Measurements of a host.

    Attributes:
        info: identity of the host.
        seconds_to_open: time to open it, checks included.
        repeatable: whether a clean render is bit-identical when it is repeated after others, including one with an
            endless delay.
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
    add_synth_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from render.hosts.plugin_files import plugin_format

    instrument = synth(arguments.synth, arguments.plugin)
    if instrument.installed is not None:
        installed = instrument.installed()
        for path in installed:
            print(f"installed    {path} ({plugin_format(path)})")
        if not installed:
            print(f"installed    no {instrument.title} in the standard plug-in folders")
    where, notices = instrument.hosts.choose_host(arguments.plugin)
    for notice in notices:
        print(f"unusable     {notice}")
    print(f"chosen       {where}")
    found = examine(instrument, where)
    print(f"host         {found.info.name} {found.info.version}, opened in {found.seconds_to_open:.2f} s")
    n_parameters = len(instrument.table.names)
    if where != EMBEDDED:
        print(f"table        all {n_parameters} parameters found by name, and a change of them changes the sound")
    else:
        print(f"table        {n_parameters} parameters")
    print(f"clean        {'bit-equal in any order' if found.repeatable else 'NOT repeatable'}")
    print(f"floor        {found.floor_mss:.2f} dB of MSS between two renders of one patch")
    print(
        f"speed        {found.clean_per_second:.0f} clean and {found.fast_per_second:.0f} fast renders per second,"
        " of 2 s each"
    )
    return 0 if found.repeatable else 1


def examine(instrument: Instrument, where: str) -> Examination:
    """Open a host in a process of its own and measure it, in about ten seconds.

    Args:
        instrument: synth that the host plays.
        where: ``embedded``, or the path of a plug-in.

    Raises:
        HostError: if the host cannot be used; the message says why, in one line.
    """
    if where != EMBEDDED:
        instrument.hosts.open_host(where).close()  # tries a plug-in where a crash does no harm, and says what is wrong
    with Pool(partial(_make_worker, instrument.name, where), 1) as pool:
        return pool.submit(None).result()


def _make_worker(name: str, where: str) -> Callable[[None], Examination]:
    instrument = synth(name)
    start = time.perf_counter()
    host = instrument.hosts.open_host(where)
    seconds = time.perf_counter() - start
    return lambda _: _examine(host, instrument, seconds)


def _examine(host: Host, instrument: Instrument, seconds_to_open: float) -> Examination:
    from render.hosts.plugin import PluginHost
    from render.measures.metrics import mss

    default = instrument.table.default
    rich_patch, endless = instrument.auditions or (default, default)
    plain, rich = host.render(default, _NOTE), host.render(rich_patch, _NOTE)
    host.render(endless, _NOTE)
    host.render(endless, _NOTE, clean=False)
    again = host.render(rich_patch, _NOTE), host.render(default, _NOTE)
    if isinstance(host, PluginHost):
        other = host.rendered_again(rich_patch, _NOTE)
    else:
        other = host.render(rich_patch, _NOTE, seed=1)
    patches = (default, rich_patch)
    return Examination(
        info=host.info,
        seconds_to_open=seconds_to_open,
        repeatable=np.array_equal(rich, again[0]) and np.array_equal(plain, again[1]),
        floor_mss=mss(rich, other, SAMPLE_RATE),
        clean_per_second=_speed(host, patches, clean=True),
        fast_per_second=_speed(host, patches, clean=False),
    )


def _speed(host: Host, patches: Sequence[Patch], *, clean: bool) -> float:
    start = time.perf_counter()
    for n_done, patch in enumerate(cycle(patches)):
        elapsed = time.perf_counter() - start
        if elapsed > SECONDS_PER_SPEED:
            return n_done / elapsed
        host.render(patch, _NOTE, clean=clean)
    raise AssertionError("unreachable")
