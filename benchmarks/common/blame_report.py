"""Reports from the rows of ``python -m benchmarks blame``: tables of sections, and a line for every run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from benchmarks.common.blame_row import LEVEL, BlameRow
from benchmarks.common.exchange import EXCHANGED
from benchmarks.common.summary import markdown
from benchmarks.common.table import OK
from render.noisemaker.trials.sections import JOINED

FELT_DB = 0.1
"""A section that costs more than this is counted."""
REPAIRED = (1, 2, 3, 4, 6, 8, 12)
"""Numbers of sections after which the path of a run is reported."""
NAMED = 5
"""Number of sections that the line of a run names."""
HEAD = (
    "share",
    "costs: mean",
    "median",
    "choices",
    "knobs",
    f"over {FELT_DB:g} dB in",
    "saves: mean",
    "median",
    f"over {FELT_DB:g} dB in",
)


def report(rows: Sequence[BlameRow], *, each: bool = False) -> str:
    """All tables as Markdown, a pair for each target set, host, budget and seed.

    Args:
        rows: the measurements.
        each: whether every run has a line that names its costliest sections.
    """
    texts = []
    for asked in dict.fromkeys((row.set, row.host, row.budget, row.seed) for row in rows):
        chosen = [row for row in rows if (row.set, row.host, row.budget, row.seed) == asked]
        done = [row for row in chosen if row.status == OK]
        parts = [_head(*asked, done), _tables(done), _path(done), _lines(done) if each else "", _failures(chosen)]
        texts.append("\n\n".join(part for part in parts if part))
    return "\n\n".join(texts) if texts else "no rows"


def _head(name: str, host: str, budget: str, seed: int, done: Sequence[BlameRow]) -> str:
    title = f"## {name}, {budget}, host {host}, seed {seed}"
    runs = [row for row in done if row.section == LEVEL]
    if not runs:
        return title
    found, floor = ([getattr(row, name) for row in runs] for name in ("found", "floor"))
    spent = "{:.0f} renders, {:.0f} steps, {:.0f} s".format(
        *(np.mean([getattr(row, name) for row in runs]) for name in ("renders", "steps", "seconds"))
    )
    machines = dict.fromkeys(f"workers: {row.workers}; {row.machine}" for row in runs)
    return (
        f"{title}\n\n{len(runs)} runs; MSS at the best gain: found {np.median(found):.2f} dB (median; mean "
        f"{np.mean(found):.2f}), true patch {np.median(floor):.2f} (mean {np.mean(floor):.2f}); spent on average "
        f"{spent}; {'; '.join(machines)}"
    )


def _tables(done: Sequence[BlameRow]) -> str:
    single = {name: _of(done, name) for name in (*EXCHANGED, LEVEL)}
    total = sum(max(_mean(rows, "costs"), 0.0) for rows in single.values())
    if total == 0.0:
        return ""
    ranked = sorted((name for name in single if single[name]), key=lambda name: -_mean(single[name], "costs"))
    lines = [["section", *HEAD]]
    lines += [[name, *_cells(single[name], total)] for name in ranked]
    joined = {name: rows for name in JOINED if (rows := _of(done, name))}
    together = [["sections together", *HEAD[1:]]]
    together += [[name, *_cells(rows, total)[1:]] for name, rows in joined.items()]
    return "\n\n".join(markdown(table) for table in (lines, together) if len(table) > 1)


def _cells(rows: Sequence[BlameRow], total: float) -> list[str]:
    costs, saves = ([getattr(row, name) for row in rows] for name in ("costs", "saves"))
    return [
        f"{max(_mean(rows, 'costs'), 0.0) / total:.0%}",
        _db(np.mean(costs)),
        _db(np.median(costs)),
        *(_db(_mean(rows, name)) if _known(rows, name) else "" for name in ("costs_choices", "costs_knobs")),
        f"{sum(value > FELT_DB for value in costs)}",
        _db(np.mean(saves)),
        _db(np.median(saves)),
        f"{sum(value > FELT_DB for value in saves)}",
    ]


def _path(done: Sequence[BlameRow]) -> str:
    """The change of the found sounds when sections are corrected one after another."""
    runs = [row for row in done if row.section == LEVEL and row.path]
    if not runs:
        return ""
    gains, needed = [], []
    for row in runs:
        assert row.found is not None
        gain = [float(point.rpartition(":")[2]) - row.found for point in row.path.split(";")]
        gains.append([gain[min(count, len(gain)) - 1] for count in REPAIRED])
        needed.append(next((count for count, value in enumerate(gain, start=1) if value < -FELT_DB), None))
    known = sorted(count for count in needed if count is not None)
    table = [["sections put right at once, costliest first", *map(str, REPAIRED)]]
    table.append(["dB farther than the found sound, median", *(f"{value:+.2f}" for value in np.median(gains, axis=0))])
    said = f"Closer than the found sound by {FELT_DB:g} dB after "
    said += f"{', '.join(map(str, known))} sections" if known else "no number of sections"
    never = len(needed) - len(known)
    return f"{markdown(table)}\n\n{said}" + (f"; never in {never} of {len(needed)} runs." if never else ".")


def _lines(done: Sequence[BlameRow]) -> str:
    lines = []
    for target in dict.fromkeys(row.target for row in done):
        rows = [row for row in done if row.target == target]
        single = [row for row in rows if row.section in EXCHANGED or row.section == LEVEL]
        worst = sorted(single, key=lambda row: -(row.costs or 0.0))[:NAMED]
        named = ", ".join(f"{row.section} {_db(row.costs)} (saves {_db(row.saves)})" for row in worst if row.costs)
        lines.append(f"* {target}: found {rows[0].found:.2f}, floor {rows[0].floor:.2f}; {named}")
    return "\n".join(lines)


def _failures(rows: Iterable[BlameRow]) -> str:
    return "\n".join(f"* {row.target} failed: {row.status}" for row in rows if row.status != OK)


def _db(value: float | np.floating[Any] | None) -> str:
    """Two decimals, and no minus before a zero."""
    return "" if value is None else f"{round(float(value), 2) + 0.0:.2f}"


def _of(rows: Sequence[BlameRow], section: str) -> list[BlameRow]:
    return [row for row in rows if row.section == section]


def _known(rows: Sequence[BlameRow], name: str) -> bool:
    return all(getattr(row, name) is not None for row in rows)


def _mean(rows: Sequence[BlameRow], name: str) -> float:
    return float(np.mean([getattr(row, name) for row in rows])) if rows else 0.0
