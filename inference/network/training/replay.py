"""A source that uses every example several times, for a network that learns faster than examples are rendered."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inference.network.coding.variables import Coding
from inference.network.training.examples import Batch, ExampleSource
from render.errors import OutOfRange

_LAGS = 5  # stream of random numbers


class Replay:
    """An ``ExampleSource`` that repeats the examples of another one, each ``reuse`` times.

    Of ``reuse`` consecutive blocks the first is fresh. In each of the others, position ``k`` has the example at that
    position of an older block; how many fresh blocks ago differs from position to position and is fixed, so that every
    example is repeated equally often, and each time beside others. The most recent examples are kept on the training
    device, spectrograms as bytes; a resumed run makes those again that it still needs.

    Args:
        source: the other source.
        reuse: how often an example is used.
        block: examples of a block; the batch of the training.
        remembered: number of recent examples that repeated ones are taken from; rounded down to whole blocks.
        device: device of torch that they are kept on.

    Raises:
        OutOfRange: if an example is used less than once, or not even two blocks are remembered.
    """

    def __init__(self, source: ExampleSource, reuse: int, block: int, remembered: int, device: str = "cpu") -> None:
        if reuse < 1:
            raise OutOfRange("reuse", reuse, "1 or more")
        if block < 1 or remembered < 2 * block:
            raise OutOfRange("remembered examples", remembered, f"{2 * block}, two batches, or more")
        self._source, self._reuse, self._block, self._device = source, reuse, block, device
        self._n_blocks = remembered // block
        rng = np.random.default_rng((_LAGS, reuse, block))
        lags = rng.integers(1, self._n_blocks, (reuse, block))
        lags[0] = 0
        self._lags = torch.from_numpy(lags).to(device)
        self._positions = torch.arange(block, device=device)
        self._ring: tuple[torch.Tensor, ...] | None = None
        self._next = 0  # number of the fresh block after the newest that is kept

    @property
    def coding(self) -> Coding:
        """See ``ExampleSource``."""
        return self._source.coding

    def identity(self) -> Any:
        """See ``ExampleSource``."""
        counts = {"reuse": self._reuse, "block": self._block, "remembered_blocks": self._n_blocks}
        return {"replayed": self._source.identity()} | counts

    def frequencies(self) -> list[NDArray[np.float64]]:
        """See ``ExampleSource``."""
        return self._source.frequencies()

    def batch(self, start: int, stop: int) -> Batch:
        """See ``ExampleSource``; spectrograms are bytes, on the training device."""
        parts = []
        while start < stop:
            number, first = divmod(start, self._block)
            last = min(self._block, first + stop - start)
            parts.append(self._part(number, first, last))
            start += last - first
        whole = parts[0] if len(parts) == 1 else tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True))
        return Batch(*whole)

    def _part(self, number: int, first: int, last: int) -> tuple[torch.Tensor, ...]:
        """Positions ``first`` to ``last`` (not included) of a block."""
        fresh, turn = divmod(number, self._reuse)
        ring = self._holding(fresh)
        ago = self._lags[turn, first:last] % (fresh + 1)
        rows = (fresh - ago) % self._n_blocks * self._block + self._positions[first:last]
        return tuple(kept[rows] for kept in ring)

    def _holding(self, fresh: int) -> tuple[torch.Tensor, ...]:
        """The ring once it holds a fresh block and those before it."""
        oldest = max(fresh - self._n_blocks + 1, 0)
        for number in range(max(oldest, self._next) if self._next <= fresh + 1 else oldest, fresh + 1):
            batch = self._source.batch(number * self._block, (number + 1) * self._block)
            self._keep(number, batch)
        self._next = fresh + 1
        assert self._ring is not None
        return self._ring

    def _keep(self, number: int, batch: Batch) -> None:
        spectrograms = batch.spectrograms
        if spectrograms.is_floating_point():
            spectrograms = (255.0 * spectrograms).round().to(torch.uint8)
        tensors = (spectrograms, batch.notes, batch.codes, batch.knobs)
        if self._ring is None:
            count = self._n_blocks * self._block
            self._ring = tuple(
                torch.empty((count, *tensor.shape[1:]), dtype=tensor.dtype, device=self._device) for tensor in tensors
            )
        first = number % self._n_blocks * self._block
        for kept, tensor in zip(self._ring, tensors, strict=True):
            kept[first : first + self._block].copy_(tensor, non_blocking=True)
