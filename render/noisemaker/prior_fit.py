"""Fitting the figures of the prior on a bank of presets: ``python -m render fit-prior BANK``.

Programs that are held out (``render.held_out``) are not read, and only aggregates are kept: quantiles of each knob,
probabilities of choices, and rank correlations of pairs. No preset can be reconstructed from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.errors import PresetError
from render.held_out import held_out
from render.instruments.parameter import Parameter
from render.instruments.patch import Patch
from render.noisemaker.presets import read_programs
from render.noisemaker.prior import FIGURES_SCHEMA, MODELLED
from render.noisemaker.table import TABLE

FEWEST_PROGRAMS = 30
"""With fewer programs the quantiles would reveal the presets."""

ATOM_SHARE = 0.08
"""A knob value that at least this share of the programs has exactly (mostly 0, 0.5 or 1) keeps its probability."""
QUANTILE_LEVELS = 9
PROGRAMS_PER_LEVEL = 4
"""Knobs that few programs move get fewer quantiles."""
UNSEEN_CHOICE_SHARE = 0.05
"""Probability that is spread evenly over all choices, so that none is impossible."""
UNSEEN_KNOB_SHARE = 0.03
"""Probability that is spread evenly over 0..1 for a continuous knob."""

WEAKEST_COUPLING = 0.25
"""About 2.5 standard errors of a correlation over 91 programs: weaker ones are left out as noise."""
SMALLEST_EIGENVALUE = 0.05
PROJECTIONS = 300


def fit(patches: Sequence[Patch]) -> dict[str, Any]:
    """The content of ``prior_figures.json``.

    Raises:
        PresetError: if there are too few patches.
    """
    if len(patches) < FEWEST_PROGRAMS:
        raise PresetError(f"{len(patches)} programs to fit on; allowed: {FEWEST_PROGRAMS} or more")
    knobs = np.array([[patch[row.name] for row in MODELLED] for patch in patches])
    quantiles = {}
    for row, column in zip(MODELLED, knobs.T, strict=True):
        quantiles[row.name] = _probabilities(row, column) if row.discrete else _quantile_function(column)
    return {
        "schema": FIGURES_SCHEMA,
        "table_hash": TABLE.hash,
        "programs": len(patches),
        "quantiles": quantiles,
        "couplings": _couplings(knobs),
    }


def _probabilities(row: Parameter, column: NDArray[np.float64]) -> list[float]:
    counts = np.bincount([row.index(knob) for knob in column], minlength=len(row.choices))
    shares = (1.0 - UNSEEN_CHOICE_SHARE) * counts / len(column) + UNSEEN_CHOICE_SHARE / len(row.choices)
    return [round(float(share), 4) for share in shares]


def _quantile_function(column: NDArray[np.float64]) -> list[list[float]]:
    """Points ``[u, x]``, increasing in both; a flat segment is a value that many programs share."""
    n = len(column)
    counts = Counter(round(float(x), 3) for x in column)
    atoms = {x: (1.0 - UNSEEN_KNOB_SHARE) * count / n for x, count in counts.items() if count >= ATOM_SHARE * n}
    rest = np.array([x for x in column if round(float(x), 3) not in atoms])
    n_levels = min(QUANTILE_LEVELS, 1 + len(rest) // PROGRAMS_PER_LEVEL)
    levels = np.linspace(0.0, 1.0, n_levels)
    rest_x = np.quantile(rest, levels).round(2) if n_levels > 1 else np.array([0.0, 1.0])
    rest_share = (1.0 - UNSEEN_KNOB_SHARE) * len(rest) / n

    def below(x: float, inclusive: bool) -> float:
        spread = UNSEEN_KNOB_SHARE * x + rest_share * float(np.interp(x, rest_x, np.linspace(0.0, 1.0, len(rest_x))))
        return spread + sum(share for at, share in atoms.items() if at < x or (inclusive and at == x))

    points = set()
    for x in {0.0, 1.0, *atoms, *rest_x.tolist()}:
        points |= {(round(below(x, False), 4), x), (round(below(x, True), 4), x)}
    return [list(point) for point in sorted(points)]


def _couplings(knobs: NDArray[np.float64]) -> list[list[str | float]]:
    """Pairs of names and their latent correlation, without the weak ones.

    Shape:
        knobs: ``(programs, rows)``.
    """
    scores = np.stack([_normal_scores(column) for column in knobs.T])
    correlation = scores @ scores.T / len(knobs)
    coupled = np.abs(correlation) >= WEAKEST_COUPLING
    # Without the weak pairs the matrix need not be positive definite: alternating projections onto the positive
    # definite matrices and onto those with these pairs only lead to one that is both.
    for _ in range(PROJECTIONS):
        correlation = np.where(coupled, correlation, 0.0)
        np.fill_diagonal(correlation, 1.0)
        values, vectors = np.linalg.eigh(correlation)
        correlation = (vectors * np.maximum(values, SMALLEST_EIGENVALUE)) @ vectors.T
    names = [row.name for row in MODELLED]
    pairs = ((i, j) for i in range(len(names)) for j in range(i) if coupled[i, j])
    return [[names[i], names[j], round(float(correlation[i, j]), 2)] for i, j in pairs]


def _normal_scores(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal quantiles of mid-ranks, shape ``(programs,)``, with mean 0 and variance 1 (0 if all knobs are equal)."""
    column = column.round(3)
    ordered = np.sort(column)
    ranks = 0.5 * (np.searchsorted(ordered, column, "left") + np.searchsorted(ordered, column, "right"))
    scores = np.array([NormalDist().inv_cdf(float(rank) / len(column)) for rank in ranks])
    scores -= scores.mean()
    return scores / max(float(scores.std()), 1e-9)


def programs_to_fit_on(paths: Iterable[Path]) -> list[Patch]:
    """Patches of all programs in preset files that are not held out."""
    return [program.patch for path in paths for program in read_programs(path) if not held_out(program.name)]
