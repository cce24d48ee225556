"""What can be heard in a clip and set on a panel, for an instrument that proposes changes of a patch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hints:
    """Values that were read from a clip.

    Attributes:
        rates_hz: rates at which something may be modulated, the most likely first.
        delays_seconds: times after which the sound may repeat, the most likely first.
    """

    rates_hz: tuple[float, ...] = ()
    delays_seconds: tuple[float, ...] = ()
