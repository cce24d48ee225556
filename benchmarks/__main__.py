"""``python -m benchmarks``: prints every figure that the README and ``docs/`` state."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from render.command_line import run_command

COMMANDS = {
    "blame": ("benchmarks.product.blame", "which section of the panel costs how many decibels in what runs found"),
    "budgets": ("benchmarks.product.budgets", "how to divide a budget among the stages, and what more of it brings"),
    "compare": ("benchmarks.product.compare", "the methods of refine at equal wall clock"),
    "dataset": ("benchmarks.parts.dataset", "making a data set beside bare renders of its patches"),
    "distance": ("benchmarks.parts.distance", "how well settings of the search distance agree with MSS"),
    "fidelity": ("benchmarks.parts.fidelity", "how close a host is to golden renders of the real plug-in"),
    "foreign": ("benchmarks.product.foreign", "make sounds that NoiseMaker did not make"),
    "golden": ("benchmarks.parts.golden", "render a preset bank with a plug-in of your own into golden data"),
    "gradients": ("benchmarks.parts.gradients", "how true the proxy's slopes are for a host"),
    "guess": ("benchmarks.parts.guess", "how near the networks' proposals are to golden factory renders"),
    "library": ("benchmarks.parts.library", "how well the library finds golden sounds"),
    "optimizers": (
        "benchmarks.product.optimizers",
        "optimisers of nevergrad and pycma at equal renders, cold and warm",
    ),
    "picture": ("benchmarks.product.picture", "clips, what the guess makes of them, and the match"),
    "pitch": ("benchmarks.parts.pitch", "note estimators on golden renders"),
    "prior": ("benchmarks.parts.prior", "the prior's renders beside golden ones"),
    "proxy": ("benchmarks.parts.proxy", "a picture: a golden render, the untrained and the trained proxy"),
    "proxy-fidelity": ("benchmarks.parts.proxy_fidelity", "how close the proxy is to golden renders"),
    "recovery": ("benchmarks.product.recovery", "descending on the proxy from moved knobs, judged by host renders"),
    "score": ("benchmarks.product.score", "how near the renders or presets of any system are to clips"),
    "structure": ("benchmarks.parts.structure", "sizes of the sources, and what names the instrument outside of it"),
    "speed": ("benchmarks.product.speed", "evaluations per second beside bare renders, and the cost of the losses"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run_command("benchmarks", __doc__, COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
