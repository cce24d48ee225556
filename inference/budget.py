"""How much may be spent: seconds of wall clock, or a number of renders."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from render.errors import OutOfRange


@dataclass
class Budget:
    """A budget that counts from its creation.

    Args:
        seconds: wall clock; exactly one of the two is given.
        renders: number of renders, which makes a run repeatable with one worker.
        clock: for tests.
    """

    seconds: float | None = 60.0
    renders: int | None = None
    clock: Callable[[], float] = time.monotonic
    started: float = field(init=False)

    def __post_init__(self) -> None:
        if self.renders is not None:
            self.seconds = None
            if self.renders < 1:
                raise OutOfRange("renders", self.renders, "1 or more")
        elif self.seconds is None or not (math.isfinite(self.seconds) and self.seconds > 0.0):
            raise OutOfRange("seconds", self.seconds, "above 0")
        self.started = self.clock()

    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.started

    def used(self, renders: int) -> float:
        """Share of the budget that is used, after this many renders; 1 or more when it is spent."""
        if self.renders is not None:
            return renders / self.renders
        assert self.seconds is not None
        return self.elapsed() / self.seconds

    def left(self, renders: int) -> str:
        """What is left, for a person."""
        if self.renders is not None:
            return f"{max(self.renders - renders, 0)} renders"
        assert self.seconds is not None
        return f"{max(self.seconds - self.elapsed(), 0.0):.0f} s"
