"""``python -m render``: play presets, examine hosts and plug-ins, make data sets, and fit the prior."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from render.command_line import run_command

COMMANDS = {
    "render": ("render.commands.render", "play a preset to a WAV file"),
    "info": ("render.commands.info", "list the hosts, and test and time the one that is used"),
    "describe": ("render.commands.describe", "read the parameters of a plug-in, for refine --synth FILE.json"),
    "dataset": ("render.commands.dataset", "render a data set of patches drawn from the prior"),
    "summary": ("render.commands.summary", "check and describe a data set"),
    "library": ("render.commands.library", "render the library of patches that a search starts from"),
    "fit-prior": ("render.commands.fit_prior", "fit the statistics of the prior to preset banks"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run_command("render", __doc__, COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
