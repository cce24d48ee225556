"""``python -m render library``: render the library of patches that a search starts from."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from render.data.library import open_library
from render.noisemaker.hosts import open_host
from render.noisemaker.instrument import NOISEMAKER


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--out",
        type=Path,
        default=NOISEMAKER.library,
        metavar="FILE",
        help="file to write (default: the project's own)",
    )
    parser.add_argument("--workers", type=int, default=2, metavar="W", help="processes (default: 2)")


def run(arguments: argparse.Namespace) -> int:
    """Render the library with the embedded host, unless the file is up to date; returns the exit code."""
    host = open_host("embedded")
    info = host.info
    host.close()

    def report(done: int, count: int) -> None:
        if done % 100 == 0 or done == count:
            print(f"{done} of {count} draws", file=sys.stderr, flush=True)

    prior = NOISEMAKER.prior
    assert prior is not None
    library = open_library(
        arguments.out, NOISEMAKER.table, prior, info, open_host, workers=arguments.workers, progress=report
    )
    counts = ", ".join(
        f"{len(one.codes)} at note {note}" for note, one in zip(library.notes, library.sounds, strict=True)
    )
    print(f"{arguments.out}: {len(library)} patches, {counts}")
    return 0
