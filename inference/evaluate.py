"""Rendering candidates in worker processes and measuring how far each is from the target."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from inference.target import Target
from render.distance import DEFAULT_WEIGHTS, TargetDistance, Weights
from render.errors import HostError
from render.host import Audio, Host, HostInfo, open_host
from render.note import Note
from render.patch import Patch
from render.pool import Pool

HostFactory = Callable[[], Host]

_LOUDEST = Patch().with_knobs({"volume": 1.0})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A patch on its way through the stages.

    Attributes:
        patch: with its volume solved for the target's level once ``loss`` is known.
        note: the key press that it is played with.
        loss: the distance that the stages minimise; infinite until it was rendered.
        origin: where it came from, for the report.
    """

    patch: Patch
    note: Note
    loss: float = math.inf
    origin: str = ""


@dataclass(frozen=True, slots=True)
class _Job:
    """What a worker is sent; ``audio`` asks for the clean render itself instead of its loss."""

    patch: Patch
    note: Note
    audio: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """Loss of a render after its level was matched, and the gain that matched it."""

    loss: float
    gain: float


class _Worker:
    """Lives in a worker process: a host and the target."""

    def __init__(self, make_host: HostFactory, audio: Audio, weights: Weights, seed: int, solve_level: bool) -> None:
        self._host = make_host()
        self._distance = TargetDistance(audio, weights)
        self._seed = seed
        self._solve_level = solve_level

    def __call__(self, job: _Job | None) -> Measurement | Audio | HostInfo:
        if job is None:
            return self._host.info
        audio = self._host.render(job.patch, job.note, seed=self._seed, clean=job.audio)
        if job.audio:
            return audio
        if not self._solve_level or not audio.any():
            return Measurement(self._distance(audio), 1.0)
        # The knob has an end: a gain beyond it cannot be used, so it must not be credited.
        return Measurement(*self._distance.measure(audio, max_gain=volume_gain(_LOUDEST) / volume_gain(job.patch)))


class Evaluator:
    """A pool of workers with one target.

    Args:
        target: the clip.
        make_host: opens the host in each worker; a module-level function or a ``functools.partial`` of one.
        workers: number of processes.
        solve_level: whether the volume knob may be set to match the target's level (not where it is locked).
        seed: of what the instrument draws at random.
        weights: of the distance's terms.
    """

    def __init__(
        self,
        target: Target,
        make_host: HostFactory = open_host,
        *,
        workers: int = 2,
        solve_level: bool = True,
        seed: int = 0,
        weights: Weights = DEFAULT_WEIGHTS,
    ) -> None:
        make_worker: Callable[[], Callable[[_Job | None], Measurement | Audio | HostInfo]] = functools.partial(
            _Worker, make_host, target.audio, weights, seed, solve_level
        )
        self._pool = Pool(make_worker, workers)
        self.renders = 0
        self.failures = 0

    @property
    def slots(self) -> int:
        """How many candidates to keep in flight so that no worker waits."""
        return self._pool.slots

    def wait_ready(self) -> HostInfo:
        """Wait until the workers can render, and say what they render with; raises ``HostError``."""
        info = self._pool.submit(None).result()
        assert isinstance(info, HostInfo)
        return info

    def submit(self, candidate: Candidate) -> Future[Measurement]:
        """Measure a candidate; the future raises ``HostError`` if its render failed."""
        self.renders += 1
        return self._pool.submit(_Job(candidate.patch, candidate.note))  # type: ignore[return-value]

    def take(self, candidate: Candidate, future: Future[Measurement]) -> Candidate | None:
        """The candidate of a future that is done, with its loss; None, and counted, if its render failed."""
        try:
            return measured(candidate, future.result())
        except HostError:
            self.failures += 1
            return None

    def measure(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Candidates with their losses, in order, without those whose render failed."""
        pending = [(candidate, self.submit(candidate)) for candidate in candidates]
        results = [self.take(candidate, future) for candidate, future in pending]
        return [result for result in results if result is not None]

    def render(self, candidates: Iterable[Candidate]) -> Iterator[Audio | None]:
        """Clean renders of shape ``(2, samples)``, in order; None, and counted, for one that failed."""
        pending = [self._pool.submit(_Job(candidate.patch, candidate.note, audio=True)) for candidate in candidates]
        self.renders += len(pending)
        for future in pending:
            try:
                audio = future.result()
            except HostError:
                self.failures += 1
                yield None
                continue
            assert not isinstance(audio, Measurement | HostInfo)
            yield audio

    def close(self) -> None:
        """End the workers."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def measured(candidate: Candidate, measurement: Measurement) -> Candidate:
    """The candidate with its loss, and its volume knob at the gain that the loss was measured with."""
    return replace(candidate, patch=with_gain(candidate.patch, measurement.gain), loss=measurement.loss)


def volume_gain(patch: Patch) -> float:
    """The linear gain of the volume knob, ``(20^(2v) - 1) / 19``."""
    gain = patch.setting("volume")
    assert isinstance(gain, float)
    return gain


def with_gain(patch: Patch, gain: float) -> Patch:
    """The patch with its volume knob turned by a linear gain, as far as it goes."""
    if gain == 1.0 or patch["volume"] == 0.0:
        return patch
    wanted = max(volume_gain(patch) * gain, 1e-9)
    return patch.with_knobs({"volume": min(math.log(1.0 + 19.0 * wanted) / math.log(400.0), 1.0)})
