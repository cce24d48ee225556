"""The golden renders that a benchmark uses."""

from __future__ import annotations

from render.held_out import held_out, name_hash
from render.measures.golden import GoldenRow


def judging(
    rows: list[GoldenRow], count: int, *, held_out_only: bool = True, group: str = "factory"
) -> list[GoldenRow]:
    """The ``count`` audible rows of a group that come first by the hash of their name."""
    wanted = [row for row in rows if row.group == group and row.audible]
    wanted = [row for row in wanted if not held_out_only or held_out(row.name)]
    return sorted(wanted, key=lambda row: name_hash(row.name))[:count]
