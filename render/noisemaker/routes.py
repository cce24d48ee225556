"""What modulates what: every modulator, its destinations, and what each of them does.

The table takes the choices of destinations from here, in their order; the engine and the differentiable synthesizer
loop over the same routes. Sources: ``docs/noisemaker.md``, "LFOs" and "Envelope editor".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar

from render.noisemaker.curves import Formula, cube, square
from render.noisemaker.facts import EDITOR_PITCH_REACH, EDITOR_VOLUME_REACH, PITCH_REACH

Signal = TypeVar("Signal")


class Shape(Enum):
    """The forms of a modulator's signal: 0 to 1, -1 to 1, and 1 to 0."""

    UNIPOLAR = auto()
    BIPOLAR = auto()
    INVERTED = auto()


@dataclass(frozen=True, slots=True)
class Route:
    """``reach * amount * signal``, which is added to every target.

    Attributes:
        targets: fields of ``Modulation``, or ``rate``, that of the other LFO.
        reach: what the modulation is multiplied by.
        shape: which form of the signal is taken.
        absolute: the amount counts without its sign.
        replaces: the modulation takes the place of the target's neutral value 1.
    """

    targets: tuple[str, ...]
    reach: float = 1.0
    shape: Shape = Shape.UNIPOLAR
    absolute: bool = False
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A modulator.

    Attributes:
        amount: parameter whose knob is its amount.
        curve: knob to amount.
        destination: parameter that chooses the destination.
        bipolar: its signal is -1 to 1, otherwise 0 to 1.
    """

    amount: str
    curve: Formula
    destination: str
    bipolar: bool

    def shaped(self, signal: Signal, shape: Shape) -> Signal:
        """A form of the modulator's signal, a numpy array or a torch tensor of any shape."""
        given: Any = signal
        unipolar = 0.5 * (1.0 + given) if self.bipolar else given
        match shape:
            case Shape.UNIPOLAR:
                formed: Signal = unipolar
            case Shape.BIPOLAR:
                formed = given if self.bipolar else 2.0 * given - 1.0
            case Shape.INVERTED:
                formed = 1.0 - unipolar
        return formed


SOURCES: Mapping[str, Source] = {
    "lfo1": Source("lfo1amount", cube, "lfo1destination", bipolar=True),
    "lfo2": Source("lfo2amount", cube, "lfo2destination", bipolar=True),
    "free AD": Source("freeadamount", cube, "freeaddestination", bipolar=False),
    "envelope editor": Source("envelopeeditoramount", square, "envelopeeditordest1", bipolar=False),
}

OTHER_LFO = {"lfo1": "lfo2", "lfo2": "lfo1"}

OFF = "off"

_FILTER = (Route(("cutoff",)),)
_PULSE_WIDTH = (Route(("duty",), absolute=True),)
_FM = (Route(("fm",), absolute=True),)
_RATE = (Route(("rate",)),)


def _pitch(*targets: str, reach: float = PITCH_REACH, shape: Shape = Shape.BIPOLAR) -> tuple[Route, ...]:
    return (Route(targets, reach, shape),)


ROUTES: Mapping[str, Mapping[str, tuple[Route, ...]]] = {
    "lfo1": {
        OFF: (),
        "filter": _FILTER,
        "osc1": _pitch("pitch1"),
        "osc2": _pitch("pitch2"),
        "pulse width": _PULSE_WIDTH,
        "fm": _FM,
        "lfo2 rate": _RATE,
        "osc1&2": _pitch("pitch1", "pitch2"),
    },
    "lfo2": {
        OFF: (),
        "filter": _FILTER,
        "osc1": _pitch("pitch1"),
        "osc2": _pitch("pitch2"),
        "pan": (Route(("left",), -1.0, absolute=True), Route(("right",), -1.0, Shape.INVERTED, absolute=True)),
        "volume": (Route(("left", "right"), -1.0),),
        "lfo1 rate": _RATE,
        "osc1&2": _pitch("pitch1", "pitch2"),
    },
    "free AD": {
        OFF: (),
        "filter": _FILTER,
        "osc1": _pitch("pitch1", shape=Shape.UNIPOLAR),
        "osc2": _pitch("pitch2", shape=Shape.UNIPOLAR),
        "pulse width": _PULSE_WIDTH,
        "fm": _FM,
    },
    "envelope editor": {
        OFF: (),
        "filter": _FILTER,
        "osc1": _pitch("pitch1", reach=EDITOR_PITCH_REACH),
        "osc2": _pitch("pitch2", reach=EDITOR_PITCH_REACH),
        "osc1&2": _pitch("pitch1", "pitch2", reach=EDITOR_PITCH_REACH),
        "fm": (Route(("fm",)),),
        "ring mod": (Route(("ring",)),),
        "volume": (Route(("volume",), EDITOR_VOLUME_REACH, replaces=True),),
    },
}
"""By modulator and destination."""


def moves_rate(routes: tuple[Route, ...]) -> bool:
    """Whether some routes lead to the rate of the other LFO."""
    return any("rate" in route.targets for route in routes)
