"""Training examples that the proxy renders in large blocks, on a GPU or on the CPU.

Worker processes draw patches from the prior, and compute their codes and the proxy's controls; the device renders a
block of them at once and computes its spectrograms, while the network learns from the block before. Example ``i`` is a
pure function of the set's seed and ``i``, up to rounding of the device: blocks are always the same draws, and a draw
that is refused (silent, clipped, ...) is replaced by the next one of its block that is not.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.network.coding.codings import CODINGS
from inference.network.coding.variables import SILENT, Coding, gate_codes
from inference.network.features.batches import spectrograms_of_renders
from inference.network.size import Size
from inference.network.training.examples import Batch
from inference.network.training.live import draw_frequencies, estimated_note, note_rng
from proxy.synth.controls import DISCRETE, Controls
from proxy.synth.voice import render
from proxy.synth.weights import load_corrections
from render.data.accept import CLIPPED_PEAK, QUIETEST_PEAK
from render.errors import HostError
from render.hosts.pool import Pool
from render.noisemaker.prior import draw, prior_hash
from render.note import SAMPLE_RATE

BLOCKS = {"cuda": 8192, "cpu": 256}
"""Number of examples that are rendered together, by the type of the device."""
CHUNK = 32
"""Draws of one job of a worker."""
RENDERED_SECONDS = (2.0, 3.05)
"""Lengths of renders, so that a block has few shapes of signals: shorter notes are cut from the next longer one, and no
spectrogram sees more than the longest."""
PART_SECONDS = {"cuda": 4200.0, "cpu": 64.0}
"""Seconds of sound that are rendered at once, by the type of the device: 16 GB on a GPU, 0.3 GB on the CPU."""
BYTES_PER_STREAM = 22e9
"""Memory of a GPU for each part that is rendered at the same time. A part waits for memory most of the time, and leaves
most multiprocessors idle."""

_BLOCKS_AT_ONCE = 2  # on a GPU, so that a block's last parts do not run alone
_BLOCKS_AHEAD = 2  # whose draws the workers prepare beyond the block that is rendered

Job = tuple[int, int]
"""Seed of the prior's set and number of the chunk."""


@dataclass(frozen=True)
class Drawn:
    """Consecutive draws as a worker sends them, an item per draw; see ``Controls`` and ``Batch``."""

    knobs: NDArray[np.float32]
    choices: NDArray[np.int8]
    number: NDArray[np.float32]
    velocity: NDArray[np.float32]
    gate_seconds: NDArray[np.float64]
    seconds: NDArray[np.float64]
    editor: NDArray[np.float32]
    notes: NDArray[np.int64]
    codes: NDArray[np.int16]


def draws_pool(coding: Coding, workers: int) -> Pool[Job, Drawn]:
    """Worker processes that draw from any set.

    Args:
        coding: coding of the examples.
        workers: number of processes.
    """
    name = next(name for name, known in CODINGS.items() if known is coding)
    return Pool(partial(make_drawer, name), workers)


def make_drawer(coding: str) -> Callable[[Job], Drawn]:
    """The worker of a pool: it turns jobs into draws."""
    torch.set_num_threads(1)
    return partial(drawn_chunk, CODINGS[coding])


def drawn_chunk(coding: Coding, job: Job) -> Drawn:
    """Draws ``number * CHUNK`` and the next ones of a set; the codes are those of a clip that begins with the note."""
    prior_set, number = job
    indices = range(number * CHUNK, (number + 1) * CHUNK)
    patches, notes = zip(*(draw(prior_set, index) for index in indices), strict=True)
    controls = Controls.from_patches(patches, notes)
    return Drawn(
        knobs=controls.knobs.numpy(),
        choices=torch.stack([controls.choices[name] for name in DISCRETE], 1).numpy().astype(np.int8),
        number=controls.number.numpy(),
        velocity=controls.velocity.numpy(),
        gate_seconds=np.array([note.gate_seconds for note in notes]),
        seconds=np.array([note.seconds for note in notes]),
        editor=controls.editor.numpy(),
        notes=np.array(
            [
                estimated_note(patch, note, note_rng(prior_set, index))
                for index, patch, note in zip(indices, patches, notes, strict=True)
            ],
            np.int64,
        ),
        codes=coding.encode(patches, notes).astype(np.int16),
    )


class ProxyExamples:
    """An ``ExampleSource`` of fresh renders of the proxy.

    Args:
        pool: workers that draw; see ``draws_pool``.
        size: inputs and outputs of the network.
        prior_set: seed of the set of draws.
        device: where to render; batches stay there.
        block: number of examples that are rendered together; by default that of the device's type.

    ``batch`` raises ``HostError`` if a whole block is refused or no worker can be started.
    """

    def __init__(
        self, pool: Pool[Job, Drawn], size: Size, prior_set: int, device: torch.device | str, block: int | None = None
    ) -> None:
        self._pool, self._size, self.prior_set = pool, size, prior_set
        self._device = torch.device(device)
        self._block = BLOCKS[self._device.type] if block is None else block
        self._corrections = load_corrections().to(self._device)
        self._drawn: dict[int, list[Future[Drawn]]] = {}
        self._newest = -1  # of the blocks whose draws were asked for
        self._lock = threading.Lock()
        self._renders: dict[int, Future[Batch]] = {}
        self._local = threading.local()
        streams, self._at_once = 1, 1
        if self._device.type == "cuda":
            memory = torch.cuda.get_device_properties(self._device).total_memory
            streams, self._at_once = max(int(memory / BYTES_PER_STREAM), 1), _BLOCKS_AT_ONCE
        self._blocks = ThreadPoolExecutor(self._at_once, thread_name_prefix="block")
        self._parts = ThreadPoolExecutor(streams, thread_name_prefix="part")

    @property
    def coding(self) -> Coding:
        """See ``ExampleSource``."""
        return CODINGS[self._size.coding]

    def identity(self) -> Any:
        """See ``ExampleSource``."""
        return {"renderer": "proxy", "prior_set": self.prior_set, "prior_hash": prior_hash(), "block": self._block}

    def frequencies(self) -> list[NDArray[np.float64]]:
        """See ``ExampleSource``; over draws that were not rendered, so refused ones are included."""
        return draw_frequencies(self.coding, self.prior_set)

    def batch(self, start: int, stop: int) -> Batch:
        """See ``ExampleSource``; spectrograms are whole numbers from 0 to 255. Next blocks are rendered meanwhile."""
        first, last = start // self._block, (stop - 1) // self._block
        for old in [number for number in self._renders if number < first]:
            del self._renders[old]
        self.begin(first, last + 1 + self._at_once)
        parts = []
        for number in range(first, last + 1):
            block = self._renders[number].result()
            begin, end = max(start - number * self._block, 0), min(stop - number * self._block, self._block)
            tensors = (block.spectrograms, block.notes, block.codes, block.knobs)
            parts.append([tensor[begin:end] for tensor in tensors])
        return Batch(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))

    def begin(self, first: int, last: int) -> None:
        """Begin to render the blocks from ``first`` to before ``last``."""
        for number in range(first, last):
            if number not in self._renders:
                self._renders[number] = self._blocks.submit(self._rendered, number)

    def _rendered(self, number: int) -> Batch:
        """The examples of a block, on the device."""
        drawn = self._draws(number)
        parts = [
            self._parts.submit(self._part, drawn, *part, 1 + number)
            for part in _parts(drawn, PART_SECONDS[self._device.type])
        ]
        kept, spectrograms, onsets = _joined([part.result() for part in parts])
        if len(kept) == 0:
            raise HostError(f"all {self._block} renders of a block are silent, broken or clipped")
        order = kept.argsort()
        kept = kept[order]
        # A refused draw is replaced by the next one that is not, from the beginning again after the last.
        index = torch.searchsorted(kept, torch.arange(self._block, device=kept.device)) % len(kept)
        places, index = kept[index].cpu().numpy(), order[index]
        seconds = drawn.gate_seconds[places] - onsets[index].double().cpu().numpy()
        batch = Batch(
            spectrograms=spectrograms[index],
            notes=torch.from_numpy(drawn.notes[places]).to(self._device),
            codes=torch.from_numpy(self._codes_at(drawn, places, seconds)).to(self._device),
            knobs=torch.from_numpy(drawn.knobs[places]).to(self._device),
        )
        if self._device.type == "cuda":
            torch.cuda.current_stream(self._device).synchronize()
        return batch

    def _codes_at(
        self, drawn: Drawn, places: NDArray[np.int64], gate_seconds: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        codes = drawn.codes[places].astype(np.int64)
        gate = self.coding.index("gate")
        codes[:, gate] = np.where(codes[:, gate] == SILENT, SILENT, gate_codes(gate_seconds))
        return self.coding.relative(codes, drawn.notes[places])

    def _draws(self, number: int) -> Drawn:
        with self._lock:
            ahead = range(max(self._newest, number) + 1, number + 1 + _BLOCKS_AHEAD)
            for wanted in (number, *ahead):
                if wanted not in self._drawn:
                    chunks = self._block // CHUNK
                    jobs = [(self.prior_set, wanted * chunks + k) for k in range(chunks)]
                    self._drawn[wanted] = [self._pool.submit(job) for job in jobs]
            self._newest = max(self._newest, *(ahead or (number,)))
            futures = self._drawn.pop(number)
        parts = [future.result() for future in futures]
        columns = {field.name: [getattr(part, field.name) for part in parts] for field in fields(Drawn)}
        return Drawn(**{name: np.concatenate(column) for name, column in columns.items()})

    def _part(self, drawn: Drawn, items: NDArray[np.int64], n_samples: int, seed: int) -> Found:
        """Renders some draws; in halves where the GPU's memory is too small for all of them."""
        try:
            if self._device.type == "cpu":
                return self._found(drawn, items, n_samples, seed)
            with torch.cuda.stream(self._stream()):
                found = self._found(drawn, items, n_samples, seed)
                torch.cuda.current_stream(self._device).synchronize()
                return found
        except torch.cuda.OutOfMemoryError:
            if len(items) == 1:
                raise
        torch.cuda.empty_cache()
        return _joined([self._part(drawn, half, n_samples, seed) for half in np.array_split(items, 2)])

    def _stream(self) -> torch.cuda.Stream:
        """The stream of this thread; with new ones the memory that torch keeps for each would not be used again."""
        if not hasattr(self._local, "stream"):
            self._local.stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        stream: torch.cuda.Stream = self._local.stream
        return stream

    @torch.no_grad()
    def _found(self, drawn: Drawn, items: NDArray[np.int64], n_samples: int, seed: int) -> Found:
        def tensor(values: NDArray[Any]) -> Tensor:
            return torch.from_numpy(values[items]).to(self._device)

        choices = tensor(drawn.choices).long()
        controls = Controls(
            knobs=tensor(drawn.knobs),
            choices={name: choices[:, k] for k, name in enumerate(DISCRETE)},
            number=tensor(drawn.number),
            velocity=tensor(drawn.velocity),
            gate_seconds=tensor(drawn.gate_seconds.astype(np.float32)),
            editor=tensor(drawn.editor),
        )
        audio = render(controls, n_samples, self._corrections, seed)
        lengths = torch.from_numpy(np.round(drawn.seconds[items] * SAMPLE_RATE)).to(self._device)
        audio *= torch.arange(n_samples, device=self._device) < lengths[:, None, None]
        peaks = audio.abs().amax(dim=(1, 2))
        kept = ((peaks >= QUIETEST_PEAK) & (peaks < CLIPPED_PEAK)).nonzero().squeeze(1)  # false for NaN too
        spectrograms, onsets = spectrograms_of_renders(audio[kept], self._size.spectrogram)
        return torch.from_numpy(items).to(self._device)[kept], spectrograms, onsets


Found = tuple[Tensor, Tensor, Tensor]
"""Accepted renders: places in the block, spectrograms, and onsets in seconds."""


def _joined(found: list[Found]) -> Found:
    places, spectrograms, onsets = (torch.cat(tensors) for tensors in zip(*found, strict=True))
    return places, spectrograms, onsets


def _parts(drawn: Drawn, part_seconds: float) -> list[tuple[NDArray[np.int64], int]]:
    """Places of draws that are rendered together, and the number of samples; the longest first."""
    parts = []
    bounds = (0.0, *RENDERED_SECONDS)
    for shorter, seconds in reversed(list(pairwise(bounds))):
        items = np.flatnonzero((drawn.seconds > shorter) & (drawn.seconds <= seconds))
        for part in np.array_split(items, max(math.ceil(len(items) * seconds / part_seconds), 1)):
            if len(part) > 0:
                parts.append((part, round(seconds * SAMPLE_RATE)))
    return parts
