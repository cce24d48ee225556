"""``python -m render library``: render the library of patches that a search starts from."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from render.data.library_making import open_library
from render.errors import OutOfRange
from render.synths import DEFAULT_SYNTH, synth


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="file to write (default: the project's own)",
    )
    parser.add_argument("--synth", default=DEFAULT_SYNTH, metavar="NAME", help=f"default: {DEFAULT_SYNTH}")
    parser.add_argument("--workers", type=int, default=2, metavar="W", help="processes (default: 2)")


def run(arguments: argparse.Namespace) -> int:
    """Render the library with the embedded host, unless the file is up to date; returns the exit code."""
    instrument = synth(arguments.synth)
    prior, out = instrument.prior, arguments.out or instrument.library
    if prior is None or out is None:
        raise OutOfRange("--synth", arguments.synth, "a synth that has a library")
    host = instrument.hosts.open_host()
    info = host.info
    host.close()

    def report(done: int, count: int) -> None:
        if done % 100 == 0 or done == count:
            print(f"{done} of {count} renders", file=sys.stderr, flush=True)

    library = open_library(
        out,
        instrument.table,
        prior,
        info,
        instrument.hosts.open_host,
        draws=instrument.library_draws,
        workers=arguments.workers,
        progress=report,
    )
    counts = ", ".join(f"{len(sounds)} at note {number}" for number, sounds in library.sounds.items())
    print(f"{out}: {len(library)} patches; renders: {counts}")
    return 0
