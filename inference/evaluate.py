"""Rendering candidates in worker processes and measuring their distance from the clips."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, Self

from inference.budget import Budget
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.leaderboard import Leaderboard
from inference.worker import (
    Appraise,
    Audios,
    Compare,
    Compile,
    Describe,
    Job,
    Measure,
    Measurement,
    NotCompiled,
    Render,
    Reply,
    Worker,
)
from render.errors import HostError
from render.hosts.pool import Pool
from render.instruments.host import Host, HostInfo
from render.instruments.patch import Patch
from render.measures.distance import DEFAULT_WEIGHTS, Weights
from render.note import Note

HostFactory = Callable[[], Host]


class Measurer(Protocol):
    """The objective of a search: takes candidates and returns them with their losses."""

    @property
    def slots(self) -> int:
        """How many candidates to keep in flight so that no worker is idle."""

    def submit(self, candidate: Candidate) -> Future[Any]:
        """Start to measure a candidate."""

    def take(self, candidate: Candidate, future: Future[Any]) -> Candidate | None:
        """The candidate of a future that is done, with its loss; None if the render failed."""


_LEAST_GAIN = 1e-9


def start_workers(make_host: HostFactory, workers: int) -> Pool[Job, Reply]:
    """Start processes that open their hosts while the clips are still being read; for ``Evaluator``."""
    return Pool(None, workers, prepare=make_host)


class Evaluator:
    """Measures candidates in a pool of workers, and offers them to the leaderboard.

    Args:
        targets: one clip, or several with a note each that one patch must match.
        make_host: opens the host in each worker; a module-level function or a ``functools.partial`` of one.
        workers: number of processes.
        solve_level: whether the level is free: losses are those at the best gain; False if the level knob is locked.
        seed: seed of the instrument's random generators.
        weights: weights of the terms of the distance.
        board: leaderboard that receives every measured candidate.
        budget: budget that counts every render.
        pool: workers that ``start_workers`` started already; ``make_host`` and ``workers`` are theirs then.

    Example:
        >>> with Evaluator([target], open_host) as evaluator:  # doctest: +SKIP
        ...     (measured,) = evaluator.measure([Candidate(patch, target.note)])
        ...     measured.loss
    """

    def __init__(
        self,
        targets: Sequence[Target],
        make_host: HostFactory,
        *,
        workers: int = 2,
        solve_level: bool = True,
        seed: int = 0,
        weights: Weights = DEFAULT_WEIGHTS,
        board: Leaderboard | None = None,
        budget: Budget | None = None,
        pool: Pool[Job, Reply] | None = None,
    ) -> None:
        clips, conditions = zip(*((target.audio, target.conditions) for target in targets), strict=True)
        self._other_notes = tuple(target.note for target in targets[1:])
        self._pool = pool or start_workers(make_host, workers)
        self._pool.begin(functools.partial(Worker, clips, conditions, weights, seed, solve_level))
        self.budget = budget or (board.budget if board is not None else Budget())
        self.board = board or Leaderboard(self.budget)
        self.failures = 0
        self.last_failure = ""

    @property
    def slots(self) -> int:
        """How many candidates to keep in flight so that no worker is idle."""
        return self._pool.slots

    def wait_ready(self) -> HostInfo:
        """Wait until a worker can render; returns the identity of its host, or raises ``HostError``."""
        info = self._pool.submit(Describe()).result()
        assert isinstance(info, HostInfo)
        return info

    def compile_host(self, say: Callable[[str], None]) -> None:
        """Compile in all workers what the host compiles once per machine, outside of any budget.

        Args:
            say: called with a message if there is something to compile.
        """
        parts = self._pool.submit(NotCompiled()).result()
        assert isinstance(parts, list)
        if parts:
            say(f"compiling {len(parts)} parts of the synth, once for this machine")
        for future in [self._pool.submit(Compile(part)) for part in parts]:
            future.exception()  # a part that does not compile fails where it is used

    def submit(self, candidate: Candidate) -> Future[Measurement]:
        """Start to measure a candidate; the future raises ``HostError`` if the render failed."""
        self.budget.n_renders += 1
        return self._pool.submit(Measure(candidate.patch, self._notes(candidate)))  # type: ignore[return-value]

    def take(self, candidate: Candidate, future: Future[Measurement]) -> Candidate | None:
        """The candidate of a future that is done, with its loss; None if the render failed, which is counted."""
        try:
            measured = with_measurement(candidate, future.result())
        except HostError as error:
            self._failed(error)
            return None
        self.board.offer(measured)
        return measured

    def measure(self, candidates: Iterable[Candidate], meanwhile: Callable[[], None] | None = None) -> list[Candidate]:
        """Measure candidates.

        Args:
            candidates: candidates to render.
            meanwhile: called once, while the workers render.

        Returns:
            The candidates with their losses, in order, without those whose render failed.
        """
        pending = [(candidate, self.submit(candidate)) for candidate in candidates]
        if meanwhile is not None:
            meanwhile()
        results = [self.take(candidate, future) for candidate, future in pending]
        return [result for result in results if result is not None]

    def render(self, candidates: Iterable[Candidate]) -> Iterator[Audios | None]:
        """Clean renders of shape ``(2, samples)``, one per clip, in order; None, and counted, for one that failed."""
        pending = [self._pool.submit(Render(candidate.patch, self._notes(candidate))) for candidate in candidates]
        self.budget.n_renders += len(pending)
        for future in pending:
            try:
                audios = future.result()
            except HostError as error:
                self._failed(error)
                yield None
                continue
            assert isinstance(audios, tuple)
            yield audios

    def submit_judged(self, candidate: Candidate, kind: type[Compare] | type[Appraise]) -> Future[Reply]:
        """Start a clean render of a candidate, of which a worker returns a number."""
        self.budget.n_renders += 1
        return self._pool.submit(kind(candidate.patch, self._notes(candidate)))

    def take_judged(self, future: Future[Reply]) -> float | None:
        """The number of a future that is done; None if the render failed, which is counted."""
        try:
            reply = future.result()
            assert isinstance(reply, float)
        except HostError as error:
            self._failed(error)
            reply = None
        self.board.announce()
        return reply

    def _failed(self, error: HostError) -> None:
        self.failures += 1
        self.last_failure = str(error)

    def compare(
        self, candidates: Iterable[Candidate], spent: Callable[[], bool], kind: type[Compare] | type[Appraise] = Compare
    ) -> list[float | None]:
        """MSS in dB of clean renders at equal loudness, measured by the workers.

        Args:
            candidates: candidates to render, in this order.
            spent: called before every render; once it returns true, no other render begins.
            kind: what is measured; with ``Appraise`` the sum of MSS and of the distance.

        Returns:
            MSS, or the sum, in order; None for a candidate that was not rendered any more, or whose render failed,
            which is counted.
        """
        waiting = deque(candidates)
        pending = deque[Future[Reply]]()
        results: list[float | None] = []
        while True:
            while waiting and len(pending) < self.slots and not spent():
                pending.append(self.submit_judged(waiting.popleft(), kind))
            if not pending:
                return [*results, *(None for _ in waiting)]
            results.append(self.take_judged(pending.popleft()))

    def _notes(self, candidate: Candidate) -> tuple[Note, ...]:
        return (candidate.note, *self._other_notes)

    def close(self) -> None:
        """Stop the workers."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Judging:
    """Measures candidates by the sum of MSS in dB at equal loudness, which judges them, and of the distance.

    MSS alone is computed in mono. With the distance beside it the match is closer by the other metrics too
    (``docs/refinement.md``). These candidates are not offered to the leaderboard, whose losses are distances.

    Args:
        evaluator: renders and compares.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    @property
    def slots(self) -> int:
        """See ``Measurer``."""
        return self._evaluator.slots

    def submit(self, candidate: Candidate) -> Future[Any]:
        """See ``Measurer``."""
        return self._evaluator.submit_judged(candidate, Appraise)

    def take(self, candidate: Candidate, future: Future[Any]) -> Candidate | None:
        """See ``Measurer``."""
        loss = self._evaluator.take_judged(future)
        return None if loss is None else replace(candidate, loss=loss)


def with_measurement(candidate: Candidate, measurement: Measurement) -> Candidate:
    """The candidate with its loss, and with its level knob changed by the gain of the measurement."""
    return replace(candidate, patch=with_gain(candidate.patch, measurement.gain), loss=measurement.loss)


def with_gain(patch: Patch, gain: float) -> Patch:
    """The patch with its level knob changed by a linear gain, within the knob's range."""
    level = patch.table.level
    if gain == 1.0 or level is None or patch[level.name] == 0.0:
        return patch
    wanted = max(level.curve.setting(patch[level.name]) * gain, _LEAST_GAIN)
    return patch.with_knobs({level.name: level.curve.nearest_knob(wanted)})
