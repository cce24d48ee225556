"""The corrections, which are learned from renders: a curve for every continuous knob, factors for gains and tunings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import torch
from einops import rearrange
from torch import Tensor, nn

from proxy.synth.controls import Controls
from render.errors import UnknownName
from render.noisemaker.table import FILTER_TYPES, TABLE

SEGMENTS = 8
"""Straight segments of a knob's curve."""

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
"""Names of the gains and tunings that may be learned."""

_CENTRED = ("bipolar", "semitone", "feedback")
"""Names of the table's curves whose middle means "nothing"; corrections keep it fixed."""


class Corrections(nn.Module):
    """Learned curves and factors; fresh ones change nothing.

    A curve is made of straight segments whose rises are positive and sum to 1 (a softmax of ``bends``), so it rises
    everywhere and keeps 0, 1 and, for knobs that are neutral in the middle, 0.5.

        >>> corrections = Corrections()
        >>> knobs = torch.rand(3, len(TABLE.names), generator=torch.Generator().manual_seed(0))
        >>> torch.allclose(corrections.bent(knobs), knobs, atol=1e-6)
        True

    Attributes:
        bends: logarithms of the rises, up to a constant for each knob.
        log_factors: logarithms of the factors, in the order of ``FACTORS``.

    Shape:
        bends: ``(parameters, SEGMENTS)``.
        log_factors: ``(len(FACTORS),)``.
    """

    centred: Tensor
    continuous: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.bends = nn.Parameter(torch.zeros(len(TABLE.names), SEGMENTS))
        self.log_factors = nn.Parameter(torch.zeros(len(FACTORS)))
        centred = torch.tensor([row.curve.name in _CENTRED for row in TABLE.parameters])
        self.register_buffer("centred", centred, persistent=False)
        self.register_buffer(
            "continuous", torch.tensor([not row.discrete for row in TABLE.parameters]), persistent=False
        )

    def apply_to(self, controls: Controls) -> Controls:
        """The same controls with the factors, and with every continuous knob passed through its curve."""
        knobs = torch.where(self.continuous, self.bent(controls.knobs), controls.knobs)
        return dataclasses.replace(controls, knobs=knobs, factors=self.factors(FACTORS))

    def bent(self, knobs: Tensor) -> Tensor:
        """Knobs after their curves.

        Shape:
            knobs: ``(batch, parameters)``.
            Returns: ``(batch, parameters)``.
        """
        place = knobs.detach() * SEGMENTS
        segment = place.long().clamp(max=SEGMENTS - 1)  # (batch, parameters)
        ends = self._ends().to(knobs.dtype).expand(len(knobs), -1, -1)
        low, high = ends.gather(2, torch.stack([segment, segment + 1], 2)).unbind(2)
        return (low + (high - low) * (knobs * SEGMENTS - segment)).clamp(0.0, 1.0)

    def _ends(self) -> Tensor:
        """Heights at the ends of the segments, ``(1, parameters, SEGMENTS + 1)``."""
        whole = self.bends.softmax(1)
        half = 0.5 * rearrange(
            rearrange(self.bends, "knobs (halves segments) -> knobs halves segments", halves=2).softmax(2),
            "knobs halves segments -> knobs (halves segments)",
        )
        ends = torch.where(self.centred[:, None], half, whole).cumsum(1)
        return nn.functional.pad(ends, (1, 0))[None]

    def factor(self, name: str) -> Tensor:
        """A learned factor by name: a scalar above 0.

        Raises:
            UnknownName: for a name that is not in ``FACTORS``.
        """
        if name not in FACTORS:
            raise UnknownName("factor", name, FACTORS)
        return self.log_factors[FACTORS.index(name)].exp()

    def factors(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Learned factors by name.

        Raises:
            UnknownName: for a name that is not in ``FACTORS``.
        """
        return {name: self.factor(name) for name in names}
