"""``python -m render fit-prior``: fit the statistics of the prior to preset banks."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from render.files import write_text
from render.noisemaker.prior import FIGURES_PATH
from render.noisemaker.prior_fit import fit, programs_to_fit_on


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("bank", nargs="+", type=Path, metavar="BANK", help="preset files or banks to fit to")
    parser.add_argument(
        "--out", type=Path, default=FIGURES_PATH, metavar="FILE", help="file to write (default: the package's own)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    content = fit(programs_to_fit_on(arguments.bank))
    lines = [f'  "{key}": {json.dumps(content[key])}' for key in ("schema", "table_hash", "programs")]
    rows = ",\n".join(f'    "{name}": {json.dumps(table)}' for name, table in content["quantiles"].items())
    lines.append(f'  "quantiles": {{\n{rows}\n  }}')
    lines.append('  "couplings": ' + json.dumps(content["couplings"]).replace("], [", "],\n    ["))
    write_text(arguments.out, "{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{arguments.out}: fitted on {content['programs']} programs, {len(content['couplings'])} couplings")
    return 0
