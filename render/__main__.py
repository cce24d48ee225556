"""``python -m render``: render a preset, ask what hosts there are, make datasets."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from render.errors import PresetError, ReconstructError

_COMMANDS = {
    "info": ("render.info", "", "what hosts there are, and what each can do"),
    "dataset": ("render.dataset_command", "", "render a data set of the prior"),
    "library": ("render.library_command", "", "render the library that comes with the project"),
    "fit-prior": ("render.prior_fit", "", "fit the figures of the prior to a preset bank"),
    "summary": ("render.dataset_command", "summary_", "check and describe a data set"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m render", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    render = commands.add_parser("render", help="play a preset to a WAV file")
    render.add_argument("preset", type=Path)
    render.add_argument("out", type=Path)
    render.add_argument("--program", default=None, metavar="NAME", help="which program of a bank (default: the first)")
    render.add_argument("--note", type=int, default=60)
    render.add_argument("--velocity", type=int, default=100)
    render.add_argument("--gate", type=float, default=1.0, metavar="S")
    render.add_argument("--seconds", type=float, default=2.0, metavar="S")
    render.add_argument("--seed", type=int, default=0)
    render.add_argument("--plugin", metavar="PATH|embedded")
    render.set_defaults(run=_render)
    for name, (module, prefix, description) in _COMMANDS.items():
        command = commands.add_parser(name, help=description, description=description)
        if list(argv)[:1] == [name]:  # only the one that is asked for is imported
            functions = importlib.import_module(module)
            getattr(functions, f"add_{prefix}arguments")(command)
            command.set_defaults(run=getattr(functions, f"run{'_' + prefix[:-1] if prefix else ''}"))
    arguments = parser.parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except ReconstructError as error:
        print(f"render: {error}", file=sys.stderr)
        return 1
    return code


def _render(arguments: argparse.Namespace) -> int:
    from render.audio import write_wav
    from render.host import choose_host, open_host
    from render.note import Note
    from render.presets import read_programs

    programs = read_programs(arguments.preset)
    wanted = [p for p in programs if arguments.program is None or p.name == arguments.program]
    if not wanted:
        raise PresetError(f"no program {arguments.program!r}; it has {', '.join(p.name for p in programs)}")
    note = Note(arguments.note, arguments.velocity, arguments.gate, arguments.seconds)
    host = open_host(choose_host(arguments.plugin))
    try:
        write_wav(arguments.out, host.render(wanted[0].patch, note, seed=arguments.seed))
    finally:
        host.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
