"""Which golden renders a benchmark looks at."""

from __future__ import annotations

from render.golden import GoldenRow, name_hash, read_rows

__all__ = ["GoldenRow", "judging", "name_hash", "read_rows"]


def judging(rows: list[GoldenRow], count: int, *, odd_only: bool = True, group: str = "factory") -> list[GoldenRow]:
    """The ``count`` audible rows of a group that come first by the hash of their name."""
    wanted = [row for row in rows if row.group == group and row.peak >= 0.001]
    wanted = [row for row in wanted if not odd_only or name_hash(row.name) % 2 == 1]
    return sorted(wanted, key=lambda row: name_hash(row.name))[:count]
