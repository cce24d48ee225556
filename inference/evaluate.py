"""Rendering candidates in worker processes and measuring their distance from the clips."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
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
from render.note import Note

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
class Measurement:
    """Mean loss over the clips after matching the level, and the gain that matches it."""

    loss: float
    gain: float


Answer = Measurement | Audios | HostInfo | list[str] | None


class _Worker:
    """Function of a worker process, with its host and the clips."""

    def __init__(self, make_host: HostFactory, clips: Audios, weights: Weights, seed: int, solve_level: bool) -> None:
        self._host = make_host()
        self._distances = [TargetDistance(audio, weights) for audio in clips]
        self._seed = seed
        self._solve_level = solve_level

    def __call__(self, job: Request) -> Answer:
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
                return self._measured(patch, self._audios(patch, notes, clean=False))
            case Render(patch, notes):
                return self._audios(patch, notes, clean=True)

    def _audios(self, patch: Patch, notes: tuple[Note, ...], *, clean: bool) -> Audios:
        return tuple(self._host.render(patch, note, seed=self._seed, clean=clean) for note in notes)

    def _measured(self, patch: Patch, audios: Audios) -> Measurement:
        pairs = list(zip(self._distances, audios, strict=True))
        level = patch.table.level
        if not self._solve_level or level is None or not any(audio.any() for audio in audios):
            return Measurement(math.fsum(distance(audio) for distance, audio in pairs) / len(pairs), 1.0)
        # The knob cannot go beyond its end, so a larger gain must not improve the loss.
        max_gain = level.curve.setting(1.0) / level.curve.setting(patch[level.name])
        measured = [distance.measure(audio, max_gain=max_gain) for distance, audio in pairs]
        if len(measured) == 1:
            return Measurement(*measured[0])
        # One knob for all clips: the geometric mean of the best gains.
        gain = math.exp(math.fsum(math.log(gain) for _, gain in measured) / len(measured))
        return Measurement(math.fsum(distance(audio, gain) for distance, audio in pairs) / len(pairs), gain)


class Evaluator:
    """Measures candidates in a pool of workers, and offers them to the leaderboard.

    Args:
        targets: one clip, or several with a note each that one patch must match.
        make_host: opens the host in each worker; a module-level function or a ``functools.partial`` of one.
        workers: number of processes.
        solve_level: whether the level knob may be set to match the target's level; False if it is locked.
        seed: seed of the instrument's random generators.
        weights: weights of the terms of the distance.
        board: leaderboard that receives every measured candidate.
        budget: budget that counts every render.

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
    ) -> None:
        clips = tuple(target.audio for target in targets)
        make_worker: Callable[[], Callable[[Request], Answer]] = functools.partial(
            _Worker, make_host, clips, weights, seed, solve_level
        )
        self._other_notes = tuple(target.note for target in targets[1:])
        self._pool = Pool(make_worker, workers)
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

    def measure(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Measure candidates; returns them with their losses, in order, without those whose render failed."""
        pending = [(candidate, self.submit(candidate)) for candidate in candidates]
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
