"""The variables of a gradient descent on a patch."""

from __future__ import annotations

from inference.constraints import Constraints
from render.instruments.patch import Patch
from render.noisemaker.editor_curves import KNOB, Heights, straight_heights
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.routes import ROUTES, SOURCES

_KNOB_STEP = 0.01  # for the slope of an amount
_SEMITONES = 25.0  # for a turn of an amount's knob: the steepest slope with the full learning rate


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


def step_factors(patch: Patch) -> dict[str, float]:
    """Factors of the learning rate, 0 to 1, for the amounts of modulations of a pitch.

    Their curves are steep at the ends, and their reach is wide: where an LFO moves a pitch by two octaves, a hundredth
    of a turn is more than a semitone. A step of the usual length would leave the basin of the right amount.

    Args:
        patch: patch to descend from.
    """
    factors: dict[str, float] = {}
    for name, source in SOURCES.items():
        knob = patch[source.amount]
        low, high = max(knob - _KNOB_STEP, 0.0), min(knob + _KNOB_STEP, 1.0)
        slope = abs(source.curve(high) - source.curve(low)) / (high - low)
        for route in ROUTES[name][patch.choice(source.destination)]:
            if route.targets[0] in {"pitch1", "pitch2"}:
                factors[source.amount] = _SEMITONES / max(route.reach * slope, _SEMITONES)
    return factors
