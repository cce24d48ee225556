"""Examples that are drawn from the prior, rendered, learnt and never stored.

Example ``i`` of a set is a pure function of the set's seed and ``i``: the draw (with the first attempt that passes the
gate, as in data sets), its render, what is seen of it and which note is heard. So a run sees the same examples with any
number of workers, and a resumed run goes on exactly. Another renderer, such as one on a GPU, only has to be another
``ExampleSource``.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from numpy.random import Generator, SeedSequence
from numpy.typing import NDArray

from inference.network.coding.codings import CODINGS
from inference.network.coding.hearing import heard_notes
from inference.network.coding.variables import Coding
from inference.network.features.log_mel import SHAPE, as_batch
from inference.network.features.spectrograms import spectrogram_of_render
from inference.network.model import Size
from inference.network.training.examples import Batch, frequencies
from render.audio import Audio
from render.data.accept import refusal
from render.data.dataset import MOST_ATTEMPTS
from render.errors import HostError
from render.hosts.pool import Pool
from render.instruments.host import Host
from render.instruments.patch import Patch
from render.noisemaker.pitches import sounding_pitches
from render.noisemaker.prior import draw, prior_hash
from render.noisemaker.table import TABLE
from render.note import Note

FIRST_SET = 1000
"""Seed of the prior's set for training with seed 0; data sets and the library have smaller ones."""
VALIDATION_SET = 999

CHUNK = 8
"""Examples that a worker makes at a time."""
_COUNTED = 4000  # draws that frequencies are counted in
_HEARD = 77  # stream of random numbers, beside the prior's own


@dataclass(frozen=True)
class Chunk:
    """Some examples in a row, as a worker sends them; see ``Batch``, with categories as ``Coding.encode`` has them."""

    spectrograms: NDArray[np.uint8]
    heard: NDArray[np.int64]
    codes: NDArray[np.int16]
    knobs: NDArray[np.float32]


Job = tuple[int, int]
"""Seed of the prior's set and number of the chunk."""


def live_pool(make_host: Callable[[], Host], size: Size, workers: int) -> Pool[Job, Chunk]:
    """Worker processes that make examples of any set.

    Args:
        make_host: Opens a host in a worker process; a module-level function or a ``functools.partial`` of one.
        size: Says what the network sees and predicts.
        workers: Number of processes.
    """
    return Pool(partial(make_worker, make_host, size.spectrogram, size.coding), workers)


class LiveExamples:
    """An ``ExampleSource`` of fresh renders.

    Args:
        pool: Makes them; see ``live_pool``.
        coding: The pool's.
        prior_set: Seed of the prior's set.
        ahead: How many examples to make beyond those that were asked for.

    Raises, when batches are asked for:
        HostError: if the host fails, or no worker can be started.
    """

    def __init__(self, pool: Pool[Job, Chunk], coding: Coding, prior_set: int, ahead: int = 0) -> None:
        self._pool, self._coding, self.prior_set = pool, coding, prior_set
        self._chunks_ahead = -(-ahead // CHUNK)
        self._coming: dict[int, Future[Chunk]] = {}

    @property
    def coding(self) -> Coding:
        """See ``ExampleSource``."""
        return self._coding

    def identity(self) -> Any:
        """See ``ExampleSource``."""
        return {"prior_set": self.prior_set, "prior_hash": prior_hash()}

    def frequencies(self) -> list[NDArray[np.float64]]:
        """See ``ExampleSource``; of draws that nobody listened to, so of refused ones too."""
        return _frequencies(self.coding, self.prior_set)

    def batch(self, start: int, stop: int) -> Batch:
        """See ``ExampleSource``; the workers go on with what comes after it."""
        first, last = start // CHUNK, (stop - 1) // CHUNK
        for number in [number for number in self._coming if not first <= number <= last + self._chunks_ahead]:
            self._coming.pop(number).cancel()
        for number in range(first, last + self._chunks_ahead + 1):
            if number not in self._coming:
                self._coming[number] = self._pool.submit((self.prior_set, number))
        chunks = [self._coming[number].result() for number in range(first, last + 1)]
        inside = slice(start - first * CHUNK, stop - first * CHUNK)
        spectrograms, heard, codes, knobs = (
            np.concatenate([getattr(chunk, name) for chunk in chunks])[inside]
            for name in ("spectrograms", "heard", "codes", "knobs")
        )
        return Batch(
            spectrograms=as_batch(spectrograms),
            heard=torch.from_numpy(heard),
            codes=torch.from_numpy(self.coding.relative(codes.astype(np.int64), heard)),
            knobs=torch.from_numpy(knobs),
        )


def make_worker(make_host: Callable[[], Host], kind: str, coding: str) -> Callable[[Job], Chunk]:
    """The worker of a pool: it turns jobs into chunks."""
    torch.set_num_threads(1)
    return partial(make_chunk, make_host(), kind, CODINGS[coding])


def make_chunk(host: Host, kind: str, coding: Coding, job: Job) -> Chunk:
    """Examples ``number * CHUNK`` and the next ones of a set; raises ``HostError`` if one cannot be made."""
    prior_set, number = job
    spectrograms = np.zeros((CHUNK, *SHAPE), np.uint8)
    drawn, onsets, heard = [], [], []
    for k in range(CHUNK):
        index = number * CHUNK + k
        patch, note, audio = _sounding_draw(host, prior_set, index)
        spectrograms[k], onset_seconds = spectrogram_of_render(audio, kind)
        drawn.append((patch, note))
        onsets.append(onset_seconds)
        heard.append(_heard(patch, note, _rng(prior_set, index)))
    patches = [patch for patch, _ in drawn]
    return Chunk(
        spectrograms=spectrograms,
        heard=np.array(heard, np.int64),
        codes=coding.encode(patches, [note for _, note in drawn], onsets).astype(np.int16),
        knobs=np.array([patch.knobs for patch in patches], np.float32).reshape(CHUNK, len(TABLE.parameters)),
    )


@cache
def _frequencies(coding: Coding, prior_set: int) -> list[NDArray[np.float64]]:
    drawn = [draw(prior_set, index) for index in range(_COUNTED)]
    codes = coding.encode([patch for patch, _ in drawn], [note for _, note in drawn])
    heard = np.array([_heard(patch, note, _rng(prior_set, index)) for index, (patch, note) in enumerate(drawn)])
    return frequencies(coding, coding.relative(codes, heard))


def _sounding_draw(host: Host, prior_set: int, index: int) -> tuple[Patch, Note, Audio]:
    """The first attempt at a draw that renders and passes the gate, and its render."""
    for attempt in range(MOST_ATTEMPTS):
        patch, note = draw(prior_set, index, attempt)
        try:
            audio = host.render(patch, note, seed=index)
        except HostError:
            continue
        if refusal(audio) is None:
            return patch, note, audio
    raise HostError(f"example {index}: {MOST_ATTEMPTS} draws were refused")


def _rng(prior_set: int, index: int) -> Generator:
    return np.random.default_rng(SeedSequence(prior_set, spawn_key=(index, 0, _HEARD)))


def _heard(patch: Patch, note: Note, rng: Generator) -> int:
    pitches, shares = sounding_pitches(patch, note.number)
    return int(heard_notes(np.array([pitches], np.int16), np.array([shares], np.float32), rng)[0])
