"""``python -m inference``: train the networks of the guess stage."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from render.command_line import run_command

COMMANDS = {"train": ("inference.network.training.command", "train a guess network on data sets")}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run_command("inference", __doc__, COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
