"""Learned corrections: a curve for every continuous knob, and factors for gains and tunings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import torch
from einops import rearrange
from torch import Tensor, nn

from proxy.synth.controls import Controls
from render.errors import UnknownName
from render.noisemaker.table import FILTER_TYPES, NAMES, PARAMETERS

SEGMENTS = 8
"""Straight pieces of a knob's curve."""

FACTORS = (
    "osc1 gain",
    "osc2 gain",
    "sub gain",
    "noise gain",
    "click gain",
    *(f"cutoff of {name}" for name in FILTER_TYPES),
    *(f"gain of {name}" for name in FILTER_TYPES),
    "delay gain",
    "delay tone",
    "chorus gain",
    "reverb gain",
)
"""Gains and tunings that may be learned."""

_CENTRED = ("bipolar", "semitone", "feedback")
"""Curves whose middle is neutral: it stays where it is, as both ends do."""


class Corrections(nn.Module):
    """Learned curves and factors; without training they change nothing.

    A curve is piecewise linear. The heights of its pieces are positive and sum to 1, so it rises and keeps 0, 1 and,
    for knobs that are neutral in the middle, 0.5.

    Attributes:
        bends: logarithms of the pieces' heights, shape ``(parameters, SEGMENTS)``.
        log_factors: shape ``(len(FACTORS),)``.
    """

    centred: Tensor
    continuous: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.bends = nn.Parameter(torch.zeros(len(NAMES), SEGMENTS))
        self.log_factors = nn.Parameter(torch.zeros(len(FACTORS)))
        centred = torch.tensor([row.curve.name in _CENTRED for row in PARAMETERS])
        self.register_buffer("centred", centred, persistent=False)
        self.register_buffer("continuous", torch.tensor([not row.discrete for row in PARAMETERS]), persistent=False)

    def apply_to(self, controls: Controls) -> Controls:
        """Controls with the factors, and with every continuous knob passed through its curve."""
        knobs = torch.where(self.continuous, self.bent(controls.knobs), controls.knobs)
        return dataclasses.replace(controls, knobs=knobs, factors=self.factors(FACTORS))

    def bent(self, knobs: Tensor) -> Tensor:
        """Knobs passed through their curves, shape ``(batch, parameters)``."""
        place = knobs.detach() * SEGMENTS
        piece = place.long().clamp(max=SEGMENTS - 1)  # (batch, parameters)
        ends = self._ends().to(knobs.dtype).expand(len(knobs), -1, -1)
        low, high = ends.gather(2, torch.stack([piece, piece + 1], 2)).unbind(2)
        return (low + (high - low) * (knobs * SEGMENTS - piece)).clamp(0.0, 1.0)

    def _ends(self) -> Tensor:
        """Ends of the pieces, ``(1, parameters, SEGMENTS + 1)``."""
        whole = self.bends.softmax(1)
        half = 0.5 * rearrange(
            rearrange(self.bends, "knobs (halves pieces) -> knobs halves pieces", halves=2).softmax(2),
            "knobs halves pieces -> knobs (halves pieces)",
        )
        ends = torch.where(self.centred[:, None], half, whole).cumsum(1)
        return nn.functional.pad(ends, (1, 0))[None]

    def factor(self, name: str) -> Tensor:
        """A learned factor, a scalar above 0; raises ``UnknownName``."""
        if name not in FACTORS:
            raise UnknownName("factor", name, FACTORS)
        return self.log_factors[FACTORS.index(name)].exp()

    def factors(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Some factors by name."""
        return {name: self.factor(name) for name in names}
