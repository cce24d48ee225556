"""What makes a match sound as it does, as HTML: the contribution of each part, sensitive knobs, steps from a preset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from render.instruments.parameter import Parameter
from render.instruments.table import Table

_ONE = 0.9995  # is 1 with three digits


def setting_text(row: Parameter, setting: float | str) -> str:
    """A setting with its unit."""
    if isinstance(setting, str):
        return setting
    unit = row.curve.unit
    if unit == "s" and setting < _ONE:
        return f"{setting * 1000.0:.3g} ms"
    if unit == "Hz" and setting >= 1000.0 * _ONE:
        return f"{setting / 1000.0:.3g} kHz"
    return f"{setting:.3g} {unit}".rstrip()


def difference_text(decibels: float) -> str:
    """A difference with two decimals and its sign; what rounds to zero counts as positive."""
    return f"{round(decibels, 2) + 0.0:+.2f}"


def distances_table(head: Sequence[str], now: float, distances: Mapping[str, float]) -> str:
    """A table of changes, with the distance after each and the difference that it makes.

    Args:
        head: headings of the first two columns.
        now: MSS in dB of the match.
        distances: MSS in dB after each change, by the name of the change for people.
    """
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td class=n>{mss:.2f} dB</td>"
        f"<td class='n quiet'>{difference_text(mss - now)}</td></tr>"
        for name, mss in distances.items()
    )
    names = f"<th>{escape(head[0])}</th><th class=n>{escape(head[1])}</th><th class=n>difference</th>"
    return f"<table><tr>{names}</tr>{rows}</table>"


def lesson_table(table: Table, lesson: Mapping[str, Any]) -> str:
    """The steps from a known preset to the match.

    Args:
        table: parameter table of the instrument.
        lesson: JSON form of an ``inference.after.lesson.Lesson``.
    """
    rows = [f"<tr><td colspan=2>{escape(lesson['preset'])}</td><td class=n>{lesson['loss']:.3f}</td></tr>"]
    for step in lesson["steps"]:
        changes = "; ".join(
            f"{table.parameter(name).label}: {setting_text(table.parameter(name), before)} to "
            f"{setting_text(table.parameter(name), after)}"
            for name, (before, after) in step["changes"].items()
        )
        cells = f"<td>{escape(step['section'])}</td><td>{escape(changes)}</td><td class=n>{step['loss']:.3f}</td>"
        rows.append(f"<tr>{cells}</tr>")
    return f"<table><tr><th>section</th><th>change</th><th class=n>distance</th></tr>{''.join(rows)}</table>"
