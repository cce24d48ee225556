"""Rendering candidates in worker processes and measuring how far each is from the target, or from several clips."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from inference.clip.target import Target
from render.audio import Audio
from render.errors import HostError
from render.hosts.open import open_host
from render.hosts.pool import Pool
from render.hosts.protocol import Host, HostInfo
from render.measures.distance import DEFAULT_WEIGHTS, TargetDistance, Weights
from render.noisemaker.patch import Patch
from render.note import Note

HostFactory = Callable[[], Host]

_LOUDEST = Patch().with_knobs({"volume": 1.0})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A patch on its way through the stages.

    Attributes:
        patch: with its volume solved for the target's level once ``loss`` is known.
        note: the key press that it is played with (where several clips are matched: that of the first).
        loss: the distance that the stages minimise; infinite until it was rendered.
        origin: where it came from, for the report.
    """

    patch: Patch
    note: Note
    loss: float = math.inf
    origin: str = ""


@dataclass(frozen=True, slots=True)
class _Job:
    """What a worker is sent, a note for each clip; ``audio`` asks for the clean renders instead of their loss."""

    patch: Patch
    notes: tuple[Note, ...]
    audio: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """Mean loss over the clips after the level was matched, and the gain that matched it."""

    loss: float
    gain: float


Audios = tuple[Audio, ...]
"""A render for each clip."""


class _Worker:
    """Lives in a worker process: a host and the clips."""

    def __init__(self, make_host: HostFactory, clips: Audios, weights: Weights, seed: int, solve_level: bool) -> None:
        self._host = make_host()
        self._distances = [TargetDistance(audio, weights) for audio in clips]
        self._seed = seed
        self._solve_level = solve_level

    def __call__(self, job: _Job | None) -> Measurement | Audios | HostInfo:
        if job is None:
            return self._host.info
        audios = tuple(self._host.render(job.patch, note, seed=self._seed, clean=job.audio) for note in job.notes)
        return audios if job.audio else self._measured(job.patch, audios)

    def _measured(self, patch: Patch, audios: Audios) -> Measurement:
        pairs = list(zip(self._distances, audios, strict=True))
        if not self._solve_level or not any(audio.any() for audio in audios):
            return Measurement(math.fsum(distance(audio) for distance, audio in pairs) / len(pairs), 1.0)
        # The knob has an end: a gain beyond it cannot be used, so it must not be credited.
        max_gain = volume_gain(_LOUDEST) / volume_gain(patch)
        measured = [distance.measure(audio, max_gain=max_gain) for distance, audio in pairs]
        if len(measured) == 1:
            return Measurement(*measured[0])
        # One knob for all clips: the geometric mean of what suits each.
        gain = math.exp(math.fsum(math.log(gain) for _, gain in measured) / len(measured))
        return Measurement(math.fsum(distance(audio, gain) for distance, audio in pairs) / len(pairs), gain)


class Evaluator:
    """A pool of workers with one target, or several clips of one sound.

    Args:
        target: the clip.
        make_host: opens the host in each worker; a module-level function or a ``functools.partial`` of one.
        workers: number of processes.
        solve_level: whether the volume knob may be set to match the target's level (not where it is locked).
        seed: of what the instrument draws at random.
        weights: of the distance's terms.
        also: further clips, each with its own note, that the same patch must match.
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
        also: Sequence[Target] = (),
    ) -> None:
        clips = (target.audio, *(other.audio for other in also))
        make_worker: Callable[[], Callable[[_Job | None], Measurement | Audios | HostInfo]] = functools.partial(
            _Worker, make_host, clips, weights, seed, solve_level
        )
        self._other_notes = tuple(other.note for other in also)
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
        return self._pool.submit(self._job(candidate))  # type: ignore[return-value]

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

    def render(self, candidates: Iterable[Candidate]) -> Iterator[Audios | None]:
        """Clean renders of shape ``(2, samples)``, one per clip, in order; None, and counted, for one that failed."""
        pending = [self._pool.submit(self._job(candidate, audio=True)) for candidate in candidates]
        self.renders += len(pending)
        for future in pending:
            try:
                audios = future.result()
            except HostError:
                self.failures += 1
                yield None
                continue
            assert isinstance(audios, tuple)
            yield audios

    def _job(self, candidate: Candidate, *, audio: bool = False) -> _Job:
        return _Job(candidate.patch, (candidate.note, *self._other_notes), audio)

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
