"""Line searches without a gradient: one knob or choice at a time, with steps that adapt, on all workers at once.

Every audible continuous knob has a line: a step and a direction. A step that improves the match is taken and the next
one is longer. After a failure in both directions the minimum of the parabola through the three points is tried, as in
Brent's method; then the next step is shorter, and the knob rests for a while, so that knobs with little effect cost
little. Discrete knobs try their other choices one after the other. Improvements that were found at the same time, from
the same candidate, are combined.

Close to a minimum a search may be *precise*: the next step is the shorter the more the match suffered, and a knob that
still matters does not rest. A tenth of the rate of a deep vibrato is far, a tenth of most levels is not.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from numpy.random import Generator

from inference.candidate import Candidate
from inference.evaluate import Measurer
from inference.lines.line import FIRST_STEP, Line
from inference.run import GOOD_ENOUGH_LOSS, Run

GATE = "gate"
"""Name of the line of the key press's length, as a fraction of the clip."""

SHORTEST_GATE = 0.01
"""The shortest key press that is tried, as a fraction of the clip."""

ORIGIN = "search"
"""Origin of the candidates of the search."""

_LEAST_GAIN = 1e-4  # relative improvement that counts
_LONGEST_REST = 16  # sweeps
_POLISH_STEP, _POLISH_SHARE, _POLISH_RENDERS = 0.05, 0.02, 50  # first step; share of the budget, and renders at most
_PATIENCE = 4
"""Shorter steps in a row after which a line has nothing left to find."""


@dataclass(frozen=True)
class Trial:
    """A candidate that differs from its base in one knob, or in several improvements that are combined."""

    candidate: Candidate
    base: Candidate
    changes: dict[str, float]
    line: str | None = None

    @property
    def step(self) -> float:
        """The change of its line's value; 0 without a line."""
        return 0.0 if self.line is None else self.changes[self.line] - _value(self.base, self.line)


def polish(run: Run, base: Candidate, rng: Generator, *, until: float, also: Collection[str] = ()) -> Candidate:
    """Search the knobs of a candidate that no descent changes, and the gate if it may change.

    Args:
        run: the run, with its clip and budget.
        base: measured candidate to start from.
        rng: generator for the order of the knobs.
        until: share of the budget at which the stage ends.
        also: other knobs that are searched, if they are free.

    Returns:
        The best candidate.
    """
    table, budget = base.patch.table, run.budget
    rows = map(table.parameter, run.options.constraints.free(table))
    searched = (row for row in rows if not row.discrete and (row.name in also or not row.descended))
    names = [row.name for row in searched if base.patch.sounds(row.name)]
    lines = LineSearch(run, base, rng, [*names, *([GATE] if run.moves_gate() else [])], step=_POLISH_STEP)
    until, renders = min(until, budget.used() + _POLISH_SHARE), budget.n_renders + _POLISH_RENDERS
    lines.run_until(lambda: budget.used() >= until or budget.n_renders >= renders)
    return lines.best


class LineSearch:
    """Line searches from one candidate.

    Args:
        run: the run, with its workers and its budget.
        base: measured candidate to start from.
        rng: generator for the order of the knobs.
        names: knobs that may change, and ``GATE``; every free one where missing, and the gate if it may change.
        step: first step of every continuous knob.
        precise: whether the base is close to a minimum.
        by: objective; the distance, by the run's evaluator, if missing.
        least_gain: relative improvement that counts.
        good_enough: loss at which the search ends.

    Attributes:
        best: the best candidate so far.
    """

    def __init__(
        self,
        run: Run,
        base: Candidate,
        rng: Generator,
        names: Iterable[str] | None = None,
        *,
        step: float = FIRST_STEP,
        precise: bool = False,
        by: Measurer | None = None,
        least_gain: float = _LEAST_GAIN,
        good_enough: float = GOOD_ENOUGH_LOSS,
    ) -> None:
        self.best, self._step, self._precise = base, step, precise
        self._by: Measurer = by or run.evaluator
        self._least_gain, self._good_enough = least_gain, good_enough
        self._run, self._rng = run, rng
        level = base.patch.table.level
        free = run.options.constraints.free(base.patch.table) if names is None else names
        self._names = [name for name in free if level is None or name != level.name]
        if names is None and run.moves_gate():
            self._names.append(GATE)
        self._lines: dict[str, Line] = {}
        self._sweep, self._order, self._flying = 0, deque[str](), set[str]()
        self._merges = deque[Trial]()

    def run_until(self, spent: Callable[[], bool]) -> bool:
        """Search until the budget is spent, or no knob improves the match; returns whether there is more to try."""
        pending = deque[tuple[Trial, Future[Any]]]()

        def over() -> bool:
            return spent() or self.best.loss <= self._good_enough

        try:
            more = True
            while True:
                while more and len(pending) < self._by.slots and not over():
                    trial = self._next()
                    if trial is None:
                        more = bool(pending)
                        break
                    pending.append((trial, self._by.submit(trial.candidate)))
                if not pending:
                    return more and not self._stalled()
                # The oldest first, whichever is done: runs with the same seed and budget in renders are equal.
                trial, future = pending.popleft()
                self._learn(trial, self._by.take(trial.candidate, future))
        finally:
            for _, future in pending:
                future.cancel()

    def active(self, count: int) -> list[str]:
        """Names of the continuous knobs that improved the match most, at most ``count``."""
        table = self.best.patch.table
        names = [
            n for n, line in self._lines.items() if line.gain > 0.0 and n != GATE and not table.parameter(n).discrete
        ]
        return sorted(names, key=lambda name: -self._lines[name].gain)[:count]

    def scales(self, count: int) -> dict[str, float]:
        """Scales of the knobs to which the match is most sensitive, at most ``count`` (``Line.scale``)."""
        known = {name: line.scale for name, line in self._lines.items() if name != GATE and math.isfinite(line.scale)}
        return {name: known[name] for name in sorted(known, key=lambda name: known[name])[:count]}

    def continue_from(self, best: Candidate) -> None:
        """Continue from a better candidate, with the steps that were learned; no line rests."""
        self.best = best
        for line in self._lines.values():
            line.tried.clear()
            line.failures = line.rest_until = 0

    def _stalled(self) -> bool:
        return not self._merges and not self._due()

    def _next(self) -> Trial | None:
        """The next trial; None if every line rests, or is in flight."""
        if self._merges:
            return self._merges.popleft()
        for _ in range(_LONGEST_REST + 1):
            while self._order:
                name = self._order.popleft()
                if name not in self._flying:
                    trial = self._trial(name)
                    if trial is not None:
                        self._flying.add(name)
                        return trial
            if self._flying:
                return None  # their results decide what the next sweep tries
            self._sweep += 1
            self._order = deque(self._due())
            if not self._order and all(line.failures >= _PATIENCE for line in self._lines.values()):
                return None
        return None

    def _due(self) -> list[str]:
        """The lines that do not rest, in random order."""
        audible = [name for name in self._names if name == GATE or self.best.patch.sounds(name)]
        due = [name for name in audible if self._line(name).rest_until <= self._sweep]
        return [due[k] for k in self._rng.permutation(len(due))]

    def _line(self, name: str) -> Line:
        return self._lines.setdefault(name, Line(self._step, sign=1.0 if self._rng.random() < 0.5 else -1.0))

    def _trial(self, name: str) -> Trial | None:
        line, base = self._line(name), self.best
        if name != GATE and not base.patch.sounds(name):
            return None
        moved: float | None
        if self._discrete(name):
            row, index = base.patch.table.parameter(name), base.patch.index(name)
            if not line.untried:
                near = row.neighbours(index)
                line.untried = [near[k] for k in self._rng.permutation(len(near))]
            choice = line.untried.pop() if line.untried else index
            moved = row.choice_knobs[choice] if choice != index else None
        else:
            moved = line.next_value(_value(base, name), SHORTEST_GATE if name == GATE else 0.0)
        if moved is None:
            self._rest(name)
            return None
        changes = {name: moved}
        candidate = self._changed(base, changes)
        if candidate.patch == base.patch and candidate.note == base.note:  # at a limit that the user set
            self._failed(name, moved - _value(base, name), math.inf)
            return None
        return Trial(candidate, base, changes, name)

    def _learn(self, trial: Trial, measured: Candidate | None) -> None:
        if trial.line is not None:
            self._flying.discard(trial.line)
        if measured is None or measured.loss >= trial.base.loss * (1.0 - self._least_gain):
            if trial.line is not None:
                increase = math.inf if measured is None else max(measured.loss / trial.base.loss - 1.0, 0.0)
                self._failed(trial.line, trial.step, increase)
            return
        if trial.line is not None:
            line = self._line(trial.line)
            line.succeeded(trial.step, 1.0 - measured.loss / trial.base.loss)
            line.rest_until = self._sweep
            self._order.appendleft(trial.line)
        if trial.base is not self.best:  # something else improved meanwhile: try both
            both = self._changed(self.best, trial.changes)
            if both.patch != self.best.patch or both.note != self.best.note:
                self._merges.append(Trial(both, self.best, trial.changes))
        if measured.loss < self.best.loss:
            self.best = measured

    def _failed(self, name: str, step: float, increase: float) -> None:
        """A step of a line failed: what is left to try from the same value follows in this sweep."""
        line = self._line(name)
        if self._discrete(name):
            if line.untried:
                line.rest_until = self._sweep + 1
            else:
                self._rest(name)
            return
        line.failed(step, increase)
        self._order.append(name)

    def _rest(self, name: str) -> None:
        """Nothing is left to try from this value: shorter steps, after a while."""
        line = self._line(name)
        if self._discrete(name):
            line.failures += 1
            line.rest_until = self._sweep + _LONGEST_REST
            return
        sensitive = line.shorten(self._least_gain, precise=self._precise)
        line.rest_until = self._sweep + (1 if sensitive else min(2 ** (line.failures - 1), _LONGEST_REST))

    def _discrete(self, name: str) -> bool:
        return name != GATE and self.best.patch.table.parameter(name).discrete

    def _changed(self, base: Candidate, changes: dict[str, float]) -> Candidate:
        """A candidate with some knobs, and the gate, at other values, within the user's limits; it is not measured."""
        knobs = {name: value for name, value in changes.items() if name != GATE}
        note = base.note
        if GATE in changes:
            note = replace(note, gate_seconds=changes[GATE] * note.seconds)
        patch = self._run.options.constraints.apply(base.patch.with_knobs(knobs))
        return replace(base, patch=patch, note=note, loss=math.inf, origin=ORIGIN)


def _value(candidate: Candidate, name: str) -> float:
    """A knob of a candidate, or its gate as a fraction of the clip."""
    return candidate.note.gate_seconds / candidate.note.seconds if name == GATE else candidate.patch[name]
