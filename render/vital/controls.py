"""The controls of Vital's engine: the engine's description of each of them, stored with its version.

``controls.json`` holds one row per control of the engine, whether the table has a row for it or not. ``host.py``
compares it with the live engine whenever one is opened; ``python -m render describe vital`` prints the live rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from render.errors import FormatError

SCHEMA = 1
CONTROLS_PATH = Path(__file__).with_name("controls.json")

SCALES = ("Linear", "Quadratic", "Cubic", "Quartic", "SquareRoot", "Exponential", "Indexed")
"""How the engine reads a value: as it is, to a power, as a square root, as a power of two, or as the number of a
choice."""


@dataclass(frozen=True, slots=True)
class Control:
    """The engine's description of a control.

    Attributes:
        name: name in preset files.
        label: name for people.
        low: smallest value.
        high: largest value.
        default: value of the initial preset.
        scale: one of ``SCALES``.
        unit: unit of the displayed value.
        factor: factor from the scaled value to the displayed one.
        offset: what is added to the scaled value.
        options: names of the values of a choice; there may be fewer names than values.
    """

    name: str
    label: str
    low: float
    high: float
    default: float
    scale: str
    unit: str
    factor: float
    offset: float
    options: tuple[str, ...] = ()

    @property
    def discrete(self) -> bool:
        """Whether the values are whole numbers."""
        return self.scale == "Indexed"

    @property
    def choices(self) -> tuple[str, ...]:
        """A name for every value of a discrete control, each once."""
        count = round(self.high - self.low) + 1
        if not self.options:
            return tuple(
                f"{round(self.low) + k:+d}" if self.low < 0.0 else f"{round(self.low) + k}" for k in range(count)
            )
        named = [*self.options[:count], *(f"{k}" for k in range(len(self.options), count))]
        return tuple(
            name if named.count(name) == 1 else f"{name} {'ABC'[named[:k].count(name)]}" for k, name in enumerate(named)
        )

    def value(self, knob: float) -> float:
        """The engine's value at a knob in 0..1."""
        return self.low + knob * (self.high - self.low)

    def knob(self, value: float) -> float:
        """The knob of one of the engine's values; values beyond the ends give the ends."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


def read_controls(path: Path = CONTROLS_PATH) -> tuple[str, Mapping[str, Control]]:
    """The version of the engine that the controls were read from, and the controls by name.

    Raises:
        FormatError: for a file of another schema.
    """
    content = json.loads(path.read_text("utf-8"))
    if content.get("schema") != SCHEMA:
        raise FormatError(f"{path} has schema {content.get('schema')!r}; allowed: {SCHEMA}")
    controls = {}
    for name, row in content["controls"].items():
        label, low, high, default, scale, unit, factor, offset, options = row
        controls[name] = Control(name, label, low, high, default, scale, unit, factor, offset, tuple(options))
    return content["engine"], controls


def as_json(engine: str, controls: Mapping[str, Control]) -> str:
    """The content of ``controls.json``, one line for each control."""
    rows = []
    for name, control in sorted(controls.items()):
        values: list[Any] = list(asdict(control).values())[1:]
        rows.append(f"  {json.dumps(name)}: {json.dumps(values)}")
    head = f'{{\n "schema": {SCHEMA},\n "engine": {json.dumps(engine)},\n "controls": {{\n'
    return head + ",\n".join(rows) + "\n }\n}\n"


ENGINE, CONTROLS = read_controls()
"""The engine that the table was made for, and its controls."""
