"""The envelope editor's curve as variables: its kind, and its heights at evenly spaced positions of the loop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference.network.coding.variables import N_UNIT, SILENT, Variable, unit_codes, unit_value
from inference.network.features.log_mel import HOP, N_FRAMES
from render.instruments.parameter import Clause, Condition
from render.instruments.patch import Patch
from render.noisemaker.envelope_editor import INITIAL_POINTS, EnvelopePoint, spline
from render.noisemaker.facts import EDITOR_LOOP_SECONDS, EDITOR_SPEEDS
from render.note import SAMPLE_RATE

N_HEIGHTS = 16
"""Number of heights of the envelope editor's curve, at the centres of equal parts of the loop."""
STEPS, FIRST_HEIGHT = "steps", "height 0"

_COVERED_SECONDS = N_FRAMES * HOP / SAMPLE_RATE
_POSITIONS = (np.arange(N_HEIGHTS) + 0.5) / N_HEIGHTS
_STEP_EDGE = 0.005  # of the loop, between the end of a step and the next, as in the prior
_HANDLE = 0.1  # half width of an untouched point's handles (render/noisemaker/prior.py)


def height_variables(needs: tuple[Clause, ...]) -> list[Variable]:
    """The variables: whether the curve is a sequence of steps, and its heights; ``needs`` as for the editor's rows."""
    variables = [Variable(STEPS, 2, False, needs)]
    for k, position in enumerate(_POSITIONS):
        covered = tuple(
            i for i, speed in enumerate(EDITOR_SPEEDS) if position * EDITOR_LOOP_SECONDS / speed < _COVERED_SECONDS
        )
        variables.append(Variable(f"height {k}", N_UNIT, True, (*needs, (Condition("envelopeeditorspeed", covered),))))
    return variables


def height_codes(patch: Patch) -> NDArray[np.int64]:
    """Categories of ``height_variables``, shape ``(1 + N_HEIGHTS,)``."""
    points = patch.extra if len(patch.extra) > 1 else INITIAL_POINTS
    return np.concatenate([[int(_is_steps(patch.extra))], unit_codes(spline(points, _POSITIONS))])


def points_of(codes: Sequence[int], fractions: Sequence[float]) -> tuple[EnvelopePoint, ...]:
    """Points whose curve passes through the heights; heights that the note does not reach repeat the last one.

    Args:
        codes: categories of ``height_variables``; silent ones come last.
        fractions: positions inside their bins, 0 to 1.
    """
    if codes[0] == SILENT:
        return ()
    heights: list[float] = []
    for code, fraction in zip(codes[1:], fractions[1:], strict=True):
        heights.append(heights[-1] if code == SILENT else unit_value(code, fraction))
    if codes[0] == 1:
        edges = np.arange(N_HEIGHTS) / N_HEIGHTS
        xs = np.stack([edges, edges + 1.0 / N_HEIGHTS - _STEP_EDGE], axis=1).ravel()
        xs[-1] = 1.0
        ys = np.repeat(heights, 2)
    else:
        xs = np.concatenate([[0.0], _POSITIONS, [1.0]])
        ys = np.concatenate([heights[:1], heights, heights[-1:]])
    left, right = np.maximum(xs - _HANDLE, 0.0), np.minimum(xs + _HANDLE, 1.0)
    columns = np.stack([xs, ys, left, ys, right, ys], axis=1)
    return tuple(EnvelopePoint(*point) for point in columns.tolist())


def _is_steps(points: Sequence[EnvelopePoint]) -> bool:
    """Whether a curve is a sequence of steps: pairs of points of equal height."""
    return len(points) >= 4 and all(left.y == right.y for left, right in zip(points[::2], points[1::2], strict=False))
