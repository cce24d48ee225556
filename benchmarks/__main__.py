"""``python -m benchmarks NAME``: everything that the README and ``docs/`` state is printed by one of these."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from render.errors import ReconstructError

BENCHMARKS = {
    "budgets": "how to divide a budget among the stages, and what more of it brings",
    "compare": "the methods of refine at equal wall clock",
    "dataset": "making a data set beside bare renders of its patches",
    "distance": "how well settings of the search distance agree with MSS",
    "fidelity": "how close a host is to golden renders of the real plug-in",
    "foreign": "make sounds that NoiseMaker did not make",
    "golden": "render a preset bank with a plug-in of your own into golden data",
    "guess": "how near the networks' proposals are to golden factory renders",
    "library": "how well the library finds golden sounds",
    "optimizers": "optimisers of nevergrad and pycma at equal renders, cold and warm",
    "picture": "clips, what the guess makes of them, and the match",
    "pitch": "note estimators on golden renders",
    "prior": "the prior's renders beside golden ones",
    "proxy": "a picture: a golden render, the untrained and the trained proxy",
    "recovery": "descending on the proxy from moved knobs, judged by host renders",
    "speed": "evaluations per second beside bare renders, and the cost of the losses",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, description in BENCHMARKS.items():
        command = commands.add_parser(name, help=description, description=description)
        if argv[:1] == [name]:  # only the one that is asked for is imported
            module = importlib.import_module(f"benchmarks.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except ReconstructError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
