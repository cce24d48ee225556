"""The budget of a run, and what it has spent: seconds of wall clock, renders and descent steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from render.errors import OutOfRange


@dataclass
class Budget:
    """A budget that counts from its creation.

    Users give seconds. With renders and steps, runs are repeatable and comparable on a busy machine too.

        >>> budget = Budget(renders=200)
        >>> budget.n_renders += 50
        >>> budget.used()
        0.25

    Args:
        seconds: limit of the wall clock; ignored if ``renders`` is given.
        renders: limit of renders.
        steps: limit of descent steps, each of one candidate; None for no limit.
        clock: returns the time in seconds; tests pass their own.

    Attributes:
        n_renders: renders made so far, by the host or the proxy.
        n_steps: descent steps made so far.

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
        """Start counting again, with some seconds spent already; the preparation of a run is not part of its budget."""
        self._started = self.clock() - spent_seconds

    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock() - self._started

    def used(self) -> float:
        """Fraction of the seconds or renders that is used; 1 or more if they are spent."""
        if self.renders is not None:
            return self.n_renders / self.renders
        assert self.seconds is not None
        return self.elapsed() / self.seconds

    def share(self, seconds: float) -> float:
        """Fraction of the budget that some seconds are; 0 if it is in renders."""
        return seconds / self.seconds if self.seconds is not None else 0.0

    def steps_used(self) -> float:
        """Fraction of the descent steps that is used; 0 if they have no limit."""
        return self.n_steps / self.steps if self.steps is not None else 0.0

    def left(self) -> str:
        """The rest of the budget, as text for people."""
        if self.renders is not None:
            return f"{max(self.renders - self.n_renders, 0)} renders"
        assert self.seconds is not None
        return f"{max(self.seconds - self.elapsed(), 0.0):.0f} s"
