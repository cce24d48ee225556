"""The prior over patches and notes, from which data sets, the library and first candidates are drawn.

Uniform random patches are mostly quiet and do not sound like patches that people make. There are four kinds of draws
(``SHARES``): patches that follow the statistics of human ones (``prior_figures.json``, fitted by
``python -m render fit-prior``), two of those crossed over by panel section, one of those with some knobs moved, and
wide ones in which half of the sections are uniform.

The statistics are a Gaussian copula: every parameter has its own quantile function (choices: probabilities), and one
sparse correlation matrix couples them. It keeps, for example, slow attacks together with long releases.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from render.errors import FormatError
from render.instruments.draws import draw_note, generator
from render.instruments.parameter import Parameter
from render.instruments.patch import Patch
from render.noisemaker.envelope_editor import EnvelopePoint
from render.noisemaker.peak import expected_peak_db, volume_for
from render.noisemaker.table import TABLE
from render.note import Note

FIGURES_SCHEMA = 1
FIGURES_PATH = Path(__file__).with_name("prior_figures.json")

SHARES = {"human": 0.55, "crossed": 0.15, "mutated": 0.15, "wide": 0.15}
"""Share of each kind of draw."""

MODELLED: tuple[Parameter, ...] = tuple(row for row in TABLE.parameters if not row.silent and row.name != "volume")
"""The rows that the figures describe. Rows that a single note never uses keep their defaults; the volume is derived."""

PEAK_DB, PEAK_SPREAD_DB = -14.0, 4.0
"""Mean and standard deviation of the expected peak that the volume knob is set for. The median of golden factory
renders is -9 dB; the estimate is not precise, and clipped renders are rejected, so the mean is lower."""
VOLUME_RANGE = (0.1, 0.9)

_GROUPS = tuple(dict.fromkeys(row.group for row in TABLE.parameters))
_KNOB_DECIMALS = 4
"""Continuous knobs of draws are rounded, so that draws do not depend on the last bits of a machine's arithmetic."""
_MOST_MOVED = 12
_HANDLE = 0.1
"""Distance in x from an envelope point to its control points, as the plug-in sets it (seen in preset files)."""
_HASHED_DRAWS = 32


def draw(seed: int, index: int, attempt: int = 0) -> tuple[Patch, Note]:
    """Draw patch and note number ``index`` of a set: a pure function of its arguments.

    Args:
        seed: seed of the set.
        index: position in the set.
        attempt: 0, then 1, 2, ... if the draws before were rejected (silent, clipped, ...).

    Raises:
        OutOfRange: for a negative number.

    Example:
        >>> patch, note = draw(seed=0, index=7)
        >>> draw(seed=0, index=7) == (patch, note)
        True
    """
    rng = generator(seed, index, attempt)
    patch, note = draw_patch(rng), draw_note(rng)
    peak_db = PEAK_DB + PEAK_SPREAD_DB * float(rng.standard_normal())
    volume = volume_for(peak_db - expected_peak_db(patch, note))
    return patch.with_knobs({"volume": round(min(max(volume, VOLUME_RANGE[0]), VOLUME_RANGE[1]), _KNOB_DECIMALS)}), note


def draw_patch(rng: Generator) -> Patch:
    """Draw a patch with the volume knob at its default."""
    figures = _figures()
    knobs = figures.draw(rng)
    match rng.choice(list(SHARES), p=list(SHARES.values())):
        case "crossed":
            other = figures.draw(rng)
            knobs |= {name: other[name] for name in _names_of_some_groups(rng)}
        case "mutated":
            n_moved = int(rng.integers(1, _MOST_MOVED + 1))
            for k in rng.permutation(len(MODELLED))[:n_moved]:
                row = MODELLED[k]
                near = not row.discrete and rng.random() < 0.5
                knob = knobs[row.name] + rng.normal(0.0, 0.15) if near else rng.random()
                knobs[row.name] = min(max(float(knob), 0.0), 1.0)
        case "wide":
            knobs |= {name: float(rng.random()) for name in _names_of_some_groups(rng)}
    for row in MODELLED:
        knobs[row.name] = row.snap(knobs[row.name]) if row.discrete else round(knobs[row.name], _KNOB_DECIMALS)
    patch = TABLE.patch(knobs)
    return patch.with_extra(_draw_curve(rng)) if patch.sounds("envelopeeditorspeed") else patch


@cache
def prior_hash() -> str:
    """Hash of the first draws, stored in files that contain draws, which are rejected if it differs."""
    draws = (draw(0, index) for index in range(_HASHED_DRAWS))
    texts = (f"(Patch(knobs={patch.knobs!r}, points={patch.extra!r}), {note!r})" for patch, note in draws)
    return hashlib.sha256(f"[{', '.join(texts)}]".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Figures:
    """The fitted statistics.

    Attributes:
        quantiles: for each modelled row the points ``(u, x)`` of its quantile function, shape ``(points, 2)``; for a
            discrete row the probability of each choice, shape ``(choices,)``.
        factor: Cholesky factor of the correlation matrix, shape ``(rows, rows)``.
    """

    quantiles: tuple[NDArray[np.float64], ...]
    factor: NDArray[np.float64]

    def draw(self, rng: Generator) -> dict[str, float]:
        """Draw a knob for every modelled row."""
        normals = self.factor @ rng.standard_normal(len(MODELLED))
        knobs = {}
        for row, table, normal in zip(MODELLED, self.quantiles, normals, strict=True):
            u = 0.5 * math.erfc(-float(normal) / math.sqrt(2.0))
            if row.discrete:
                index = int(np.searchsorted(np.cumsum(table), u))
                knobs[row.name] = row.choice_knobs[min(index, len(row.choices) - 1)]
            else:
                knobs[row.name] = float(np.interp(u, table[:, 0], table[:, 1]))
        return knobs


def parse_figures(content: Mapping[str, Any]) -> Figures:
    """Figures from the content of ``prior_figures.json``; raises ``FormatError`` for another schema or table."""
    for name, expected in (("schema", FIGURES_SCHEMA), ("table_hash", TABLE.hash)):
        if content.get(name) != expected:
            raise FormatError(f"the figures of the prior have {name} {content.get(name)!r}; allowed: {expected!r}")
    correlation = np.eye(len(MODELLED))
    positions = {row.name: k for k, row in enumerate(MODELLED)}
    for one, other, r in content["couplings"]:
        i, j = positions[one], positions[other]
        correlation[i, j] = correlation[j, i] = r
    quantiles = tuple(np.array(content["quantiles"][row.name], np.float64) for row in MODELLED)
    return Figures(quantiles, np.linalg.cholesky(correlation).astype(np.float64))


@cache
def _figures() -> Figures:
    return parse_figures(json.loads(FIGURES_PATH.read_text("utf-8")))


def _names_of_some_groups(rng: Generator) -> list[str]:
    """The modelled parameters of a random half of the panel's sections."""
    chosen = {group for group in _GROUPS if rng.random() < 0.5}
    return [row.name for row in MODELLED if row.group in chosen]


def _draw_curve(rng: Generator) -> tuple[EnvelopePoint, ...]:
    """Draw a curve for the envelope editor: steps (one in four), or a few points, some with bent segments."""
    if rng.random() < 0.25:
        n_steps = int(rng.choice((4, 8, 16)))
        edges = np.arange(n_steps) / n_steps
        xs = np.stack([edges, edges + 1.0 / n_steps - 0.005], axis=1).ravel()
        xs[-1] = 1.0
        ys = np.repeat(_draw_levels(rng, n_steps), 2)
        bend = 0.0
    else:
        inner = np.sort(rng.random(int(rng.integers(0, 5))))
        xs = np.concatenate([[0.0], inner, [1.0]])
        ys = _draw_levels(rng, len(xs))
        bend = 0.3 if rng.random() < 0.3 else 0.0
    bends = bend * rng.standard_normal((2, len(xs)))
    columns = (xs, ys, xs - _HANDLE, ys + bends[0], xs + _HANDLE, ys + bends[1])
    values = np.clip(np.stack(columns, axis=1), 0.0, 1.0).round(_KNOB_DECIMALS)
    return tuple(EnvelopePoint(*(float(v) for v in point)) for point in values)


def _draw_levels(rng: Generator, n: int) -> NDArray[np.float64]:
    """Draw heights of envelope points, shape ``(n,)``: half of them are 0, 0.5 or 1."""
    return np.where(rng.random(n) < 0.5, rng.choice((0.0, 0.5, 1.0), n), rng.random(n))
