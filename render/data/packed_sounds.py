"""Fingerprints of many sounds in an eighth of their size, by product quantisation (Jégou, Douze and Schmid 2011).

A fingerprint is cut into parts of ``PART_BANDS`` neighbouring bands of one cell. A part is stored as the number of the
closest of at most 256 levels that occur in many sounds, its code book. The distance of a sound to all of them is then a
sum of one table entry per part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.measures.fingerprint import FLOOR_DB, Fingerprint, Steps, cell_weights, power, to_decibels, to_steps

PART_BANDS = 4
_BOOK_SIZE = 256  # what a byte tells apart
_QUIETEST_DB = FLOOR_DB + 20.0  # nothing below is ever heard, as levels are seldom raised by 20 dB
_MOST_LEARNT, _ROUNDS, _SEED = 12_000, 12, 0
_LARGEST_GAIN_DB = 60

Book = NDArray[np.uint8]
"""Levels of each part in the steps of ``fingerprint``: shape ``(parts, size of the book, PART_BANDS)``."""


@dataclass(frozen=True, slots=True)
class PackedSounds:
    """Fingerprints of many patches at one note.

    Attributes:
        codes: positions in the book, shape ``(patches, parts)``.
        book: see ``Book``.
        n_cells: time cells of a fingerprint.
    """

    codes: NDArray[np.uint8]
    book: Book
    n_cells: int

    def unpacked(self) -> Steps:
        """The fingerprints, shape ``(patches, cells, bands)``, off by the packing."""
        sounds: Steps = self.book[np.arange(self.codes.shape[1]), self.codes].reshape(len(self.codes), self.n_cells, -1)
        return sounds

    def distances(self, target: Fingerprint) -> NDArray[np.float32]:
        """As ``fingerprint.distances``, with gains in whole decibels.

        Args:
            target: fingerprint of the sound.

        Shape:
            target: ``(cells, bands)``.
            Returns: ``(patches,)``.
        """
        n_parts, size, _ = self.book.shape
        present = np.isfinite(target[:, :1])
        weights = np.where(present, cell_weights()[:, None], np.float32(0.0))
        weights = weights / (weights.sum() * target.shape[1])
        of_part = np.repeat(weights[:, 0], n_parts // self.n_cells)[:, None, None]  # (parts, 1, 1)
        wanted = np.where(present, target, np.float32(0.0))
        energy = (power(wanted) * weights).sum()
        levels = to_decibels(self.book)
        entries = np.arange(0, n_parts * size, size, dtype=np.int32) + self.codes  # (patches, parts)
        energies = (power(levels) * of_part).sum(axis=2).ravel().take(entries).sum(axis=1)
        gains = np.round(10.0 * np.log10(energy / np.maximum(energies, np.float32(1e-12)))).astype(np.int32)
        gains, which = np.unique(gains.clip(-_LARGEST_GAIN_DB, _LARGEST_GAIN_DB), return_inverse=True)
        floor = wanted[present[:, 0]].max() - np.float32(FLOOR_DB)
        wanted = np.maximum(wanted, floor).reshape(n_parts, 1, PART_BANDS)
        tables = [
            (np.abs(np.maximum(levels + np.float32(gain), floor) - wanted) * of_part).sum(axis=2).ravel()
            for gain in gains
        ]
        entries += which.astype(np.int32)[:, None] * np.int32(n_parts * size)
        return np.asarray(np.concatenate(tables).take(entries).sum(axis=1), np.float32)


def pack(sounds: Sequence[Steps]) -> tuple[PackedSounds, ...]:
    """Pack the fingerprints of patches at several notes, shape ``(patches, cells, bands)`` each, with one book."""
    n_cells = sounds[0].shape[1]
    quietest = to_steps(np.array(-_QUIETEST_DB, np.float32))
    parts = np.concatenate([np.minimum(one, quietest).reshape(len(one), -1, PART_BANDS) for one in sounds])
    rng = np.random.default_rng(_SEED)
    books = [_book(parts[:, k], rng) for k in range(parts.shape[1])]
    size = max(map(len, books))
    book = np.stack([np.concatenate([one, one[:1].repeat(size - len(one), axis=0)]) for one in books])
    codes = np.stack([_closest(parts[:, k].astype(np.float32), one) for k, one in enumerate(books)], axis=1)
    ends = np.cumsum([len(one) for one in sounds])[:-1]
    return tuple(PackedSounds(one, book, n_cells) for one in np.split(codes.astype(np.uint8), ends))


def _book(parts: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Levels that stand for many, by Lloyd's algorithm: shape ``(n, bands)`` to ``(at most 256, bands)``."""
    distinct = np.unique(parts, axis=0)
    if len(distinct) <= _BOOK_SIZE:
        return distinct
    learnt = parts[rng.permutation(len(parts))[:_MOST_LEARNT]].astype(np.float32)
    book = distinct[rng.permutation(len(distinct))[:_BOOK_SIZE]].astype(np.float32)
    for _ in range(_ROUNDS):
        closest = _closest(learnt, book)
        counts = np.bincount(closest, minlength=_BOOK_SIZE)
        sums = np.stack([np.bincount(closest, band, _BOOK_SIZE) for band in learnt.T], axis=1)
        book = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], book).astype(np.float32)
    return np.asarray(np.round(book), np.uint8)


def _closest(parts: NDArray[np.float32], book: NDArray[np.float32] | NDArray[np.uint8]) -> NDArray[np.intp]:
    """Position of the closest entry of a book: shape ``(n, bands)`` to ``(n,)``."""
    levels = book.astype(np.float32)
    lengths = 0.5 * np.square(levels).sum(axis=1)
    return np.concatenate(
        [(parts[k : k + 4096] @ levels.T - lengths).argmax(axis=1) for k in range(0, len(parts), 4096)]
    )
