"""Codes of the envelope editor's curve for an optimiser: lines or steps through a few heights, or moved points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.errors import FormatError, OutOfRange
from render.instruments.instrument import ExtraCodes
from render.instruments.patch import Patch
from render.noisemaker.envelope_editor import INITIAL_POINTS, EnvelopePoint, spline

KNOB = "envelopeeditoramount"
"""Knob that must be above 0 for the curve to be audible."""

N_HEIGHTS = 8
"""Heights per loop: at the usual speeds about one for every 1/8 note, and few enough for a search."""

N_DESCENDED = 33
"""Number of heights of a curve that a descent changes, at even distances with straight lines between them."""

_SAME_CURVE = 0.02

SHAPES = ("kept", "lines", "steps")
"""``kept`` is the curve of the patch that the search starts from, which keeps ramps, decays and bent curves."""

_EDGE = 0.005  # width of a step's edge: the editor's points must rise in x
_THIRD = 1.0 / 3.0

Points = tuple[EnvelopePoint, ...]
Heights = NDArray[np.float64]


def lines(heights: Sequence[float]) -> Points:
    """Straight lines through evenly spaced heights, in 0..1."""
    last = len(heights) - 1
    points = []
    for k, y in enumerate(heights):
        before, after = heights[max(k - 1, 0)], heights[min(k + 1, last)]
        handles = (_unit((k - _THIRD) / last), y + (before - y) * _THIRD, _unit((k + _THIRD) / last))
        points.append(EnvelopePoint(k / last, y, *handles, y + (after - y) * _THIRD))
    return tuple(points)


def steps(heights: Sequence[float]) -> Points:
    """Evenly long steps, in 0..1."""
    points = []
    for k, y in enumerate(heights):
        last = k == len(heights) - 1
        for x in (k / len(heights), 1.0 if last else (k + 1) / len(heights) - _EDGE):
            points.append(EnvelopePoint(x, y, _unit(x - _EDGE), y, _unit(x + _EDGE), y))
    return tuple(points)


def sampled(points: Points) -> Heights:
    """Heights of a curve where ``lines`` has its points, shape ``(N_HEIGHTS,)``."""
    return spline(points if len(points) > 1 else INITIAL_POINTS, np.linspace(0.0, 1.0, N_HEIGHTS))


def straight_heights(points: Points) -> Heights | None:
    """Heights at ``N_DESCENDED`` even distances; None if straight lines between them are another curve.

    Shape:
        Returns: ``(N_DESCENDED,)``.
    """
    if len(points) < 2:
        return None
    fine = np.linspace(0.0, 1.0, 8 * (N_DESCENDED - 1) + 1)
    whole = spline(points, fine)
    heights = whole[::8]
    same = np.abs(np.interp(fine, fine[::8], heights) - whole).max() < _SAME_CURVE
    return heights.clip(0.0, 1.0) if same else None


def with_heights(points: Points, heights: Sequence[float]) -> Points:
    """The curve with its points at other heights; the control points move with them."""
    moved = []
    for point, y in zip(points, heights, strict=True):
        left_y, right_y = (_unit(handle + y - point.y) for handle in (point.left_y, point.right_y))
        moved.append(EnvelopePoint(point.x, y, point.left_x, left_y, point.right_x, right_y))
    return tuple(moved)


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def as_data(patch: Patch) -> list[dict[str, float]]:
    """The points of a patch's curve as JSON-ready data."""
    return [asdict(point) for point in patch.extra]


def from_data(data: Sequence[Mapping[str, float]]) -> Points:
    """The points from the data that ``as_data`` returns; raises ``FormatError``."""
    try:
        return tuple(EnvelopePoint(**point) for point in data)
    except (TypeError, OutOfRange) as error:
        raise FormatError(f"invalid points of the envelope editor: {error}") from error


def codes(base: Patch, free: frozenset[str], *, discrete: bool) -> ExtraCodes | None:
    """Codes of the curve around a base patch; see ``render.instruments.instrument.ExtraState``."""
    if KNOB not in free:
        return None
    if discrete:
        return _ShapeCodes(base.extra)
    return _HeightCodes(len(base.extra)) if len(base.extra) > 1 and base.sounds("envelopeeditorspeed") else None


@dataclass(frozen=True)
class _ShapeCodes:
    """A shape, one of which is that of the base patch, and evenly spaced heights."""

    kept: tuple[Any, ...]

    @property
    def count(self) -> int:
        return 1 + N_HEIGHTS

    def encode(self, patch: Patch) -> list[float]:
        shape = 0 if patch.extra == self.kept else 1
        return [(shape + 0.5) / len(SHAPES), *sampled(patch.extra).clip(0.0, 1.0).tolist()]

    def decode(self, patch: Patch, codes: Sequence[float]) -> Patch:
        shape = SHAPES[min(int(codes[0] * len(SHAPES)), len(SHAPES) - 1)]
        if shape == "kept" or not patch.sounds("envelopeeditorspeed"):
            return patch
        return patch.with_extra(lines(codes[1:]) if shape == "lines" else steps(codes[1:]))


@dataclass(frozen=True)
class _HeightCodes:
    """The heights of the base patch's own points."""

    count: int

    def encode(self, patch: Patch) -> list[float]:
        return [point.y for point in patch.extra]

    def decode(self, patch: Patch, codes: Sequence[float]) -> Patch:
        return patch.with_extra(with_heights(patch.extra, codes))
