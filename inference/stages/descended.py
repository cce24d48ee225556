"""The variables of a gradient descent on a patch."""

from __future__ import annotations

from inference.constraints import Constraints
from render.instruments.patch import Patch
from render.noisemaker.editor_curves import KNOB, Heights, straight_heights
from render.noisemaker.instrument import NOISEMAKER


def free_curve(patch: Patch, constraints: Constraints) -> Heights | None:
    """Heights of the envelope editor's curve, if it is audible, may change, and is straight between them."""
    if not patch.sounds("envelopeeditorspeed") or KNOB not in constraints.free(patch.table):
        return None
    return straight_heights(patch.extra)


def free_knobs(patch: Patch, constraints: Constraints, *, sparse: bool = False) -> frozenset[str]:
    """Names of the continuous knobs that gradient descent may change in a patch.

    Args:
        patch: patch to descend from.
        constraints: locked knobs.
        sparse: whether parts of the synth that the patch does not use stay unused.
    """
    table = patch.table
    rows = map(table.parameter, constraints.free(table))
    return frozenset(
        row.name
        for row in rows
        if not row.discrete
        and row.descended
        and row is not table.level
        and patch.sounds(row.name)
        and not (sparse and row.name in NOISEMAKER.extras and patch[row.name] == row.default)
    )
