"""Summary of the rows of ``compare``: tables per target set, paired differences with intervals, a plot."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.table import OK
from render.files import replacing

if TYPE_CHECKING:
    from benchmarks.common.runs import Row

RESAMPLES = 2000
"""Number of bootstrap resamples."""
TIE_DB = 0.01
"""A smaller difference of MSS is a tie, which counts as half a win for both."""
NEAR_FLOOR_DB = 1.5
FULL_METHOD = "all"
"""Method that the others are compared with."""
COLUMNS = {
    "MSS": "mss",
    "MSS, own level": "own_mss",
    "LSD": "lsd",
    "SOT": "sot",
    "wMFCC": "wmfcc",
    "1-cos": "rms_cosine",
    "MRSTFT": "mrstft",
    "param. error": "parameter_error",
    "s": "seconds",
    "renders": "renders",
}
STAGES = ("start", "guess", "descend", "search")

T = TypeVar("T")
Values = NDArray[np.float64]


def summary(rows: Sequence[Row]) -> str:
    """All tables as Markdown."""
    texts = []
    for host in _distinct(row.host for row in rows):
        for set_name in _distinct(row.set for row in rows if row.host == host):
            for budget in sorted({row.budget for row in rows if (row.host, row.set) == (host, set_name)}):
                chosen = [row for row in rows if (row.host, row.set, row.budget) == (host, set_name, budget)]
                texts.append(f"## {set_name}, {budget:g} s, host {host}\n\n{_section(chosen)}")
    return "\n\n".join(texts) if texts else "no rows"


def _section(rows: Sequence[Row]) -> str:
    parts = [_method_table(rows), _paired_table(rows), _stage_lines(rows), _failures(rows)]
    workers = _distinct(f"{row.workers} workers, {row.side_by_side} runs side by side; {row.machine}" for row in rows)
    return "\n\n".join(part for part in [*parts, "; ".join(workers)] if part)


def _method_table(rows: Sequence[Row]) -> str:
    """Medians over targets, and quartiles of MSS."""
    lines = [["method", "targets", *COLUMNS, "MSS quartiles", f"within {NEAR_FLOOR_DB:g} dB of floor"]]
    floors = list(per_target(rows, lambda row: row.floor).values())
    if floors:
        blank = [""] * (len(COLUMNS) - 1)
        lines.append(["*floor*", str(len(floors)), f"{np.median(floors):.2f}", *blank, _quartiles(floors), ""])
    for method in _distinct(row.method for row in rows):
        done = [row for row in rows if row.method == method and row.status == OK]
        if done:
            by_column = [per_target(done, operator.attrgetter(name)) for name in COLUMNS.values()]
            near = per_target(done, _near_floor)
            lines.append(
                [
                    method,
                    str(len(by_column[0])),
                    *(_median(list(values.values())) for values in by_column),
                    _quartiles(list(by_column[0].values())),
                    f"{np.mean(list(near.values())):.0%}" if near else "",
                ]
            )
    return markdown(lines)


def _near_floor(row: Row) -> float | None:
    return None if row.floor is None or row.mss is None else float(row.mss <= row.floor + NEAR_FLOOR_DB)


def _paired_table(rows: Sequence[Row]) -> str:
    """The full method against each other one, on the targets that both finished."""
    ours = per_target(_done(rows, FULL_METHOD), lambda row: row.mss)
    head = [f"`{FULL_METHOD}` against", "targets", f"medians: `{FULL_METHOD}`, it", "median difference, dB"]
    lines = [[*head, "better (ties split)"]]
    for method in _distinct(row.method for row in rows if row.method != FULL_METHOD):
        theirs = per_target(_done(rows, method), lambda row: row.mss)
        both = [target for target in ours if target in theirs]
        if both:
            medians = [np.median([values[target] for target in both]) for values in (ours, theirs)]
            gains = np.array([theirs[target] - ours[target] for target in both])
            low, high = interval(gains, lambda values: np.median(values, axis=-1))
            won = wins(gains)
            won_low, won_high = interval(won, lambda values: np.mean(values, axis=-1))
            lines.append(
                [
                    method,
                    str(len(both)),
                    "{:.2f}, {:.2f}".format(*medians),
                    f"{-np.median(gains):+.2f} [{-high:+.2f}, {-low:+.2f}]",
                    f"{won.mean():.0%} [{won_low:.0%}, {won_high:.0%}]",
                ]
            )
    return markdown(lines) if len(lines) > 1 else ""


def _stage_lines(rows: Sequence[Row]) -> str:
    """MSS after each stage of the full method, time over the budget and to 90 % of the gain, spread over seeds."""
    done = _done(rows, FULL_METHOD)
    if not done:
        return ""
    medians = []
    for stage in STAGES:
        values = per_target(done, operator.attrgetter(f"after_{stage}"))
        if values:
            medians.append(f"{stage} {np.median(list(values.values())):.2f}")
    chains = [[v for stage in STAGES if (v := getattr(row, f"after_{stage}")) is not None] for row in done]
    worse = sum(later > earlier + 1e-4 for chain in chains for earlier, later in itertools.pairwise(chain))
    lines = [
        f"Median MSS after each stage: {' -> '.join(medians)}; a stage made it worse {worse} times.",
        "Seconds over the budget: largest {:+.1%}, median {:+.1%}.".format(
            *(f([row.seconds / row.budget - 1.0 for row in done if row.seconds is not None]) for f in (max, np.median))
        ),
    ]
    times = per_target(done, lambda row: time_to_share(row, 0.9))
    if times:
        share = np.median(list(times.values()))
        lines.append(f"90 % of the final gain was reached after a median {share:.0%} of the budget.")
    spreads = _seed_spreads(done)
    if spreads:
        lines.append(
            f"Standard deviation of MSS over seeds: median {np.median(spreads):.2f} dB, {len(spreads)} targets."
        )
    return "\n".join(f"* {line}" for line in lines)


def _seed_spreads(rows: Sequence[Row]) -> list[float]:
    by_target: dict[str, list[float]] = {}
    for row in rows:
        if row.mss is not None:
            by_target.setdefault(row.target, []).append(row.mss)
    return [float(np.std(values, ddof=1)) for values in by_target.values() if len(values) > 1]


def _failures(rows: Sequence[Row]) -> str:
    lines = []
    for method in _distinct(row.method for row in rows):
        failed = [row for row in rows if row.method == method and row.status != OK]
        for status in _distinct(row.status for row in failed):
            number = sum(row.status == status for row in failed)
            lines.append(f"* {method} failed on {number} of {sum(row.method == method for row in rows)}: {status}")
    return "\n".join(lines)


def curve(row: Row) -> list[tuple[float, int, float, float]]:
    """Points ``(seconds, renders, loss, MSS)`` of the best so far."""
    points = (point.split(":") for point in row.curve.split())
    return [(float(seconds), int(renders), float(loss), float(mss)) for seconds, renders, loss, mss in points]


def time_to_share(row: Row, share: float) -> float | None:
    """Fraction of the budget after which a share of the run's gain was reached; None without a gain or a curve."""
    points = curve(row)
    if row.after_start is None or row.mss is None or not points or row.after_start - row.mss < TIE_DB:
        return None
    wanted = row.after_start - share * (row.after_start - row.mss)
    return next(seconds for seconds, _, _, mss in points if mss <= wanted + 1e-3) / row.budget


def per_target(rows: Iterable[Row], value: Callable[[Row], float | None]) -> dict[str, float]:
    """Mean of a value over seeds for each target, if known."""
    values: dict[str, list[float]] = {}
    for row in rows:
        number = value(row)
        if number is not None:
            values.setdefault(row.target, []).append(float(number))
    return {target: float(np.mean(numbers)) for target, numbers in values.items()}


def wins(gains: Values) -> Values:
    """1 where a gain is positive, 0.5 where it is a tie, 0 where it is a loss; shape as ``gains``."""
    return np.where(np.abs(gains) < TIE_DB, 0.5, (gains > 0.0).astype(np.float64))


def interval(values: Values, statistic: Callable[[Values], Values]) -> tuple[float, float]:
    """A 95 % percentile bootstrap interval.

    Args:
        values: one value for each target.
        statistic: function of the resampled values.

    Shape:
        values: ``(targets,)``.
        statistic: ``(resamples, targets)`` to ``(resamples,)``.
    """
    rng = np.random.default_rng(0)
    resampled = statistic(values[rng.integers(0, len(values), (RESAMPLES, len(values)))])
    low, high = np.quantile(resampled, (0.025, 0.975))
    return float(low), float(high)


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table, whose first line is the header."""
    head, *body = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([head, "|---" * len(lines[0]) + "|", *body])


def write_plot(rows: Sequence[Row], path: Path) -> None:
    """Median MSS of each method against the budget, a panel for each target set, quartiles as bars; an SVG file."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    done = [row for row in rows if row.status == OK]
    panels = _distinct((row.host, row.set) for row in done)
    methods = _distinct(row.method for row in done)
    if not panels:
        return
    figure = Figure(figsize=(4.2 * len(panels), 3.8), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (host, set_name) in zip(axes, panels, strict=True):
        here = [row for row in done if (row.host, row.set) == (host, set_name)]
        for number, method in enumerate(methods):
            budgets = sorted({row.budget for row in here if row.method == method})
            quartiles = np.array(
                [
                    np.quantile(list(per_target(_at(here, method, b), lambda row: row.mss).values()), (0.25, 0.5, 0.75))
                    for b in budgets
                ]
            ).reshape(-1, 3)
            x = np.array(budgets) * 1.02 ** (number - len(methods) / 2)  # side by side, so that they do not overlap
            bars = np.abs(quartiles[:, (0, 2)] - quartiles[:, 1:2]).T
            axis.errorbar(
                x, quartiles[:, 1], bars, marker="o", markersize=4, capsize=2, label=method, color=f"C{number}"
            )
        floors = list(per_target(here, lambda row: row.floor).values())
        if floors:
            axis.axhline(float(np.median(floors)), color="grey", linestyle=":", label="floor")
        axis.set(xscale="log", xlabel="seconds", title=f"{set_name} ({host})", ylim=(0.0, None))
        ticks = sorted({row.budget for row in here})
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
        axis.minorticks_off()
    axes[0].set_ylabel("MSS, dB: median and quartiles")
    if axes[-1].get_legend_handles_labels()[0]:  # no run has a point where a machine is too busy
        axes[-1].legend(fontsize=7)
    with matplotlib.rc_context({"svg.hashsalt": "synth-reconstruct"}), replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def _at(rows: Sequence[Row], method: str, budget: float) -> list[Row]:
    return [row for row in rows if (row.method, row.budget) == (method, budget)]


def _done(rows: Sequence[Row], method: str) -> list[Row]:
    return [row for row in rows if row.method == method and row.status == OK]


def _distinct(items: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(items))


def _median(values: Sequence[float]) -> str:
    return f"{np.median(values):.4g}" if values else ""


def _quartiles(values: Sequence[float]) -> str:
    low, high = np.quantile(values, (0.25, 0.75))
    return f"{low:.2f} to {high:.2f}"
