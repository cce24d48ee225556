"""The variables of a gradient descent on a patch."""

from __future__ import annotations

from inference.constraints import Constraints
from render.instruments.patch import Patch
from render.noisemaker.editor_curves import KNOB, Heights, straight_heights
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.routes import ROUTES, SOURCES

_KNOB_STEP = 0.01  # for the slope of an amount
_SEMITONES = {"lfo1": 0.7, "lfo2": 0.7, "free AD": 25.0, "envelope editor": 25.0}
"""For a turn of an amount's knob: the steepest slope with the full learning rate."""
_STEEP = 0.1  # factor of the learning rate below which a descent hardly moves a knob


def steep_knobs(patch: Patch) -> frozenset[str]:
    """Names of the knobs that a descent moves by tiny steps only."""
    return frozenset(name for name, factor in step_factors(patch).items() if factor < _STEEP)


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
    of a turn is more than a semitone. A step of the usual length would leave the basin of the right amount, which is
    narrow for an LFO, whose partials all must stay where they are: a few hundredths of a semitone.

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
                factors[source.amount] = _SEMITONES[name] / max(route.reach * slope, _SEMITONES[name])
    return factors
