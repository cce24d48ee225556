"""Rendering candidates in worker processes and measuring their distance from the clips."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from inference.budget import Budget
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.leaderboard import Leaderboard
from render.audio import Audio
from render.errors import HostError
from render.hosts.pool import Pool
from render.instruments.host import Compiling, Host, HostInfo
from render.instruments.patch import Patch
from render.measures.distance import DEFAULT_WEIGHTS, TargetDistance, Weights
from render.measures.loudness import EqualLoudnessMss
from render.note import SAMPLE_RATE, Note

HostFactory = Callable[[], Host]

Audios = tuple[Audio, ...]
"""One render for each clip."""

_LEAST_GAIN = 1e-9


@dataclass(frozen=True, slots=True)
class Describe:
    """Asks a worker for the identity of its host."""


@dataclass(frozen=True, slots=True)
class NotCompiled:
    """Asks a worker for the parts of its host that this machine must still compile."""


@dataclass(frozen=True, slots=True)
class Compile:
    """Asks a worker to compile a part of its host."""

    part: str


@dataclass(frozen=True, slots=True)
class Measure:
    """Asks a worker for the distance of a patch, played with each clip's note; renders need not be clean."""

    patch: Patch
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Render:
    """Asks a worker for clean renders of a patch, one for each clip."""

    patch: Patch
    notes: tuple[Note, ...]


Request = Describe | NotCompiled | Compile | Measure | Render


@dataclass(frozen=True, slots=True)
class Compare:
    """Asks a worker for what judges a patch: MSS of clean renders at equal loudness, one for each clip."""

    patch: Patch
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """Mean loss over the clips at the gain that matches the level best, and that gain, which may be any."""

    loss: float
    gain: float


Job = Describe | NotCompiled | Compile | Measure | Render | Compare
Reply = HostInfo | Measurement | Audios | float | list[str] | None
"""What a worker answers to each of them."""


class _Worker:
    """Function of a worker process, with its host and the clips."""

    def __init__(self, clips: Audios, weights: Weights, seed: int, solve_level: bool, host: Host) -> None:
        self._host = host
        self._clips = clips
        self._distances = [TargetDistance(audio, weights) for audio in clips]
        self._seed = seed
        self._solve_level = solve_level

    @functools.cached_property
    def _judged(self) -> EqualLoudnessMss:
        return EqualLoudnessMss(self._clips, SAMPLE_RATE, level_free=self._solve_level)

    def __call__(self, job: Job) -> Reply:
        match job:
            case Describe():
                return self._host.info
            case NotCompiled():
                return list(self._host.not_compiled()) if isinstance(self._host, Compiling) else []
            case Compile(part):
                assert isinstance(self._host, Compiling)
                self._host.compile(part)
                return None
            case Measure(patch, notes):
                return self._measured(self._audios(patch, notes, clean=False))
            case Render(patch, notes):
                return self._audios(patch, notes, clean=True)
            case Compare(patch, notes):
                return self._judged.measure(self._audios(patch, notes, clean=True))[0]

    def _audios(self, patch: Patch, notes: tuple[Note, ...], *, clean: bool) -> Audios:
        return tuple(self._host.render(patch, note, seed=self._seed, clean=clean) for note in notes)

    def _measured(self, audios: Audios) -> Measurement:
        pairs = list(zip(self._distances, audios, strict=True))
        if not self._solve_level or not any(audio.any() for audio in audios):
            return Measurement(math.fsum(distance(audio) for distance, audio in pairs) / len(pairs), 1.0)
        measured = [distance.measure(audio) for distance, audio in pairs]
        if len(measured) == 1:
            return Measurement(*measured[0])
        # One gain for all clips: the geometric mean of the best ones.
        gain = math.exp(math.fsum(math.log(gain) for _, gain in measured) / len(measured))
        return Measurement(math.fsum(distance(audio, gain) for distance, audio in pairs) / len(pairs), gain)


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
        clips = tuple(target.audio for target in targets)
        self._other_notes = tuple(target.note for target in targets[1:])
        self._pool = pool or start_workers(make_host, workers)
        self._pool.begin(functools.partial(_Worker, clips, weights, seed, solve_level))
        self.budget = budget or (board.budget if board is not None else Budget())
        self.board = board or Leaderboard(self.budget)
        self.failures = 0

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
        """Compile what the host compiles once on a machine, in all workers, so that no budget pays for it.

        Args:
            say: called with what is done, if there is anything to do.
        """
        parts = self._pool.submit(NotCompiled()).result()
        assert isinstance(parts, list)
        if parts:
            say(f"compiling {len(parts)} parts of the synth, once for this machine")
        for future in [self._pool.submit(Compile(part)) for part in parts]:
            future.exception()  # a part that does not compile fails where it is heard

    def submit(self, candidate: Candidate) -> Future[Measurement]:
        """Start to measure a candidate; the future raises ``HostError`` if the render failed."""
        self.budget.n_renders += 1
        return self._pool.submit(Measure(candidate.patch, self._notes(candidate)))  # type: ignore[return-value]

    def take(self, candidate: Candidate, future: Future[Measurement]) -> Candidate | None:
        """The candidate of a future that is done, with its loss; None if the render failed, which is counted."""
        try:
            measured = with_measurement(candidate, future.result())
        except HostError:
            self.failures += 1
            return None
        self.board.offer(measured)
        return measured

    def measure(self, candidates: Iterable[Candidate], meanwhile: Callable[[], None] | None = None) -> list[Candidate]:
        """Measure candidates.

        Args:
            candidates: what is rendered.
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
            except HostError:
                self.failures += 1
                yield None
                continue
            assert isinstance(audios, tuple)
            yield audios

    def compare(self, candidates: Iterable[Candidate], spent: Callable[[], bool]) -> list[float | None]:
        """MSS in dB of clean renders at equal loudness, measured by the workers.

        Args:
            candidates: what is rendered, in this order.
            spent: asked before every render; once it is true, no other begins.

        Returns:
            MSS in order; None for a candidate that was not rendered any more, or whose render failed, which is counted.
        """
        waiting = enumerate(candidates)
        results: dict[int, float | None] = {}
        pending: dict[Future[Reply], int] = {}
        last = -1
        while True:
            while len(pending) < self.slots and not spent() and (following := next(waiting, None)) is not None:
                last, candidate = following
                self.budget.n_renders += 1
                pending[self._pool.submit(Compare(candidate.patch, self._notes(candidate)))] = last
            if not pending:
                break
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                number = pending.pop(future)
                try:
                    reply = future.result()
                    assert isinstance(reply, float)
                    results[number] = reply
                except HostError:
                    self.failures += 1
                self.board.announce()
        return [results.get(number) for number in range(last + 1 + sum(1 for _ in waiting))]

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
