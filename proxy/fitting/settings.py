"""How to fit the corrections; apart from the fit, so that the command's help needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from render.errors import OutOfRange


@dataclass(frozen=True)
class Settings:
    """How to fit.

    Attributes:
        steps: of Adam.
        items: renders per step.
        part: how many are played at once.
        rate: of Adam at the first step, in logarithms; it falls to 0 by a cosine.
        pull: how strongly the corrections are held at "no change".
        golden_share: of the renders in a step, where there are golden ones.
        seed: of the order.
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
