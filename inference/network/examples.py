"""Rows of data sets as the guess networks train on them: pictures, a heard note, categories, knobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from inference.network.kept_log_mel import pictures_folder, shard_pictures
from inference.network.log_mel import as_batch
from inference.network.model import N_NOTES, UNKNOWN_NOTE
from inference.network.variables import SIZES, encode
from render.data.shards import Dataset, Shard
from render.noisemaker.pitches import sounding_pitches
from render.note import Note

_UNKNOWN, _OCTAVE_WRONG, _OTHERWISE_WRONG = 0.2, 0.1, 0.05
"""Shares of heard notes. The estimator is wrong by octaves in 6 to 10 % of golden sounds, otherwise in 5 to 10 %, and
hears none in 7 to 8 % (inference/clip/pitch.py); a caller who names the key gives none either."""
_WRONG_OCTAVES = (-24, -12, 12, 24)


@dataclass(frozen=True)
class Batch:
    """What a training step sees; see ``Examples`` for the shapes, with the batch in place of the rows."""

    pictures: torch.Tensor
    heard: torch.Tensor
    codes: torch.Tensor
    knobs: torch.Tensor


@dataclass(frozen=True)
class Examples:
    """All rows of some data sets.

    Attributes:
        datasets: where the audio of a row can be read.
        starts: number of the first row of every shard, and the number of rows.
        pictures: per shard, mapped from files.
        codes: shape ``(rows, variables)``.
        knobs: shape ``(rows, parameters)``.
        pitches: note numbers at which the three oscillators sound, shape ``(rows, 3)``.
        loudness: how likely each of them is heard as the note, shape ``(rows, 3)``, rows of 1; zeros where none is.
    """

    datasets: tuple[Dataset, ...]
    starts: NDArray[np.int64]
    pictures: tuple[NDArray[np.void], ...]
    codes: NDArray[np.int16]
    knobs: NDArray[np.float32]
    pitches: NDArray[np.int16]
    loudness: NDArray[np.float32]

    @classmethod
    def load(cls, folders: Sequence[Path], pictures: Path, progress: Callable[[int, int], None] | None = None) -> Self:
        """Open data sets and make the pictures that are missing.

        Args:
            folders: of the data sets.
            pictures: folder in which pictures are kept.
            progress: called with the shards whose pictures are ready and their number.

        Raises:
            FileError: if a file cannot be read or written.
            FormatError: if a data set is damaged, incomplete, or of another schema or table.
        """
        datasets = tuple(Dataset(folder) for folder in folders)
        shards = [
            (pictures_folder(pictures, dataset.manifest), shard) for dataset in datasets for shard in dataset.shards
        ]
        parts = []
        for folder, shard in shards:
            parts.append(_Part.of(shard, shard_pictures(folder, shard)))
            if progress is not None:
                progress(len(parts), len(shards))
        return cls(
            datasets=datasets,
            starts=np.cumsum([0, *(len(part.records) for part in parts)]),
            pictures=tuple(part.records for part in parts),
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

    def batch(self, rows: NDArray[np.int64], rng: Generator) -> Batch:
        """Some rows, shape ``(batch,)``; the generator draws what is heard as the note."""
        shards = np.searchsorted(self.starts, rows, side="right") - 1
        pictures = np.stack(
            [self.pictures[s][k]["picture"] for s, k in zip(shards, rows - self.starts[shards], strict=True)]
        )
        return Batch(
            pictures=as_batch(pictures),
            heard=torch.from_numpy(self._heard(rows, rng)),
            codes=torch.from_numpy(self.codes[rows].astype(np.int64)),
            knobs=torch.from_numpy(self.knobs[rows]),
        )

    def _heard(self, rows: NDArray[np.int64], rng: Generator) -> NDArray[np.int64]:
        """A note as an estimator might hear it, which is a pitch that sounds and not the key: shape ``(batch,)``."""
        loudness = self.loudness[rows]
        chosen = (loudness.cumsum(axis=1) < rng.random((len(rows), 1))).sum(axis=1).clip(max=2)
        notes = self.pitches[rows, chosen].astype(np.int64)
        kind = rng.random(len(rows))
        notes += np.where(kind < _OCTAVE_WRONG, rng.choice(_WRONG_OCTAVES, len(rows)), 0)
        otherwise = (kind > 1.0 - _OTHERWISE_WRONG) | (loudness.sum(axis=1) == 0.0)
        notes = np.where(otherwise, rng.integers(20, 100, len(rows)), notes)
        unknown = rng.random(len(rows)) < _UNKNOWN
        return np.where(unknown, UNKNOWN_NOTE, notes.clip(0, N_NOTES - 1))


@dataclass(frozen=True, slots=True)
class _Part:
    """One shard's share of ``Examples``."""

    records: NDArray[np.void]
    codes: NDArray[np.int16]
    knobs: NDArray[np.float32]
    pitches: NDArray[np.int16]
    loudness: NDArray[np.float32]

    @classmethod
    def of(cls, shard: Shard, records: NDArray[np.void]) -> Self:
        patches = [shard.patch(k) for k in range(len(shard))]
        fields = [shard.fields[name].tolist() for name in ("number", "velocity", "gate_seconds", "seconds")]
        notes = [Note(*values) for values in zip(*fields, strict=True)]
        heard = [sounding_pitches(patch, note.number) for patch, note in zip(patches, notes, strict=True)]
        return cls(
            records=records,
            codes=encode(patches, notes, records["onset_seconds"].tolist()).astype(np.int16),
            knobs=np.array([patch.knobs for patch in patches], np.float32),
            pitches=np.array([pitches for pitches, _ in heard], np.int16),
            loudness=np.array([loudness for _, loudness in heard], np.float32),
        )


def frequencies(codes: NDArray[np.int16]) -> list[NDArray[np.float64]]:
    """How often each variable has each category where it can be heard; never quite 0."""
    counts = [
        np.bincount(column[column >= 0], minlength=size) + 0.5 for column, size in zip(codes.T, SIZES, strict=True)
    ]
    return [count / count.sum() for count in counts]


def split(examples: Examples, held_out: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to train on and, evenly spread over the last data set, rows to judge by."""
    first, last = len(examples) - len(examples.datasets[-1]), len(examples) - 1
    judged = np.unique(np.linspace(first, last, held_out).round().astype(np.int64))
    return np.setdiff1d(np.arange(len(examples)), judged), judged
