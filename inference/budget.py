"""How much a run may spend, and what it has spent: seconds of wall clock, renders and descent steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from render.errors import OutOfRange


@dataclass
class Budget:
    """A budget that counts from its creation.

    Seconds are what a user gives. Renders and steps make a run repeatable, and its quality comparable beside other work
    on the machine.

    Args:
        seconds: wall clock; not used where ``renders`` is given.
        renders: number of renders.
        steps: number of descent steps, each of one candidate; no limit of its own where missing.
        clock: gives the time in seconds; another one is for tests.

    Attributes:
        n_renders: renders that were made.
        n_steps: descent steps that were made.

    Raises:
        OutOfRange: if a limit is not above 0.
    """

    seconds: float | None = 60.0
    renders: int | None = None
    steps: int | None = None
    clock: Callable[[], float] = time.monotonic
    n_renders: int = field(default=0, init=False)
    n_steps: int = field(default=0, init=False)
    _started: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name, limit in (("renders", self.renders), ("steps", self.steps)):
            if limit is not None and limit < 1:
                raise OutOfRange(name, limit, "1 or more")
        if self.renders is not None:
            self.seconds = None
        elif self.seconds is None or not (math.isfinite(self.seconds) and self.seconds > 0.0):
            raise OutOfRange("seconds", self.seconds, "above 0")
        self.restart()

    def restart(self, spent_seconds: float = 0.0) -> None:
        """Count from now on, with some seconds spent already: what prepares a run is not paid from its budget."""
        self._started = self.clock() - spent_seconds

    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock() - self._started

    def used(self) -> float:
        """Share of the seconds or renders that is used; 1 or more when they are spent."""
        if self.renders is not None:
            return self.n_renders / self.renders
        assert self.seconds is not None
        return self.elapsed() / self.seconds

    def steps_used(self) -> float:
        """Share of the descent steps that is used; 0 where they have no limit."""
        return self.n_steps / self.steps if self.steps is not None else 0.0

    def left(self) -> str:
        """What is left, for a person."""
        if self.renders is not None:
            return f"{max(self.renders - self.n_renders, 0)} renders"
        assert self.seconds is not None
        return f"{max(self.seconds - self.elapsed(), 0.0):.0f} s"
