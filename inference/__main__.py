"""``python -m inference train``: trains the networks of the guess stage."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from render.errors import ReconstructError


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m inference", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = commands.add_parser("train", help="train a guess network on data sets")
    from inference.train_command import add_arguments, run

    add_arguments(command)
    command.set_defaults(run=run)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except ReconstructError as error:
        print(f"inference: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("inference: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
