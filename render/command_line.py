"""The command lines of ``python -m render``, ``proxy``, ``inference`` and ``benchmarks``, each with its commands."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence

from render.errors import ReconstructError
from render.streams import guarded_streams
from render.synths import DEFAULT_SYNTH

EXIT_FAILURE, EXIT_INTERRUPTED = 1, 130

Commands = Mapping[str, tuple[str, str]]
"""For each command the module that has its ``add_arguments`` and ``run``, and its help text."""


def add_synth_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a synth and its host."""
    parser.add_argument("--synth", default=DEFAULT_SYNTH, metavar="NAME", help=f"default: {DEFAULT_SYNTH}")
    parser.add_argument(
        "--plugin", metavar="PATH|embedded", help="host (default: the installed plug-in if there is one, else embedded)"
    )


def run_command(package: str, description: str | None, commands: Commands, argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run its command.

    Only the module of that command is imported, so that ``--help`` is fast.

    Args:
        package: name of the package that is run with ``python -m``.
        description: text for ``--help``.
        commands: commands of the package.
        argv: arguments; by default those of the process.

    Returns:
        The exit code: 0, 1 (failure), 2 (usage) or 130 (interrupted).
    """
    with guarded_streams():
        return _run_command(package, description, commands, list(sys.argv[1:] if argv is None else argv))


def _run_command(package: str, description: str | None, commands: Commands, arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=description)
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module_name, help_text) in commands.items():
        command = choices.add_parser(name, help=help_text, description=help_text)
        if arguments[:1] == [name]:
            module = importlib.import_module(module_name)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    parsed = parser.parse_args(arguments)
    try:
        code = int(parsed.run(parsed))
        sys.stdout.flush()
        return code
    except ReconstructError as error:
        print(f"{package}: {error}", file=sys.stderr)
        return EXIT_FAILURE
    except KeyboardInterrupt:
        print(f"{package}: interrupted; the same command continues where it can", file=sys.stderr)
        return EXIT_INTERRUPTED
