"""The search methods by name: their optimisers, each with a share of the stage's budget."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """One optimiser for a share of the budget.

    Attributes:
        optimizer: name in nevergrad's registry.
        share: share of the stage's budget.
        discrete: whether its space includes discrete knobs, and knobs that are inaudible in the best candidate.
        sigma: initial standard deviation of its steps, in knob units.
        starts: number of the best candidates that it starts from.
    """

    optimizer: str
    share: float = 1.0
    discrete: bool = True
    sigma: float = 0.1
    starts: int = 40


METHODS: dict[str, tuple[Phase, ...]] = {
    "NGOpt": (Phase("NGOpt"),),
    "DE": (Phase("TwoPointsDE"),),
    "CMA": (Phase("CMA", discrete=False, starts=1),),
    "CMA near": (Phase("CMA", discrete=False, sigma=0.03, starts=1),),
    "OnePlusOne": (Phase("OnePlusOne", starts=1),),
    "portfolio": (
        Phase("TwoPointsDE", 0.5),
        Phase("CMA", 0.5, discrete=False, sigma=0.05, starts=1),
    ),
}
DEFAULT_METHOD = "portfolio"
