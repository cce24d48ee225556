"""Fingerprints of many sounds in an eighth of their size, by product quantisation (Jégou, Douze and Schmid 2011).

A fingerprint is cut into parts of ``PART_BANDS`` neighbouring bands of one cell. A part is stored as the number of the
closest of at most 256 code words, which are levels that occur in many sounds. The distance from a sound to all of them
is then a sum of one table entry per part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.measures.fingerprint import FLOOR_DB, Fingerprint, Steps, cell_weights, power, to_decibels, to_steps

PART_BANDS = 8
_BOOK_SIZE = 256  # what a byte tells apart
_QUIETEST_DB = FLOOR_DB + 20.0  # lower levels are inaudible, as few sounds are raised by more than 20 dB
_MOST_LEARNT, _ROUNDS, _SEED = 12_000, 12, 0
_MOST_COMPARED = 4096  # parts at a time
_LARGEST_GAIN_DB = 60
_SMALLEST_POWER = 1e-12

Book = NDArray[np.uint8]
"""Code words of each part in the steps of ``fingerprint``: shape ``(cells, parts of a cell, code words, bands)``."""


@dataclass(frozen=True, slots=True)
class PackedSounds:
    """Fingerprints of many patches at one note.

    Attributes:
        codes: numbers of code words, shape ``(cells, parts of a cell, patches)``.
        book: the code words, see ``Book``.
    """

    codes: NDArray[np.uint8]
    book: Book

    def __len__(self) -> int:
        return int(self.codes.shape[2])

    def first(self, count: int) -> PackedSounds:
        """The fingerprints of the first patches."""
        return PackedSounds(np.ascontiguousarray(self.codes[:, :, :count]), self.book)

    def unpacked(self) -> Steps:
        """The fingerprints with the errors of the packing, shape ``(patches, cells, bands)``."""
        cells, parts, _ = self.codes.shape
        levels = self.book[np.arange(cells)[:, None, None], np.arange(parts)[:, None], self.codes]
        sounds: Steps = levels.transpose(2, 0, 1, 3).reshape(len(self), cells, -1)
        return sounds

    def distances(self, target: Fingerprint) -> NDArray[np.float32]:
        """The distances of ``fingerprint.distances`` with gains in whole decibels.

        Args:
            target: fingerprint of the sound.

        Shape:
            target: ``(cells, bands)``.
            Returns: ``(patches,)``.
        """
        present = np.isfinite(target[:, 0])
        target = target[present]
        levels = to_decibels(self.book[present]).reshape(-1, *self.book.shape[2:])  # (parts, code words, bands)
        codes = self.codes[present].reshape(-1, len(self))
        weights = cell_weights()[present]
        weights = np.repeat(weights / (weights.sum() * target.shape[1]), self.book.shape[1])[:, None]  # (parts, 1)
        wanted = target.reshape(-1, 1, PART_BANDS)

        energy = (power(wanted).sum(axis=2) * weights).sum()
        energies = _sums(power(levels).sum(axis=2) * weights, codes)
        gains = 10.0 * np.log10(energy / np.maximum(energies, np.float32(_SMALLEST_POWER)))
        gains = np.round(gains).astype(np.int64).clip(-_LARGEST_GAIN_DB, _LARGEST_GAIN_DB)
        gains, which = np.unique(gains, return_inverse=True)

        floor = target.max() - np.float32(FLOOR_DB)
        wanted = np.maximum(wanted, floor)
        tables = [np.abs(np.maximum(levels + np.float32(gain), floor) - wanted).sum(axis=2) * weights for gain in gains]
        return _sums(np.concatenate(tables, axis=1), codes, which * levels.shape[1])


def _sums(tables: NDArray[np.float32], codes: NDArray[np.uint8], offsets: NDArray[np.int64] | int = 0) -> Fingerprint:
    """Sum one entry of each part's table for each patch.

    Args:
        tables: values of each part.
        codes: positions in the tables.
        offsets: what is added to the positions of each patch.

    Shape:
        tables: ``(parts, entries)``.
        codes: ``(parts, patches)``.
        offsets: ``(patches,)``.
        Returns: ``(patches,)``.
    """
    sums = np.zeros(codes.shape[1], np.float32)
    for table, positions in zip(tables, codes, strict=True):
        sums += table.take(offsets + positions.astype(np.int64))
    return sums


def pack(sounds: Sequence[Steps]) -> tuple[PackedSounds, ...]:
    """Pack the fingerprints of patches at several notes, shape ``(patches, cells, bands)`` each, with one book."""
    _, cells, bands = sounds[0].shape
    quietest = to_steps(np.array(-_QUIETEST_DB, np.float32))
    parts = np.concatenate([np.minimum(one, quietest).reshape(len(one), -1, PART_BANDS) for one in sounds])
    rng = np.random.default_rng(_SEED)
    books = [_book(parts[:, k], rng) for k in range(parts.shape[1])]
    codes = np.stack([_closest(parts[:, k], one) for k, one in enumerate(books)]).astype(np.uint8)
    size = max(map(len, books))
    book = np.stack([np.concatenate([one, one[:1].repeat(size - len(one), axis=0)]) for one in books])
    book = book.reshape(cells, -1, size, PART_BANDS)
    codes = codes.reshape(cells, bands // PART_BANDS, -1)
    ends = np.cumsum([len(one) for one in sounds])[:-1]
    return tuple(PackedSounds(np.ascontiguousarray(one), book) for one in np.split(codes, ends, axis=2))


def _book(parts: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Code words for many parts, by Lloyd's algorithm: shape ``(n, bands)`` to ``(at most 256, bands)``."""
    learnt = parts[rng.permutation(len(parts))[:_MOST_LEARNT]]
    distinct = np.unique(learnt, axis=0)
    if len(distinct) <= _BOOK_SIZE and len(learnt) == len(parts):
        return distinct
    book = distinct[rng.permutation(len(distinct))[:_BOOK_SIZE]].astype(np.float32)
    for _ in range(_ROUNDS):
        closest = _closest(learnt, book)
        counts = np.bincount(closest, minlength=len(book))
        sums = np.stack([np.bincount(closest, band, len(book)) for band in learnt.T], axis=1)
        book = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], book).astype(np.float32)
    return np.asarray(np.round(book), np.uint8)


def _closest(parts: NDArray[np.uint8], book: NDArray[np.float32] | NDArray[np.uint8]) -> NDArray[np.intp]:
    """Number of the closest code word: shape ``(n, bands)`` to ``(n,)``."""
    levels = book.astype(np.float32)
    lengths = 0.5 * np.square(levels).sum(axis=1)
    starts = range(0, len(parts), _MOST_COMPARED)
    blocks = (parts[start : start + _MOST_COMPARED].astype(np.float32) for start in starts)
    return np.concatenate([(block @ levels.T - lengths).argmax(axis=1) for block in blocks])
