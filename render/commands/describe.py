"""``python -m render describe``: read a plug-in's parameters, and find the audible ones."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from render.errors import OutOfRange


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("plugin", type=Path, metavar="PATH", help="plug-in, or vital for the controls of its engine")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="default: the plug-in's name, in this folder")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if str(arguments.plugin) == "vital":
        from render.vital.controls import as_json
        from render.vital.engine import Engine, engine_version

        sys.stdout.write(as_json(engine_version(), Engine().controls()))
        return 0
    from render.generic.description import write_description
    from render.generic.probe import describe_plugin

    out = arguments.out or Path(f"{arguments.plugin.stem}.json")
    if out.suffix != ".json":
        raise OutOfRange("--out", str(out), "a name that ends in .json")
    description = describe_plugin(arguments.plugin)
    write_description(out, description)
    silent = [p.name for p in description.parameters if not p.sounds]
    print(f"{out}: {len(description.rows())} parameters of {description.title}")
    print(f"inaudible: {', '.join(silent) or 'none'}")
    print(f"refine CLIP --synth {out} uses it; correct it first where it is wrong")
    return 0
