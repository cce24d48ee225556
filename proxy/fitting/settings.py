"""Options of the fit, in a separate module so that the command's help does not load torch."""

from __future__ import annotations

from dataclasses import dataclass

from render.errors import OutOfRange


@dataclass(frozen=True)
class Settings:
    """Options of a fit.

    Attributes:
        steps: steps of Adam.
        items: renders per step.
        part: renders that are computed at once.
        rate: learning rate of Adam at the first step, in units of the logarithmic corrections; it falls to 0 by a
            cosine.
        pull: weight of the L2 penalty that pulls the corrections towards "no change".
        golden_share: share of golden renders in a step, where there are any.
        seed: seed of the order in which renders are drawn.

    Raises:
        OutOfRange: if a number of steps or renders is below 1, or the share is not within 0 and 1.
    """

    steps: int = 60
    items: int = 64
    part: int = 8
    rate: float = 1e-4
    pull: float = 0.1
    golden_share: float = 0.75
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "items", "part"):
            if getattr(self, name) < 1:
                raise OutOfRange(name, getattr(self, name), "1 or more")
        if not 0.0 <= self.golden_share <= 1.0:
            raise OutOfRange("golden share", self.golden_share, "0 to 1")
