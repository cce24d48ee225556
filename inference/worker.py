"""What a worker process of a run is asked, and how it answers."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from render.audio import Audio
from render.instruments.host import Compiling, Host, HostInfo
from render.instruments.patch import Patch
from render.measures.conditions import Conditions, HeardDistance
from render.measures.distance import Weights
from render.measures.loudness import EqualLoudnessMss
from render.note import SAMPLE_RATE, Note

Audios = tuple[Audio, ...]
"""One render for each clip."""


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
class Played:
    """A patch and the note that it is played with for each clip; what is asked of it is said by the subclass."""

    patch: Patch
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Measure(Played):
    """Asks a worker for the distance of a patch, played with each clip's note; renders need not be clean."""


@dataclass(frozen=True, slots=True)
class Render(Played):
    """Asks a worker for clean renders of a patch, one for each clip."""


@dataclass(frozen=True, slots=True)
class Compare(Played):
    """Asks a worker for what judges a patch: MSS of clean renders at equal loudness, one for each clip."""


@dataclass(frozen=True, slots=True)
class Appraise(Played):
    """Asks a worker for the sum of what judges a patch and of its distance, of clean renders."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Mean loss over the clips at the gain that matches the level best, and that gain, which may be any."""

    loss: float
    gain: float


Job = Describe | NotCompiled | Compile | Measure | Render | Compare | Appraise
_LARGEST_GAIN = 1000.0
"""A render that needs more gain than 60 dB is next to silent, whatever its noise floor sounds like."""

Reply = HostInfo | Measurement | Audios | float | list[str] | None
"""What a worker answers to each of them."""


class Worker:
    """Function of a worker process, with its host and the clips.

    Args:
        clips: the clips.
        conditions: conditions of the comparison with each clip.
        weights: weights of the terms of the distance.
        seed: seed of the instrument's random generators.
        solve_level: whether the level is free.
        host: plays the patches.
    """

    def __init__(
        self,
        clips: Audios,
        conditions: Sequence[Conditions],
        weights: Weights,
        seed: int,
        solve_level: bool,
        host: Host,
    ) -> None:
        self._host = host
        self._clips, self._conditions = clips, conditions
        self._distances = [HeardDistance(audio, one, weights) for audio, one in zip(clips, conditions, strict=True)]
        self._seed = seed
        self._solve_level = solve_level

    @functools.cached_property
    def _judged(self) -> EqualLoudnessMss:
        return EqualLoudnessMss(self._clips, SAMPLE_RATE, level_free=self._solve_level, conditions=self._conditions)

    def __call__(self, job: Job) -> Reply:
        """Do a job."""
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
            case Appraise(patch, notes):
                audios = self._audios(patch, notes, clean=True)
                return self._judged.measure(audios)[0] + self._measured(audios).loss

    def _audios(self, patch: Patch, notes: tuple[Note, ...], *, clean: bool) -> Audios:
        return tuple(self._host.render(patch, note, seed=self._seed, clean=clean) for note in notes)

    def _measured(self, audios: Audios) -> Measurement:
        pairs = list(zip(self._distances, audios, strict=True))
        if not self._solve_level or not any(audio.any() for audio in audios):
            return Measurement(math.fsum(distance(audio) for distance, audio in pairs) / len(pairs), 1.0)
        measured = [distance.measure(audio) for distance, audio in pairs]
        # One gain for all clips: the geometric mean of the best ones.
        gain = math.exp(math.fsum(math.log(gain) for _, gain in measured) / len(measured))
        if gain > _LARGEST_GAIN:
            gain = 1.0
        elif len(measured) == 1:
            return Measurement(*measured[0])
        return Measurement(math.fsum(distance(audio, gain) for distance, audio in pairs) / len(pairs), gain)
