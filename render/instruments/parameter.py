"""One parameter of an instrument: how its knob is read, and when it can be heard.

A value has three forms: the **knob** (0..1, what the synth takes), the **setting** (human units, or the name of a
choice) and, elsewhere, the **code** (what an optimiser or a network sees).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from render.errors import OutOfRange, UnknownName
from render.instruments.curve import PLAIN, Curve

OFF_ON = ("off", "on")


class Kind(StrEnum):
    """How a knob is read; the three discrete kinds differ in how they store a choice."""

    CONTINUOUS = "continuous"
    CHOICE = "choice"  # floor(v (n - 1) + 0.5)
    STEPPED = "stepped"  # trunc(scale v - offset), offset counted from the first choice
    SWITCH = "switch"  # on is anything above 0


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition in a row's ``needs``: a discrete knob is one of ``indices``, or a continuous one is not ``inert``."""

    name: str
    indices: tuple[int, ...] = ()
    inert: float = 0.0


Clause = tuple[Condition, ...]
"""Holds when any of its conditions holds."""


class Role(StrEnum):
    """Function of a parameter that the product treats in a special way."""

    LEVEL = "level"  # the master volume: solved in closed form, never searched
    TRANSPOSE = "transpose"  # shifts the key by whole octaves, one per choice
    VOICES = "voices"  # how many keys sound at once: one more than the position of the choice
    EFFECT = "effect"  # an effect is off when this knob is at its row's ``off``


@dataclass(frozen=True)
class Parameter:
    """One row of the table.

    Attributes:
        name: the plug-in's name in lower case, which is also the preset attribute.
        label: name for people.
        group: section of the panel.
        kind: how the knob is read.
        default: knob of a fresh patch.
        choices: names of the values of a discrete row, in order.
        curve: knob to human units of a continuous row.
        needs: clauses that must all hold for the parameter to be heard in a single note.
        silent: never heard in a single note played from silence (portamento, pitch wheel, ...).
        synced_by: name of the switch that turns this time or rate into one of ``divisions``.
        divisions: names of the tempo-synced values that the knob then picks, in order.
        scale: factor from knob to position of a stepped row.
        offset: position of a stepped row's zero, counted from its first choice.
        role: special function of the parameter, if it has one.
        off: knob at which the effect is off, for a row with the role ``Role.EFFECT``.
        descended: whether gradient descent may change the knob; knobs with unreliable gradients are searched instead.
        learned: whether the proxy may learn a curve for the knob.
        steps: positions by which a discrete row is moved to reach its neighbours; all other choices where empty.
    """

    name: str
    label: str
    group: str
    kind: Kind
    default: float
    choices: tuple[str, ...] = ()
    curve: Curve = PLAIN
    needs: tuple[Clause, ...] = ()
    silent: bool = False
    synced_by: str | None = None
    divisions: tuple[str, ...] = ()
    scale: float = 1.0
    offset: int = 0
    role: Role | None = None
    off: float = 0.0
    descended: bool = True
    learned: bool = True
    steps: tuple[int, ...] = ()

    @property
    def discrete(self) -> bool:
        """Whether the row has ``choices``."""
        return self.kind is not Kind.CONTINUOUS

    def index(self, knob: float) -> int:
        """Position in ``choices`` that a knob stands for, as the plug-in reads it."""
        last = len(self.choices) - 1
        match self.kind:
            case Kind.CHOICE:
                position = math.floor(knob * last + 0.5)
            case Kind.STEPPED:
                position = math.trunc(self.scale * knob - self.offset) + self.offset
            case Kind.SWITCH:
                position = int(knob > 0.0)
            case Kind.CONTINUOUS:
                raise TypeError(f"{self.name} is continuous")
        return min(max(position, 0), last)

    @cached_property
    def choice_knobs(self) -> tuple[float, ...]:
        """The knob that this project writes for each choice: safely inside the range that reads as the choice."""
        last = len(self.choices) - 1
        if self.kind is Kind.STEPPED and self.offset:
            # Truncation goes towards the middle: a quarter step outwards is clear of every rounding error.
            nudged = (k + 0.25 * ((k > self.offset) - (k < self.offset)) for k in range(last + 1))
            return tuple(min(max(k / self.scale, 0.0), 1.0) for k in nudged)
        return tuple(k / last for k in range(last + 1))

    def snap(self, knob: float) -> float:
        """The standard knob of the choice that ``knob`` stands for; a continuous knob is returned as it is."""
        return self.choice_knobs[self.index(knob)] if self.discrete else knob

    def setting(self, knob: float, *, synced: bool = False) -> float | str:
        """Human form of a knob: a number in ``curve.unit``, or the name of a choice or division."""
        if self.discrete:
            return self.choices[self.index(knob)]
        if synced:
            last = len(self.divisions) - 1
            return self.divisions[min(int(last * knob), last)]
        return self.curve.setting(knob)

    def knob(self, setting: float | str | bool, *, synced: bool = False) -> float:
        """The knob of a setting.

        Raises:
            UnknownName: for a choice that does not exist.
            OutOfRange: for a number that the curve does not reach.
        """
        if self.discrete:
            return self.choice_knobs[self._choice(setting)]
        if synced and isinstance(setting, str):
            if setting not in self.divisions:
                raise UnknownName(f"{self.name} division", setting, self.divisions)
            return min((self.divisions.index(setting) + 0.5) / (len(self.divisions) - 1), 1.0)
        try:
            return self.curve.knob(float(setting))
        except ValueError:
            low, high = self.curve.range
            allowed = f"{low:.4g} to {high:.4g} {self.curve.unit}".rstrip()
            raise OutOfRange(self.name, setting, allowed) from None

    def neighbours(self, index: int) -> list[int]:
        """Positions of the choices that are one decision away from the choice at ``index``."""
        last = len(self.choices) - 1
        wanted = [index + step for step in self.steps] if self.steps else range(last + 1)
        return [other for other in wanted if 0 <= other <= last and other != index]

    def _choice(self, setting: float | str | bool) -> int:
        if isinstance(setting, bool):
            text = OFF_ON[setting]
        elif isinstance(setting, str):
            text = setting.strip().lower()
        else:
            text = f"{setting:+g}" if setting else "0"
        lowered = [choice.lower() for choice in self.choices]
        for candidate in (text, f"+{text}"):
            if candidate in lowered:
                return lowered.index(candidate)
        raise UnknownName(f"{self.name} choice", setting, self.choices)
