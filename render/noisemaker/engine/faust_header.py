"""The figures of the instrument as Faust definitions, which every program begins with."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from render.noisemaker import facts
from render.noisemaker.facts import FilterType


def header(kind: FilterType | None = None) -> str:
    """Definitions of every number of ``render.noisemaker.facts`` under its own name.

    A tuple becomes a Faust list; one of tuples becomes a function of the position, as ``REVERB_COMBS(0)``.

    Args:
        kind: filter type whose fields are defined as well, as ``FILTER_K0``; none for an effect.
    """
    figures = {name: value for name, value in vars(facts).items() if name.isupper()}
    if kind is not None:
        figures |= {f"FILTER_{field.name.upper()}": getattr(kind, field.name) for field in fields(kind)}
    return "".join(_definition(name, value) for name, value in figures.items())


def _definition(name: str, value: Any) -> str:
    """One definition, or nothing for what is no number."""
    match value:
        case int() | float():
            return f"{name} = {_number(value)};\n"
        case (int() | float(), *_):
            return f"{name} = {', '.join(map(_number, value))};\n"
        case ((int() | float(), *_), *_):
            return "".join(_definition(f"{name}({position})", part) for position, part in enumerate(value))
    return ""


def _number(value: float) -> str:
    return repr(int(value) if isinstance(value, bool) else value)
