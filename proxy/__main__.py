"""``python -m proxy``: train the differentiable synthesizer."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from render.command_line import run_command

COMMANDS = {"fit": ("proxy.fitting.command", "fit the proxy's corrections to renders")}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run_command("proxy", __doc__, COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
