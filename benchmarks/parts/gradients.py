"""Agreement of the proxy's gradients with finite differences of the loss on a host, for each knob."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from render.audio import Audio
from render.instruments.patch import Patch
from render.noisemaker.hosts import open_host
from render.note import Note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--host", default="embedded", metavar="HOST", help="embedded, or the path of a plug-in")
    parser.add_argument("--count", type=int, default=60, metavar="N", help="number of patches")
    parser.add_argument(
        "--untrained", action="store_true", help="use the formulas alone, without the trained corrections"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write every slope")
    parser.add_argument("--threads", type=int, default=1, metavar="N")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    import torch

    from benchmarks.parts.slopes import Slope, cases, slopes, table, write_slopes
    from proxy.synth.weights import load_corrections

    torch.set_num_threads(arguments.threads)
    corrections = None if arguments.untrained else load_corrections()
    found: list[Slope] = []
    host = open_host(arguments.host)
    try:

        def play(patch: Patch, note: Note, seed: int) -> Audio:
            return host.render(patch, note, seed=seed)

        for number, case in enumerate(cases(play, arguments.count), start=1):
            found += slopes(case, play, corrections)
            print(f"\r{number}/{arguments.count}", end="", file=sys.stderr, flush=True)
    finally:
        host.close()
    print(file=sys.stderr)
    print(*table(found), sep="\n")
    if arguments.csv is not None:
        write_slopes(found, arguments.csv)
    return 0
