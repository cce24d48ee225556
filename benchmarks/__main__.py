"""``python -m benchmarks``: measure the figures of the README and of ``docs/``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from render.command_line import run_command

COMMANDS = {
    "answers": ("benchmarks.product.answers", "how loud and how tidy the answers of runs are"),
    "blame": ("benchmarks.product.blame", "the cost in decibels of each section of the panel in what runs found"),
    "budgets": (
        "benchmarks.product.budgets",
        "how to divide a budget among the stages, and the effect of a larger one",
    ),
    "bulk": ("benchmarks.product.bulk", "many clips in one command: their cost, and what becomes of them under kills"),
    "choices": (
        "benchmarks.hearing.choices",
        "accuracy of the best proposal's waveforms, filter, destinations",
    ),
    "compare": ("benchmarks.product.compare", "the methods of refine at equal wall clock"),
    "dataset": ("benchmarks.parts.dataset", "the cost of making a data set, relative to bare renders of its patches"),
    "distance": ("benchmarks.parts.distance", "how well settings of the search distance agree with MSS"),
    "faults": (
        "benchmarks.faults.command",
        "damaged files, killed processes, full disks and odd machines, many times each",
    ),
    "fidelity": ("benchmarks.parts.fidelity", "the distance of a host from golden renders of the real plug-in"),
    "foreign": ("benchmarks.product.foreign", "make target sounds with other synthesizers"),
    "gate": ("benchmarks.hearing.gate", "accuracy of the estimated length of the key press"),
    "golden": ("benchmarks.parts.golden", "make golden renders of a preset bank with a plug-in of your own"),
    "gradients": ("benchmarks.parts.gradients", "agreement of the proxy's gradients with a host's finite differences"),
    "guess": ("benchmarks.hearing.guess", "the distance of the networks' proposals from golden factory renders"),
    "library": ("benchmarks.hearing.library", "the distance of the library's closest patches from golden renders"),
    "optimizers": (
        "benchmarks.product.optimizers",
        "optimisers of nevergrad and pycma at equal numbers of renders, cold and warm",
    ),
    "picture": ("benchmarks.product.picture", "plot the spectrograms of clips, of the best guesses and of the matches"),
    "pitch": ("benchmarks.hearing.pitch", "accuracy of note estimators on golden renders"),
    "prior": ("benchmarks.parts.prior", "compare renders of the prior with golden ones"),
    "proxy": (
        "benchmarks.parts.proxy",
        "plot the spectrograms of a golden render, the untrained and the trained proxy",
    ),
    "proxy-fidelity": ("benchmarks.parts.proxy_fidelity", "the distance of the proxy from golden renders"),
    "recovery": (
        "benchmarks.product.recovery",
        "gradient descent on the proxy from perturbed knobs, judged by host renders",
    ),
    "score": ("benchmarks.product.score", "the distance of any system's renders or presets from clips"),
    "startup": ("benchmarks.product.startup", "seconds to the first result and to the prompt, beside the budget"),
    "structure": ("benchmarks.parts.structure", "sizes of the sources, and parameter names outside of the instrument"),
    "speed": (
        "benchmarks.product.speed",
        "evaluations per second relative to bare renders, and the cost of the losses",
    ),
    "studio": ("benchmarks.product.studio", "how fast the studio's page answers, in a real browser"),
    "synths": (
        "benchmarks.product.synths",
        "synths without a gradient: refine beside cold searches on their own draws, or on clips",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run_command("benchmarks", __doc__, COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
