"""The note that a patch is played with."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass

from render.errors import OutOfRange

SAMPLE_RATE = 44100
"""Hertz. The instrument's formulas and all renders are at this rate."""

MAX_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Note:
    """One key press.

    Attributes:
        number: MIDI note number, 0 to 127 (60 is middle C, 261.6 Hz).
        velocity: MIDI velocity, 1 to 127.
        gate_seconds: how long the key is held, above 0.
        seconds: length of the render, from the key press, above 0 and at most ``MAX_SECONDS``.

    Raises:
        OutOfRange: for a value outside these ranges, or one that is not finite.
    """

    number: int
    velocity: int = 100
    gate_seconds: float = 1.0
    seconds: float = 2.0

    def __post_init__(self) -> None:
        for name, low in (("number", 0), ("velocity", 1)):
            value = getattr(self, name)
            if not isinstance(value, numbers.Integral) or not low <= int(value) <= 127:
                raise OutOfRange(f"note {name}", value, f"whole numbers {low} to 127")
        for name in ("gate_seconds", "seconds"):
            value = getattr(self, name)
            if not math.isfinite(value) or not 0.0 < value <= MAX_SECONDS:
                raise OutOfRange(name, value, f"above 0, at most {MAX_SECONDS:g} s")

    @property
    def n_samples(self) -> int:
        """Length of the render in samples at ``SAMPLE_RATE``."""
        return max(1, round(self.seconds * SAMPLE_RATE))

    @property
    def frequency_hz(self) -> float:
        """Equal temperament, A4 = 440 Hz."""
        return 440.0 * math.exp2((self.number - 69) / 12)
