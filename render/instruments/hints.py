"""What can be heard in a clip and set on a panel, for an instrument that proposes changes of a patch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hints:
    """Values that were read from a clip.

    Attributes:
        rates_hz: rates at which something may be modulated, the most likely first.
        delays_seconds: times after which the sound may repeat, the most likely first.
        seconds: length of the clip.
        brightness: course of the brightness over the clip at even distances, 0 to 1.
        loudness: course of the level as an amplitude, 0 to 1.
    """

    rates_hz: tuple[float, ...] = ()
    delays_seconds: tuple[float, ...] = ()
    seconds: float = 0.0
    brightness: tuple[float, ...] = ()
    loudness: tuple[float, ...] = ()
