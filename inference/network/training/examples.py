"""Training examples: the interface of a numbered source, and the source that reads data sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from inference.network.coding.codings import CODINGS
from inference.network.coding.note_estimates import estimated_notes
from inference.network.coding.variables import Coding
from inference.network.features.log_mel import as_batch, as_floats
from inference.network.features.spectrogram_files import FIELD, shard_spectrograms, spectrograms_folder
from inference.network.size import Size
from render.data.shards import Dataset, Shard
from render.noisemaker.pitches import sounding_pitches
from render.note import Note

_SHUFFLE, _NOTES = 1, 2  # streams of random numbers


@dataclass(frozen=True)
class Batch:
    """The examples of a training step.

    Attributes:
        spectrograms: spectrograms, 0 to 1, or bytes.
        notes: MIDI note numbers as a pitch estimator might return them, or ``UNKNOWN_NOTE``.
        codes: categories of the variables.
        knobs: knobs of the patches, 0 to 1.

    Shape:
        spectrograms: ``(batch, channels, bands, frames)``.
        notes: ``(batch,)``.
        codes: ``(batch, variables)``.
        knobs: ``(batch, parameters)``.
    """

    spectrograms: torch.Tensor
    notes: torch.Tensor
    codes: torch.Tensor
    knobs: torch.Tensor

    def on(self, device: torch.device | str) -> Batch:
        """The batch on a device, with spectrograms as floats."""
        spectrograms, *others = (
            tensor.to(device, non_blocking=True) for tensor in (self.spectrograms, self.notes, self.codes, self.knobs)
        )
        if not spectrograms.is_floating_point():
            spectrograms = as_floats(spectrograms)
        return Batch(spectrograms, *others)

    def split(self, size: int) -> list[Batch]:
        """Parts of at most ``size`` examples."""
        parts = (torch.split(tensor, size) for tensor in (self.spectrograms, self.notes, self.codes, self.knobs))
        return [Batch(*tensors) for tensors in zip(*parts, strict=True)]


class ExampleSource(Protocol):
    """An endless sequence of examples, each a pure function of its number."""

    @property
    def coding(self) -> Coding:
        """Coding of the examples."""
        ...

    def identity(self) -> Any:
        """Everything that the examples depend on, in JSON's types: a run can be resumed only with an equal identity."""
        ...

    def frequencies(self) -> list[NDArray[np.float64]]:
        """Frequency of each category of each variable where it is audible; never exactly 0."""
        ...

    def batch(self, start: int, stop: int) -> Batch:
        """Examples ``start`` to ``stop`` (not included)."""
        ...


@dataclass(frozen=True)
class Examples:
    """All rows of some data sets.

    Attributes:
        datasets: the data sets, from which the audio of a row can be read.
        coding: coding of ``codes``.
        starts: number of the first row of every shard, and the number of rows.
        records: memory-mapped records of each shard, of dtype ``RECORD``.
        codes: categories from ``Coding.encode``, shape ``(rows, variables)``.
        knobs: knobs of the patches, shape ``(rows, parameters)``.
        pitches: note numbers of the three oscillators, shape ``(rows, 3)``.
        loudness: probability that each of them is estimated as the note, shape ``(rows, 3)``; the sum of a row is 1,
            or 0 if no oscillator is audible.
    """

    datasets: tuple[Dataset, ...]
    coding: Coding
    starts: NDArray[np.int64]
    records: tuple[NDArray[np.void], ...]
    codes: NDArray[np.int16]
    knobs: NDArray[np.float32]
    pitches: NDArray[np.int16]
    loudness: NDArray[np.float32]

    @classmethod
    def load(
        cls,
        folders: Sequence[Path],
        cache: Path,
        size: Size,
        progress: Callable[[int, int], None] | None = None,
    ) -> Self:
        """Open data sets and compute the spectrograms that are missing.

        Args:
            folders: the data sets.
            cache: folder for spectrograms.
            size: inputs and outputs of the network.
            progress: called with the number of shards whose spectrograms are ready, and the number of all shards.

        Raises:
            FileError: if a file cannot be read or written.
            FormatError: if a data set is damaged, incomplete, or of another schema or table.
        """
        datasets = tuple(Dataset(folder) for folder in folders)
        shards = [
            (spectrograms_folder(cache, dataset.manifest, size.spectrogram), shard)
            for dataset in datasets
            for shard in dataset.shards
        ]
        coding = CODINGS[size.coding]
        parts = []
        for folder, shard in shards:
            parts.append(_Part.of(shard, shard_spectrograms(folder, shard, size.spectrogram), coding))
            if progress is not None:
                progress(len(parts), len(shards))
        return cls(
            datasets=datasets,
            coding=coding,
            starts=np.cumsum([0, *(len(part.records) for part in parts)]),
            records=tuple(part.records for part in parts),
            codes=np.concatenate([part.codes for part in parts]),
            knobs=np.concatenate([part.knobs for part in parts]),
            pitches=np.concatenate([part.pitches for part in parts]),
            loudness=np.concatenate([part.loudness for part in parts]),
        )

    def __len__(self) -> int:
        return int(self.starts[-1])

    def row(self, k: int) -> tuple[Dataset, int]:
        """The data set of row ``k``, and its number there."""
        for dataset in self.datasets:
            if k < len(dataset):
                return dataset, k
            k -= len(dataset)
        raise IndexError(k)

    def estimated_notes(self, rows: NDArray[np.int64], rng: Generator) -> NDArray[np.int64]:
        """Simulated note estimates for some rows, shape ``(batch,)``."""
        return estimated_notes(self.pitches[rows], self.loudness[rows], rng)

    def batch(self, rows: NDArray[np.int64], rng: Generator) -> Batch:
        """The examples of some rows, shape ``(batch,)``; the generator draws the simulated note estimates."""
        shards = np.searchsorted(self.starts, rows, side="right") - 1
        spectrograms = np.stack(
            [self.records[s][k][FIELD] for s, k in zip(shards, rows - self.starts[shards], strict=True)]
        )
        notes = self.estimated_notes(rows, rng)
        return Batch(
            spectrograms=as_batch(spectrograms),
            notes=torch.from_numpy(notes),
            codes=torch.from_numpy(self.coding.relative(self.codes[rows].astype(np.int64), notes)),
            knobs=torch.from_numpy(self.knobs[rows]),
        )


@dataclass(frozen=True)
class ShuffledRows:
    """An ``ExampleSource`` that iterates over rows of data sets again and again, each time in a different order.

    Attributes:
        examples: the data.
        rows: rows to use, shape ``(rows,)``.
        seed: seed of the order and of the simulated note estimates.
    """

    examples: Examples
    rows: NDArray[np.int64]
    seed: int

    @property
    def coding(self) -> Coding:
        """See ``ExampleSource``."""
        return self.examples.coding

    def identity(self) -> Any:
        """See ``ExampleSource``."""
        manifests = [dataset.manifest for dataset in self.examples.datasets]
        sets = [[manifest.seed, manifest.count, manifest.prior_hash] for manifest in manifests]
        return {"sets": sets, "rows": len(self.rows), "seed": self.seed}

    def frequencies(self) -> list[NDArray[np.float64]]:
        """See ``ExampleSource``."""
        return self._frequencies

    @cached_property
    def _frequencies(self) -> list[NDArray[np.float64]]:
        notes = self.examples.estimated_notes(self.rows, np.random.default_rng((self.seed, _NOTES)))
        return frequencies(self.coding, self.coding.relative(self.examples.codes[self.rows].astype(np.int64), notes))

    def batch(self, start: int, stop: int) -> Batch:
        """See ``ExampleSource``."""
        epochs, positions = np.divmod(np.arange(start, stop), len(self.rows))
        orders = {
            epoch: np.random.default_rng((self.seed, _SHUFFLE, epoch)).permutation(len(self.rows))
            for epoch in set(epochs.tolist())
        }
        order = [orders[epoch][position] for epoch, position in zip(epochs.tolist(), positions.tolist(), strict=True)]
        return self.examples.batch(self.rows[order], np.random.default_rng((self.seed, _NOTES, start)))


@dataclass(frozen=True, slots=True)
class _Part:
    """One shard's share of ``Examples``."""

    records: NDArray[np.void]
    codes: NDArray[np.int16]
    knobs: NDArray[np.float32]
    pitches: NDArray[np.int16]
    loudness: NDArray[np.float32]

    @classmethod
    def of(cls, shard: Shard, records: NDArray[np.void], coding: Coding) -> Self:
        patches = [shard.patch(k) for k in range(len(shard))]
        fields = [shard.fields[name].tolist() for name in ("number", "velocity", "gate_seconds", "seconds")]
        notes = [Note(*values) for values in zip(*fields, strict=True)]
        sounding = [sounding_pitches(patch, note.number) for patch, note in zip(patches, notes, strict=True)]
        return cls(
            records=records,
            codes=coding.encode(patches, notes, records["onset_seconds"].tolist()).astype(np.int16),
            knobs=np.array([patch.knobs for patch in patches], np.float32),
            pitches=np.array([pitches for pitches, _ in sounding], np.int16),
            loudness=np.array([loudness for _, loudness in sounding], np.float32),
        )


def frequencies(coding: Coding, codes: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """Frequency of each category of each variable where it is audible, never exactly 0.

    Shape:
        codes: ``(rows, variables)``.
    """
    counts = [
        np.bincount(column[column >= 0], minlength=size) + 0.5
        for column, size in zip(codes.T, coding.sizes, strict=True)
    ]
    return [count / count.sum() for count in counts]


def split(examples: Examples, held_out: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows for training and, evenly spread over the last data set, rows for validation."""
    first, last = len(examples) - len(examples.datasets[-1]), len(examples) - 1
    judged = np.unique(np.linspace(first, last, held_out).round().astype(np.int64))
    return np.setdiff1d(np.arange(len(examples)), judged), judged
