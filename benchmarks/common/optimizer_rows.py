"""The rows of ``optimizers``, and their summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from benchmarks.common.table import OK


@dataclass(frozen=True)
class Row:
    """The best candidate of one run after a number of renders, with its loss and the seconds until then."""

    set: str
    target: str
    optimizer: str
    start: str
    renders: int
    seed: int
    host: str
    machine: str
    loss: float | None = None
    mss: float | None = None
    floor: float | None = None
    seconds: float | None = None
    status: str = OK

    @property
    def key(self) -> tuple[object, ...]:
        """Identifies the run: of two rows with the same key the later one counts."""
        return (self.set, self.target, self.optimizer, self.start, self.renders, self.seed, self.host)


def summary(rows: Sequence[Row]) -> str:
    """Markdown tables, one for each start: mean MSS after each budget and mean loss at the end, over all targets."""
    done = [row for row in rows if row.status == OK and row.mss is not None and row.loss is not None]
    budgets = sorted({row.renders for row in done})
    texts = []
    for start in dict.fromkeys(row.start for row in done):
        here = [row for row in done if row.start == start]
        targets = len({(row.set, row.target) for row in here})
        floor = np.mean([row.floor for row in here if row.floor is not None] or [np.nan])
        lines = [
            f"## {start}: {targets} targets, floor {floor:.2f} dB",
            "",
            f"| optimiser | {' | '.join(f'{n} renders' for n in budgets)} | loss at {budgets[-1]} | mean rank | s |",
            "|---" * (len(budgets) + 4) + "|",
        ]
        ranks = _mean_ranks(here, budgets[-1])
        for name in sorted({row.optimizer for row in here}, key=lambda name: ranks.get(name, 99.0)):
            own = {n: [row for row in here if (row.optimizer, row.renders) == (name, n)] for n in budgets}
            means = [
                f"{np.mean([row.mss for row in own[n] if row.mss is not None]):.2f}" if own[n] else "" for n in budgets
            ]
            last = own[budgets[-1]]
            end = ["", "", ""]
            if last:
                loss = np.mean([row.loss for row in last if row.loss is not None])
                seconds = np.mean([row.seconds for row in last if row.seconds is not None])
                end = [f"{loss:.4f}", f"{ranks[name]:.1f}", f"{seconds:.1f}"]
            lines.append(f"| {name} | {' | '.join([*means, *end])} |")
        texts.append("\n".join(lines))
    failed = [f"* {row.optimizer}, {row.start}, {row.target}: {row.status}" for row in rows if row.status != OK]
    return "\n\n".join([*texts, "\n".join(failed)]).strip() or "no rows"


def _mean_ranks(rows: Sequence[Row], renders: int) -> dict[str, float]:
    """Mean rank of each optimiser by MSS, 1 for the best, over the targets that all of them finished."""
    by_case: dict[tuple[str, str, int], dict[str, float]] = {}
    for row in rows:
        if row.renders == renders and row.mss is not None:
            by_case.setdefault((row.set, row.target, row.seed), {})[row.optimizer] = row.mss
    names = sorted(set().union(*by_case.values()))
    whole = [[case[name] for name in names] for case in by_case.values() if len(case) == len(names)]
    if not whole:
        return dict.fromkeys(names, float("nan"))
    return dict(zip(names, rankdata(whole, axis=1).mean(axis=0).tolist(), strict=True))
