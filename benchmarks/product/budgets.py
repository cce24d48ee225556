"""How to divide a budget among the stages, and the effect of a larger one.

Runs ``refine`` with descend ending at several shares of the budget: none (``guess+search``), some, all
(``guess+descend``). The best candidates in the course of a run are kept and judged after it, so each run gives a
curve of clean MSS over seconds and renders. The rows are those of ``compare``, and both may share a file.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.common.runs import Row
from benchmarks.common.summary import curve, interval, markdown
from benchmarks.common.table import OK, Table
from benchmarks.product.compare import add_run_arguments, make_runs
from benchmarks.product.methods import CHECKPOINTS, METHODS, Method
from inference.options import Options
from render.files import replacing

SHARES = (0.2, 0.6, 0.8)
"""Shares of the budget at which descend ends, beside the product's own and the two extremes."""
RENDERS = (100, 200, 500, 1000, 2000, 3000)
NEXT_SECONDS = 10.0
WORTH_DB = 0.1
"""Gain of MSS that is worth ten seconds."""

Point = tuple[float, int, float, float]


def splits() -> dict[str, Method]:
    """The ways to divide a budget, by their names in the rows, in order of the share of descend."""
    own = Options.descend_until
    inner = {share: Method(METHODS["all"].stages, changes={"descend_until": share}) for share in SHARES}
    by_share = {0.0: METHODS["guess+search"], **inner, own: METHODS["all"], 1.0: METHODS["guess+descend"]}
    names = {0.0: "guess+search", own: "all", 1.0: "guess+descend"}
    return {names.get(share, f"until {share:.0%}"): by_share[share] for share in sorted(by_share)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_run_arguments(parser)
    parser.add_argument("--plot", type=Path, metavar="SVG", help="plot the curves")
    parser.add_argument("--report-only", action="store_true", help="only summarise the rows of --csv")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    table = Table(Row, arguments.csv)
    if not arguments.report_only:
        make_runs(splits(), table, arguments)
    rows = [row for row in table.rows if row.status == OK and row.method in splits()]
    print(report(rows))
    failed = [row for row in table.rows if row.status != OK and row.method in splits()]
    print("\n".join(f"* {row.method}, {row.target}, {row.budget:g} s failed: {row.status}" for row in failed))
    if arguments.plot is not None:
        write_plot(rows, arguments.plot)
    return 0


def report(rows: Sequence[Row]) -> str:
    """For each host, target set and budget: MSS over time and renders, the best split, the gain of ten seconds more."""
    texts = []
    for host, set_name, budget in dict.fromkeys((row.host, row.set, row.budget) for row in rows):
        chosen = [row for row in rows if (row.host, row.set, row.budget) == (host, set_name, budget)]
        by_split = {name: own for name in splits() if (own := [row for row in chosen if row.method == name])}
        seconds = [second for second in (*CHECKPOINTS, budget) if second <= budget]
        texts += [
            f"## {set_name}, {budget:g} s, host {host}: median MSS in dB",
            _table("seconds", by_split, seconds, at_seconds),
            _table("renders", by_split, RENDERS, at_renders),
            _recommendation(by_split),
            _next_seconds(by_split, budget),
        ]
    return "\n\n".join(texts) if texts else "no rows"


def at_seconds(points: Sequence[Point], seconds: float) -> float | None:
    """MSS of the best after some seconds of a run, with a tolerance of 2 %; None before the first point."""
    passed = [mss for at, _, _, mss in points if at <= 1.02 * seconds + 0.1]
    return passed[-1] if passed else None


def at_renders(points: Sequence[Point], renders: float) -> float | None:
    """MSS of the best after some renders of a run; None before the first point and after the last."""
    passed = [mss for _, at, _, mss in points if at <= renders]
    return passed[-1] if passed and renders <= points[-1][1] else None


def _table(
    what: str,
    by_split: Mapping[str, Sequence[Row]],
    positions: Sequence[float],
    value: Callable[[Sequence[Point], float], float | None],
) -> str:
    lines = [[f"split \\ {what}", "runs", *(f"{position:g}" for position in positions)]]
    for name, rows in by_split.items():
        columns = [[v for row in rows if (v := value(curve(row), position)) is not None] for position in positions]
        # A median over few of the runs would not be comparable with its neighbours.
        cells = [f"{np.median(column):.2f}" if 2 * len(column) > len(rows) else "" for column in columns]
        lines.append([name, str(len(rows)), *cells])
    return markdown(lines)


def _recommendation(by_split: Mapping[str, Sequence[Row]]) -> str:
    """The split with the lowest mean MSS at the end, over the runs that all splits have."""
    finals = {name: {(row.target, row.seed): row.mss for row in rows} for name, rows in by_split.items()}
    common = [case for case in next(iter(finals.values())) if all(case in own for own in finals.values())]
    if not common:
        return "No target was finished by all splits."
    columns = {name: np.array([own[case] for case in common], dtype=np.float64) for name, own in finals.items()}
    best = min(columns, key=lambda name: float(columns[name].mean()))
    lines = [f"Recommended split: **{best}**, mean MSS {columns[best].mean():.2f} dB over {len(common)} runs."]
    for name, values in columns.items():
        if name != best:
            low, high = interval(values - columns[best], lambda v: np.mean(v, axis=-1))
            lines.append(f"* {name}: {np.mean(values - columns[best]):+.2f} dB [{low:+.2f}, {high:+.2f}]")
    return "\n".join(lines)


def _next_seconds(by_split: Mapping[str, Sequence[Row]], budget: float) -> str:
    """Mean gain of ten seconds more in each split, after each multiple of ten seconds."""
    starts = np.arange(NEXT_SECONDS, budget - NEXT_SECONDS + 0.1, NEXT_SECONDS)
    if not len(starts):
        return ""
    lines = [[f"gain of the next {NEXT_SECONDS:g} s, dB", *(f"after {start:g} s" for start in starts)]]
    for name, rows in by_split.items():
        cells = []
        for start in starts:
            gains = [
                here - there
                for row in rows
                if (here := at_seconds(curve(row), start)) is not None
                and (there := at_seconds(curve(row), start + NEXT_SECONDS)) is not None
            ]
            share = np.mean(np.array(gains) >= WORTH_DB) if gains else 0.0
            cells.append(f"{np.mean(gains):.2f} ({share:.0%})" if gains else "")
        lines.append([name, *cells])
    return f"{markdown(lines)}\n\nMeans; in brackets the share of runs that gain {WORTH_DB:g} dB or more."


def write_plot(rows: Sequence[Row], path: Path) -> None:
    """Plot median MSS over seconds as SVG: a line for each split, a panel for each target set and budget."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    panels = list(dict.fromkeys((row.set, row.budget) for row in rows))
    if not panels:
        return
    figure = Figure(figsize=(4.2 * len(panels), 3.6), layout="constrained")
    FigureCanvasSVG(figure)
    for axis, (set_name, budget) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        seconds = [second for second in (*CHECKPOINTS, budget) if second <= budget]
        for name in splits():
            own = [curve(row) for row in rows if (row.set, row.budget, row.method) == (set_name, budget, name)]
            columns = [[v for points in own if (v := at_seconds(points, second)) is not None] for second in seconds]
            drawn = [(s, np.median(c)) for s, c in zip(seconds, columns, strict=True) if 2 * len(c) > len(own)]
            if drawn:
                axis.plot(*zip(*drawn, strict=True), marker=".", label=name)
        axis.set(xlabel="seconds", ylabel="median MSS, dB", title=f"{set_name}, {budget:g} s", ylim=(0.0, None))
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=7)
    with matplotlib.rc_context({"svg.hashsalt": "synth-reconstruct"}), replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
