"""``python -m render``: play presets, examine hosts, make data sets and what they are drawn from."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from render.command_line import run_command

COMMANDS = {
    "render": ("render.commands.render", "play a preset to a WAV file"),
    "info": ("render.commands.info", "what hosts there are, and what each can do"),
    "dataset": ("render.commands.dataset", "render a data set of the prior"),
    "summary": ("render.commands.summary", "check and describe a data set"),
    "library": ("render.commands.library", "render the library that comes with the project"),
    "fit-prior": ("render.commands.fit_prior", "fit the figures of the prior to a preset bank"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run_command("render", __doc__, COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
