"""The distance of the proxy from golden renders of the real plug-in, in the table of ``fidelity``."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

from render.measures.fidelity import audible_rows, score, table, write_scores
from render.measures.golden import read_rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR", help="the folder of golden renders")
    parser.add_argument("--bank", type=Path, metavar="FILE", help="preset bank with the factory's envelope points")
    parser.add_argument("--group", action="append", metavar="G", help="only this group; may be repeated")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--untrained", action="store_true", help="use the formulas alone, without the trained corrections"
    )
    which.add_argument("--weights", type=Path, metavar="FILE", help="trained corrections (default: the package's own)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write every row's distances")
    parser.add_argument("--threads", type=int, default=1, metavar="N")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    import torch

    from proxy.synth.play import play
    from proxy.synth.weights import load_corrections

    torch.set_num_threads(arguments.threads)
    corrections = None if arguments.untrained else load_corrections(arguments.weights)
    rows = audible_rows(read_rows(arguments.golden, arguments.bank), arguments.group or ())
    scores = [score(row, functools.partial(play, corrections=corrections)) for row in rows]
    print(*table(scores), sep="\n")
    if arguments.csv is not None:
        write_scores(scores, arguments.csv)
    return 0
