"""Training examples that are drawn from the prior and rendered when they are needed, and never stored.

Example ``i`` of a set is a pure function of the set's seed and ``i``: the draw (with the first attempt that is
accepted, as in data sets), its render, its spectrogram and its estimated note. A run therefore gets the same examples
with any number of workers, and a resumed run continues exactly. Another renderer, such as one on a GPU, only has to be
another ``ExampleSource``.
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
from inference.network.coding.note_estimates import estimated_notes
from inference.network.coding.variables import Coding
from inference.network.features.log_mel import SHAPE, as_batch
from inference.network.features.spectrograms import spectrogram_of_render
from inference.network.size import Size
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
"""Number of examples of one job of a worker."""
_COUNTED = 4000  # number of draws for the frequencies
_NOTE_STREAM = 77  # stream of random numbers, beside the prior's own


@dataclass(frozen=True)
class Chunk:
    """Consecutive examples as a worker sends them; see ``Batch``. The categories are those of ``Coding.encode``."""

    spectrograms: NDArray[np.uint8]
    notes: NDArray[np.int64]
    codes: NDArray[np.int16]
    knobs: NDArray[np.float32]


Job = tuple[int, int]
"""Seed of the prior's set and number of the chunk."""


def live_pool(make_host: Callable[[], Host], size: Size, workers: int) -> Pool[Job, Chunk]:
    """Worker processes that make examples of any set.

    Args:
        make_host: opens a host in a worker process; a module-level function or a ``functools.partial`` of one.
        size: inputs and outputs of the network.
        workers: number of processes.
    """
    return Pool(partial(make_worker, make_host, size.spectrogram, size.coding), workers)


class LiveExamples:
    """An ``ExampleSource`` of fresh renders.

    Args:
        pool: workers that make the examples; see ``live_pool``.
        coding: coding of the pool's examples.
        prior_set: seed of the set of draws.
        ahead: number of examples to prepare beyond the requested ones.

    ``batch`` raises ``HostError`` if the host fails or no worker can be started.
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
        """See ``ExampleSource``; over draws that were not rendered, so rejected ones are included."""
        return draw_frequencies(self.coding, self.prior_set)

    def batch(self, start: int, stop: int) -> Batch:
        """See ``ExampleSource``; the workers continue with the following examples."""
        first, last = start // CHUNK, (stop - 1) // CHUNK
        for number in [number for number in self._coming if not first <= number <= last + self._chunks_ahead]:
            self._coming.pop(number).cancel()
        for number in range(first, last + self._chunks_ahead + 1):
            if number not in self._coming:
                self._coming[number] = self._pool.submit((self.prior_set, number))
        chunks = [self._coming[number].result() for number in range(first, last + 1)]
        inside = slice(start - first * CHUNK, stop - first * CHUNK)
        spectrograms, notes, codes, knobs = (
            np.concatenate([getattr(chunk, name) for chunk in chunks])[inside]
            for name in ("spectrograms", "notes", "codes", "knobs")
        )
        return Batch(
            spectrograms=as_batch(spectrograms),
            notes=torch.from_numpy(notes),
            codes=torch.from_numpy(self.coding.relative(codes.astype(np.int64), notes)),
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
    drawn, onsets, notes = [], [], []
    for k in range(CHUNK):
        index = number * CHUNK + k
        patch, note, audio = _sounding_draw(host, prior_set, index)
        spectrograms[k], onset_seconds = spectrogram_of_render(audio, kind)
        drawn.append((patch, note))
        onsets.append(onset_seconds)
        notes.append(estimated_note(patch, note, note_rng(prior_set, index)))
    patches = [patch for patch, _ in drawn]
    return Chunk(
        spectrograms=spectrograms,
        notes=np.array(notes, np.int64),
        codes=coding.encode(patches, [note for _, note in drawn], onsets).astype(np.int16),
        knobs=np.array([patch.knobs for patch in patches], np.float32).reshape(CHUNK, len(TABLE.parameters)),
    )


@cache
def draw_frequencies(coding: Coding, prior_set: int) -> list[NDArray[np.float64]]:
    """Frequency of each category over the first draws of a set, see ``ExampleSource``."""
    drawn = [draw(prior_set, index) for index in range(_COUNTED)]
    codes = coding.encode([patch for patch, _ in drawn], [note for _, note in drawn])
    notes = np.array(
        [estimated_note(patch, note, note_rng(prior_set, index)) for index, (patch, note) in enumerate(drawn)]
    )
    return frequencies(coding, coding.relative(codes, notes))


def _sounding_draw(host: Host, prior_set: int, index: int) -> tuple[Patch, Note, Audio]:
    """The first attempt at a draw that can be rendered and is accepted, and its render."""
    for attempt in range(MOST_ATTEMPTS):
        patch, note = draw(prior_set, index, attempt)
        try:
            audio = host.render(patch, note, seed=index)
        except HostError:
            continue
        if refusal(audio) is None:
            return patch, note, audio
    raise HostError(f"example {index}: {MOST_ATTEMPTS} draws were refused")


def note_rng(prior_set: int, index: int) -> Generator:
    """The source of example ``index``'s estimated note."""
    return np.random.default_rng(SeedSequence(prior_set, spawn_key=(index, 0, _NOTE_STREAM)))


def estimated_note(patch: Patch, note: Note, rng: Generator) -> int:
    """A note that an estimator might return for a render, see ``estimated_notes``."""
    pitches, shares = sounding_pitches(patch, note.number)
    return int(estimated_notes(np.array([pitches], np.int16), np.array([shares], np.float32), rng)[0])
