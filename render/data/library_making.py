"""Making a library: its draws are rendered in blocks, which are kept until the library is complete.

Each block of fingerprints has a file of its own, so that a program that is killed continues where it was. A block is a
function of its note, its draws and what its file is named after, so other notes or more draws need only the blocks that
are missing.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from render.data.accept import refusal
from render.data.library import SCHEMA, SEED, Draws, Library, read_library, write_library
from render.data.packed_sounds import pack
from render.errors import HostError
from render.files import replacing
from render.hosts.pool import Pool
from render.instruments.host import Host, HostInfo
from render.instruments.instrument import Prior
from render.instruments.table import Table
from render.measures.fingerprint import (
    DECIBELS_PER_STEP,
    FLOOR_DB,
    HELD_EDGES,
    RELEASED_EDGES,
    Steps,
    fingerprint,
    shape,
    to_steps,
)
from render.note import Note

DUPLICATE_DB = 1.0
"""A patch that differs less than this from an earlier one is left out: two renders of one patch differ by as much."""
GATE_SECONDS = HELD_EDGES[-1]
SECONDS = GATE_SECONDS + RELEASED_EDGES[-1]
"""Length of the library's renders, which have every cell of a fingerprint."""
MOST_DRAWS_PER_PATCH = 20
"""Average number of draws per patch beyond which the host is assumed to be broken."""

_BLOCK = 500
_INAUDIBLE = np.uint8(255)
"""Every step of a draw that is inaudible; the loudest cell of any other has step 0."""

Progress = Callable[[int, int], None]
"""Called with the number of renders that are done and their number."""


def open_library(
    path: Path,
    table: Table,
    prior: Prior,
    host: HostInfo,
    make_host: Callable[[], Host],
    *,
    draws: Draws,
    workers: int = 2,
    progress: Progress | None = None,
) -> Library:
    """Read the library of a file; make it first if the file is missing, damaged, or of another host, prior or draws.

    Args:
        path: file of the library. While it is made, a folder beside it keeps the blocks.
        table: parameter table of the instrument.
        prior: distribution that the patches are drawn from.
        host: identity of the host that ``make_host`` opens; the library of another host is made again.
        make_host: opens the host in each worker; a module-level function or a ``functools.partial`` of one.
        draws: what is rendered.
        workers: number of processes.
        progress: see ``Progress``.

    Raises:
        HostError: if the host fails, or hardly any draw is audible.
        FileError: if the file or a block cannot be written.
    """
    library = read_library(path, table, prior, draws, host)
    if library is not None:
        return library
    folder = path.with_suffix(".parts")
    identity = hashlib.sha256(repr((SCHEMA, table.hash, prior.hash(), host)).encode()).hexdigest()[:16]
    blocks = list(_blocks(folder / identity, draws))
    kept = {block: sounds for block in blocks if (sounds := block.read()) is not None}
    if len(kept) < len(blocks):
        count = _Count(sum(map(len, kept.values())), sum(draws.values()), progress)
        with Pool(functools.partial(_make_worker, make_host, prior), workers) as pool:
            kept.update(_render([block for block in blocks if block not in kept], pool, count))
    rendered = {number: np.concatenate([kept[one] for one in blocks if one.number == number]) for number in draws}
    library = build(rendered, prior)
    write_library(path, table, draws, host, library)
    shutil.rmtree(folder, ignore_errors=True)
    return library


def build(rendered: dict[int, Steps], prior: Prior) -> Library:
    """Choose the patches of a library.

    Args:
        rendered: by MIDI note number, fingerprints of the first draws with ``SEED``, shape ``(draws, cells, bands)``.
        prior: distribution that the patches are drawn from.

    Raises:
        HostError: if hardly any draw is chosen.
    """
    main = rendered[main_note({number: len(sounds) for number, sounds in rendered.items()})]
    audible = np.ones(len(main), bool)
    for sounds in rendered.values():
        audible[: len(sounds)] &= (sounds != _INAUDIBLE).any(axis=(1, 2))
    known = _Known(main)
    indices = [index for index in np.flatnonzero(audible).tolist() if known.add(index)]
    kept = {number: sounds[[index for index in indices if index < len(sounds)]] for number, sounds in rendered.items()}
    if MOST_DRAWS_PER_PATCH * len(indices) < len(main) or not all(map(len, kept.values())):
        raise _too_few(len(indices), len(main))
    packed = pack(list(kept.values()))
    return Library(prior, np.array(indices, np.int64), dict(zip(kept, packed, strict=True)))


def main_note(draws: Draws) -> int:
    """The note with the most draws, the middle one of several."""
    numbers = [number for number in sorted(draws) if draws[number] == max(draws.values())]
    return numbers[len(numbers) // 2]


class _Known:
    """The sounds that are in a library so far.

    Args:
        sounds: fingerprints of all draws, shape ``(draws, cells, bands)``.
    """

    def __init__(self, sounds: Steps) -> None:
        self._levels = np.minimum(sounds, np.uint8(FLOOR_DB / DECIBELS_PER_STEP))
        self._cells = self._levels.sum(axis=2, dtype=np.int32)
        self._totals = self._cells.sum(axis=1, dtype=np.int32)
        self._most = DUPLICATE_DB / DECIBELS_PER_STEP * self._levels[0].size
        self._indices = np.zeros(len(sounds), np.int64)
        self._n = 0

    def add(self, index: int) -> bool:
        """Add the sound of a draw, unless it is almost the same as one that was added before."""
        close = self._indices[: self._n]
        # Sums differ by no more than the levels themselves do, and are soon compared.
        close = close[np.abs(self._totals[close] - self._totals[index]) < self._most]
        close = close[np.abs(self._cells[close] - self._cells[index]).sum(axis=1) < self._most]
        differences = self._levels[close].astype(np.int16) - self._levels[index]
        if (np.abs(differences).sum(axis=(1, 2), dtype=np.int64) < self._most).any():
            return False
        self._indices[self._n] = index
        self._n += 1
        return True


@dataclass(frozen=True, slots=True)
class _Block:
    """Consecutive draws at one note.

    Attributes:
        path: file of their fingerprints.
        number: MIDI note number.
        indices: the draws.
    """

    path: Path
    number: int
    indices: range

    def read(self) -> Steps | None:
        """The fingerprints, shape ``(draws, cells, bands)``; None if the file is missing or damaged."""
        try:
            sounds: Steps = np.load(self.path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return sounds if sounds.shape == (len(self.indices), *shape()) and sounds.dtype == np.uint8 else None

    def write(self, sounds: Steps) -> None:
        """Keep the fingerprints; raises ``FileError``."""
        with replacing(self.path) as temporary:
            np.save(temporary, sounds)


def _blocks(stem: Path, draws: Draws) -> Iterator[_Block]:
    """The blocks of a library, those of its main note first."""
    for number in sorted(draws, key=lambda number: (-draws[number], number)):
        for start in range(0, draws[number], _BLOCK):
            stop = min(start + _BLOCK, draws[number])
            yield _Block(stem.with_name(f"{stem.name}-{number}-{start}-{stop}.npy"), number, range(start, stop))


@dataclass(slots=True)
class _Count:
    """Counts renders, and gives up if hardly any of them is audible.

    Attributes:
        done: renders that an earlier run has made.
        wanted: number of renders.
        progress: see ``Progress``.
        tried: renders of this run.
        audible: those of them that are audible.
    """

    done: int
    wanted: int
    progress: Progress | None
    tried: int = 0
    audible: int = 0

    def sound(self, result: Steps | HostError | None) -> Steps:
        """The fingerprint of a render, which may be inaudible or have failed; raises ``HostError``."""
        found = isinstance(result, np.ndarray)
        self.tried += 1
        self.audible += found
        if self.tried >= MOST_DRAWS_PER_PATCH * max(self.audible, 10):
            raise _too_few(self.audible, self.tried) from (result if isinstance(result, HostError) else None)
        if self.progress is not None:
            self.progress(self.done + self.tried, self.wanted)
        return result if isinstance(result, np.ndarray) else np.full(shape(), _INAUDIBLE)


def _render(
    blocks: list[_Block], pool: Pool[tuple[int, int], Steps | None], count: _Count
) -> Iterator[tuple[_Block, Steps]]:
    """Render blocks and keep them in their files."""
    results = pool.map((block.number, index) for block in blocks for index in block.indices)
    for block in blocks:
        sounds = np.stack([count.sound(next(results)) for _ in block.indices])
        block.write(sounds)
        yield block, sounds


def _too_few(audible: int, tried: int) -> HostError:
    return HostError(f"only {audible} of {tried} draws for the library are audible")


def _make_worker(make_host: Callable[[], Host], prior: Prior) -> Callable[[tuple[int, int]], Steps | None]:
    return functools.partial(_sound, make_host(), prior)


def _sound(host: Host, prior: Prior, job: tuple[int, int]) -> Steps | None:
    """Fingerprint of a draw at a note, shape ``(cells, bands)``; None if it is inaudible.

    Renders need not be clean: traces of an earlier one are too faint for a fingerprint.
    """
    number, index = job
    patch, _ = prior.draw(SEED, index, 0)
    audio = host.render(patch, Note(number, 100, GATE_SECONDS, SECONDS), clean=False)
    found = None if refusal(audio) in ("broken", "silent") else fingerprint(audio, GATE_SECONDS)
    return None if found is None else to_steps(found)
