"""Pattern search (Hooke and Jeeves 1961) on a host: every knob is tried a step up and down, and good steps are joined.

It polishes what a descent leaves: knobs without a reliable gradient (fine tunes, rates, phases, times), the length of
the key press, and all others on a host that the proxy does not imitate exactly. All trials of a sweep are independent,
so that every worker has work. A knob's step grows after a success and shrinks after a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inference.candidate import Candidate
from inference.evaluate import Evaluator
from inference.run import Run
from inference.stages.search import Space

_GROW, _SHRINK = 1.5, 0.4
_SMALLEST = 1e-4
_LEAST_GAIN = 1e-4  # relative improvement that counts

_FIRST_STEP = 0.04
_SHARE, _RENDERS = 0.02, 50  # of the budget, and renders at most, for one polish

Point = NDArray[np.float64]


def polish(run: Run, base: Candidate, *, until: float) -> Candidate:
    """Search the knobs of a candidate that no descent moves, and the length of the key press if that may change.

    Args:
        run: the run, with its clip and budget.
        base: candidate to start from.
        until: share of the budget at which the stage ends.
    """
    table, budget = base.patch.table, run.budget
    free = map(table.parameter, run.options.constraints.free(table))
    rows = tuple(row for row in free if not row.discrete and not row.descended and base.patch.sounds(row.name))
    space = Space(base, rows, run.moves_gate(), _FIRST_STEP, constraints=run.options.constraints)
    until, renders = min(until, budget.used() + _SHARE), budget.n_renders + _RENDERS
    return pattern_search(
        run.evaluator,
        space,
        step=_FIRST_STEP,
        spent=lambda: budget.used() >= until or budget.n_renders >= renders,
    )


def pattern_search(evaluator: Evaluator, space: Space, *, step: float, spent: Callable[[], bool]) -> Candidate:
    """Search around the base of a space; returns the best candidate.

    Args:
        evaluator: measures candidates.
        space: space without choices, around the candidate to start from.
        step: first step in knob units.
        spent: returns whether to end.
    """
    best, centre = space.base, space.encode(space.base)
    steps = np.full(space.size, step)
    while not spent() and bool((steps > _SMALLEST).any()):
        trials: list[tuple[int, Point]] = []
        for k in np.flatnonzero(steps > _SMALLEST).tolist():
            for sign in (1.0, -1.0):
                moved = centre.copy()
                moved[k] = np.clip(moved[k] + sign * steps[k], 0.0, 1.0)
                if moved[k] != centre[k]:
                    trials.append((k, moved))
        gains: dict[int, tuple[float, Point]] = {}
        closest, closest_point = best, centre
        for first in range(0, len(trials), 2 * evaluator.slots):
            if spent():
                break
            part = trials[first : first + 2 * evaluator.slots]
            for (k, moved), measured in zip(part, _measured(evaluator, space, [p for _, p in part]), strict=True):
                if measured is None:
                    continue
                gain = best.loss - measured.loss
                if gain > max(gains[k][0] if k in gains else 0.0, _LEAST_GAIN * best.loss):
                    gains[k] = gain, moved
                if measured.loss < closest.loss:
                    closest, closest_point = measured, moved
        for tried in {k for k, _ in trials}:
            steps[tried] *= _GROW if tried in gains else _SHRINK
        if len(gains) > 1 and not spent():
            joined = centre.copy()
            for helped, (_, better) in gains.items():
                joined[helped] = better[helped]
            points = [joined, 0.5 * (joined + centre)]
            for point, measured in zip(points, _measured(evaluator, space, points), strict=True):
                if measured is not None and measured.loss < closest.loss:
                    closest, closest_point = measured, point
        best, centre = closest, closest_point
    return best


def _measured(evaluator: Evaluator, space: Space, points: list[Point]) -> list[Candidate | None]:
    candidates = [replace(space.decode(point), sparse=space.base.sparse) for point in points]
    pending = [(candidate, evaluator.submit(candidate)) for candidate in candidates]
    return [evaluator.take(candidate, future) for candidate, future in pending]
