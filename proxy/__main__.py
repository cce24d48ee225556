"""``python -m proxy``: fit the differentiable synthesizer to renders, and measure it."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from render.errors import ReconstructError

_COMMANDS = {
    "fidelity": "how close the proxy is to golden renders of the real plug-in",
    "fit": "fit the proxy's corrections to renders",
    "gradients": "how true the proxy's slopes are for a host",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(prog="python -m proxy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, description in _COMMANDS.items():
        command = commands.add_parser(name, help=description, description=description)
        if argv[:1] == [name]:  # only the one that is asked for is imported
            module = importlib.import_module(f"proxy.{name}_command")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except ReconstructError as error:
        print(f"proxy: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
