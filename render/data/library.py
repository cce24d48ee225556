"""The library that a search starts from: patches of the prior, found by sound.

The patches are the first draws of one fixed set that are accepted and differ in sound from those before them. They are
rendered once, at a few reference notes, and the fingerprints of the renders are kept in a file. One file comes with the
project, made on the embedded host (``python -m render library``). It serves every host, because hosts differ less than
the fingerprints of different patches. A clip is compared with the renders at the reference note closest to its own. An
octave between the two does little harm, and more patches help much more (``docs/data.md``), so the notes are few.
"""

from __future__ import annotations

import functools
import json
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.audio import Audio
from render.data.accept import refusal
from render.data.packed_sounds import PackedSounds, pack
from render.errors import HostError, InvalidAudio, OutOfRange
from render.files import replacing
from render.hosts.pool import Pool
from render.instruments.host import Host, HostInfo
from render.instruments.instrument import Prior
from render.instruments.patch import Patch
from render.instruments.table import Table
from render.measures.fingerprint import (
    DECIBELS_PER_STEP,
    FLOOR_DB,
    HELD_EDGES,
    RELEASED_EDGES,
    Steps,
    fingerprint,
    to_steps,
)
from render.note import Note

SCHEMA = 3
SEED = 0
"""Seed of the draws that the library is made of; training data must use another seed."""
DUPLICATE_DB = 1.0
"""A patch that differs less than this from an earlier one is left out: two renders of one patch differ by as much."""
GATE_SECONDS = HELD_EDGES[-1]
SECONDS = GATE_SECONDS + RELEASED_EDGES[-1]
"""Length of the library's renders, which have every cell of a fingerprint."""
MOST_DRAWS_PER_PATCH = 20
"""Average number of draws per patch beyond which the host is taken for broken."""

Progress = Callable[[int, int], None]
"""Called with the number of draws that were tried and their number."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a library is made of.

    Attributes:
        notes: MIDI note numbers of the reference notes.
        draws: for each note, how many of the first draws are played with it. A draw is left out if it cannot be heard
            with one of them.
    """

    notes: tuple[int, ...] = (36, 60, 84)
    draws: tuple[int, ...] = (7291, 7291, 7291)

    def positions(self, index: int) -> list[int]:
        """Positions of the notes that a draw is played with."""
        return [k for k, draws in enumerate(self.draws) if index < draws]

    @property
    def main(self) -> int:
        """Position of the note with the most draws, the middle one of several."""
        positions = [k for k, draws in enumerate(self.draws) if draws == max(self.draws)]
        return positions[len(positions) // 2]


DEFAULT_PLAN = Plan()


@dataclass(frozen=True, slots=True)
class Library:
    """Patches and the fingerprints of their renders.

    Attributes:
        prior: distribution that the patches are drawn from.
        notes: MIDI note numbers of the reference notes.
        indices: index of each patch among the draws with ``SEED``, shape ``(patches,)``.
        sounds: for each reference note the fingerprints of the first patches.

    Example:
        >>> from render.noisemaker.hosts import open_host
        >>> from render.noisemaker.instrument import NOISEMAKER
        >>> library = read_library(NOISEMAKER.library, NOISEMAKER.table, NOISEMAKER.prior)
        >>> clip = open_host().render(library.patch(7), Note(60))
        >>> library.nearest(clip, Note(60), k=5)[0] == library.patch(7)
        True
    """

    prior: Prior
    notes: tuple[int, ...]
    indices: NDArray[np.int64]
    sounds: tuple[PackedSounds, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def patch(self, position: int) -> Patch:
        """The patch at a position."""
        return self.prior.draw(SEED, int(self.indices[position]), 0)[0]

    def nearest(self, audio: Audio, note: Note, k: int) -> list[Patch]:
        """The ``k`` patches that sound most like a clip, closest first; level differences do not count.

        Only patches that were played with the closest reference note can be found.

        Args:
            audio: clip with the key press at sample 0.
            note: key press of the clip (its length is taken from the audio).
            k: number of patches.

        Shape:
            audio: ``(channels, samples)``.

        Raises:
            OutOfRange: if fewer than ``k`` patches were played with that note.
            InvalidAudio: if the clip is silent or too short.
        """
        order = np.argsort(self.distances(audio, note), kind="stable")
        if not 1 <= k <= len(order):
            raise OutOfRange("number of patches", k, f"1 to {len(order)}")
        return [self.patch(int(position)) for position in order[:k]]

    def distances(self, audio: Audio, note: Note) -> NDArray[np.float32]:
        """Distance in dB of each patch that can be found from a clip, shape ``(patches,)``; see ``nearest``."""
        target = fingerprint(audio, note.gate_seconds)
        if target is None:
            raise InvalidAudio("a silent or very short clip has no nearest patch")
        reference = min(range(len(self.notes)), key=lambda k: abs(self.notes[k] - note.number))
        return self.sounds[reference].distances(target)


def open_library(
    path: Path,
    table: Table,
    prior: Prior,
    host: HostInfo,
    make_host: Callable[[], Host],
    *,
    plan: Plan = DEFAULT_PLAN,
    workers: int = 2,
    progress: Progress | None = None,
) -> Library:
    """Read the library of a file; make it first if the file is missing, damaged, or of another host, prior or plan.

    Args:
        path: file of the library.
        table: parameter table of the instrument.
        prior: distribution that the patches are drawn from.
        host: identity of the host that ``make_host`` opens; the library of another host is made again.
        make_host: opens the host in each worker; a module-level function or a ``functools.partial`` of one.
        plan: what to make.
        workers: number of processes.
        progress: see ``Progress``.

    Raises:
        HostError: if the host fails.
        FileError: if the file cannot be written.
    """
    identity = _identity(table, prior, plan)
    kept = _read(path, prior, identity, host)
    if kept is not None:
        return kept
    with Pool(functools.partial(_make_worker, make_host, prior, plan), workers) as pool:
        library = build(pool.map(range(max(plan.draws))), prior, plan, progress)
    _write(path, identity | {"host": host.as_dict()}, library)
    return library


def read_library(path: Path, table: Table, prior: Prior, plan: Plan = DEFAULT_PLAN) -> Library | None:
    """The library of a file, made on any host; None if it does not fit the table, the prior or the plan."""
    return _read(path, prior, _identity(table, prior, plan))


def build(
    renders: Iterable[Steps | HostError | None], prior: Prior, plan: Plan, progress: Progress | None = None
) -> Library:
    """Collect the patches of a library.

    Args:
        renders: fingerprints of draw 0, 1, 2, ... with ``SEED``, each of shape ``(notes, cells, bands)`` with the notes
            that it is played with; None for a refused draw, and the error for a render that failed.
        prior: distribution that the patches are drawn from.
        plan: what to make.
        progress: see ``Progress``.

    Raises:
        HostError: if hardly any draw is accepted.
    """
    indices: list[int] = []
    sounds: list[list[Steps]] = [[] for _ in plan.notes]
    known = _Known(max(plan.draws))
    error: HostError | None = None
    for index, sound in enumerate(renders):
        positions = plan.positions(index)
        if isinstance(sound, HostError):
            error = sound
        elif sound is not None and known.add(sound[positions.index(plan.main)]):
            indices.append(index)
            for position, steps in zip(positions, sound, strict=True):
                sounds[position].append(steps)
        if progress is not None:
            progress(index + 1, max(plan.draws))
        if index + 1 >= MOST_DRAWS_PER_PATCH * max(len(indices), 10):
            raise HostError(f"only {len(indices)} of {index + 1} draws for the library can be heard") from error
    if not all(sounds):
        raise HostError("none of the draws for the library can be heard") from error
    return Library(prior, plan.notes, np.array(indices, np.int64), pack([np.stack(one) for one in sounds]))


class _Known:
    """The sounds of a library that is being made, at its main note."""

    def __init__(self, most: int) -> None:
        self._most, self._n = most, 0
        self._levels = np.zeros((0, 0, 0), np.int16)
        self._cells = np.zeros((0, 0), np.int32)

    def add(self, sound: Steps) -> bool:
        """Add a sound of shape ``(cells, bands)``, unless it is almost the same as one that was added before."""
        levels = np.minimum(sound, _LOWEST).astype(np.int16)
        if not self._n:
            self._levels = np.zeros((self._most, *levels.shape), np.int16)
            self._cells = np.zeros((self._most, len(levels)), np.int32)
        cells = levels.sum(axis=1, dtype=np.int32)
        most = DUPLICATE_DB / DECIBELS_PER_STEP * levels.size
        # Sums over bands differ by no more than the bands themselves do, and are soon compared.
        close = np.flatnonzero(np.abs(self._cells[: self._n] - cells).sum(axis=1) < most)
        if (np.abs(self._levels[close] - levels).sum(axis=(1, 2), dtype=np.int64) < most).any():
            return False
        self._levels[self._n], self._cells[self._n] = levels, cells
        self._n += 1
        return True


_LOWEST = np.int16(FLOOR_DB / DECIBELS_PER_STEP)


def _make_worker(make_host: Callable[[], Host], prior: Prior, plan: Plan) -> Callable[[int], Steps | None]:
    return functools.partial(_render, make_host(), prior, plan)


def _render(host: Host, prior: Prior, plan: Plan, index: int) -> Steps | None:
    """Fingerprints of a draw with its notes, shape ``(notes, cells, bands)``; None if one of them cannot be heard.

    Renders need not be clean: traces of an earlier one are too faint for a fingerprint.
    """
    patch, _ = prior.draw(SEED, index, 0)
    sounds = []
    for position in plan.positions(index):
        note = Note(plan.notes[position], 100, GATE_SECONDS, SECONDS)
        audio = host.render(patch, note, clean=False)
        found = None if refusal(audio) in ("broken", "silent") else fingerprint(audio, GATE_SECONDS)
        if found is None:
            return None
        sounds.append(to_steps(found))
    return np.stack(sounds)


def _identity(table: Table, prior: Prior, plan: Plan) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "table_hash": table.hash,
        "prior_hash": prior.hash(),
        "plan": {"notes": list(plan.notes), "draws": list(plan.draws)},
    }


def _read(path: Path, prior: Prior, identity: dict[str, Any], host: HostInfo | None = None) -> Library | None:
    """The library of a file; None if it is missing, damaged, or of another identity or host (if one is given)."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            found = json.loads(str(kept["identity"]))
            made_on = found.pop("host")
            if found != identity or (host is not None and made_on != host.as_dict()):
                return None
            notes, book, n_cells = tuple(identity["plan"]["notes"]), kept["book"], int(kept["n_cells"])
            sounds = tuple(PackedSounds(kept[f"codes-{note}"], book, n_cells) for note in notes)
            return Library(prior, notes, kept["indices"], sounds)
    except (OSError, ValueError, KeyError, AttributeError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, identity: dict[str, Any], library: Library) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        fields: dict[str, Any] = {f"codes-{note}": one.codes for note, one in zip(library.notes, library.sounds, strict=True)}
        fields |= {"indices": library.indices, "book": library.sounds[0].book, "n_cells": library.sounds[0].n_cells}
        np.savez_compressed(file, identity=json.dumps(identity), **fields)
