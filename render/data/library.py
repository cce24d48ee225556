"""The library that a search starts from: patches of the prior, found by sound.

The patches are the first draws of one fixed set that pass the gate and differ in sound from those before them. They
are rendered once, at a few reference notes, and the fingerprints of the renders are kept in a file. One file comes with
the project, made on the embedded host (``python -m render library``), and serves every host: what a host does otherwise
is small beside what fingerprints tell apart. A clip is compared with the renders at the reference note nearest to its
own. An octave between the two does little harm, and more patches do much good (``docs/data.md``), so the notes are few.
"""

from __future__ import annotations

import functools
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.audio import Audio
from render.data.accept import refusal
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
    distances,
    fingerprint,
    to_steps,
)
from render.note import Note

SCHEMA = 2
SEED = 0
"""The set of the prior that the library is made of; data to learn from must use another seed."""
DUPLICATE_DB = 1.0
"""A patch nearer than this to an earlier one is left out: about what two renders of one patch differ by."""
GATE_SECONDS = HELD_EDGES[-1]
SECONDS = GATE_SECONDS + RELEASED_EDGES[-1]
"""Of the library's renders: they have every cell of a fingerprint."""
MOST_DRAWS_PER_PATCH = 20
"""On average; beyond, the host renders next to nothing."""

Progress = Callable[[int, int], None]
"""Called with how many patches are ready and how many there will be."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a library is made of.

    Attributes:
        size: number of patches.
        notes: the reference notes.
    """

    size: int = 7000
    notes: tuple[int, ...] = (36, 60, 84)


DEFAULT_PLAN = Plan()


@dataclass(frozen=True, slots=True)
class Library:
    """Patches and their sounds.

    Attributes:
        prior: where the patches are drawn from.
        notes: the reference notes.
        indices: which draw of set ``SEED`` each patch is, shape ``(patches,)``.
        sounds: fingerprints, shape ``(notes, patches, cells, bands)``.
    """

    prior: Prior
    notes: tuple[int, ...]
    indices: NDArray[np.int64]
    sounds: Steps

    def __len__(self) -> int:
        return len(self.indices)

    def patch(self, position: int) -> Patch:
        """The patch at a position."""
        return self.prior.draw(SEED, int(self.indices[position]), 0)[0]

    def nearest(self, audio: Audio, note: Note, k: int) -> list[Patch]:
        """The ``k`` patches that sound most like a clip, nearest first; level differences do not count.

        Args:
            audio: shape ``(channels, samples)``, the key press at sample 0.
            note: what the clip is played with (its length is taken from the audio).
            k: number of patches.

        Raises:
            OutOfRange: if the library has no ``k`` patches.
            InvalidAudio: if the clip is silent, or too short to be recognised.
        """
        if not 1 <= k <= len(self):
            raise OutOfRange("number of patches", k, f"1 to {len(self)}")
        order = np.argsort(self.distances(audio, note), kind="stable")
        return [self.patch(int(position)) for position in order[:k]]

    def distances(self, audio: Audio, note: Note) -> NDArray[np.float32]:
        """Distance in dB of each patch from a clip, shape ``(patches,)``; see ``nearest``."""
        target = fingerprint(audio, note.gate_seconds)
        if target is None:
            raise InvalidAudio("a silent or very short clip has no nearest patch")
        reference = min(range(len(self.notes)), key=lambda k: abs(self.notes[k] - note.number))
        return distances(target, self.sounds[reference])


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
    """The library kept in a file, made first if the file is missing, damaged, or of another host, prior or plan.

    Args:
        path: the file.
        table: parameters of the instrument.
        prior: where its patches are drawn from.
        host: what ``make_host`` opens: the library of another version is made anew.
        make_host: runs in each worker; a module-level function or a ``functools.partial`` of one.
        plan: what to make.
        workers: processes to render with.
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
        library = build(pool.map(count()), prior, plan, progress)
    _write(path, identity | {"host": host.as_dict()}, library)
    return library


def read_library(path: Path, table: Table, prior: Prior, plan: Plan = DEFAULT_PLAN) -> Library | None:
    """The library of a file, made on whichever host; None if it does not fit the table, the prior or the plan."""
    return _read(path, prior, _identity(table, prior, plan))


def build(
    renders: Iterator[Steps | HostError | None], prior: Prior, plan: Plan, progress: Progress | None = None
) -> Library:
    """Collect a library.

    Args:
        renders: for draw 0, 1, 2, ... of set ``SEED`` its fingerprints, shape ``(notes, cells, bands)``, or None if it
            is refused, or the error of a render that failed.
        prior: where the patches are drawn from.
        plan: what to make.
        progress: see ``Progress``.

    Raises:
        HostError: if hardly any draw renders.
    """
    indices: list[int] = []
    sounds = np.zeros((0, 0, 0, 0), np.uint8)
    error: HostError | None = None
    for index, sound in enumerate(renders):
        if isinstance(sound, HostError):
            error = sound
        elif sound is not None:
            if not indices:
                sounds = np.zeros((len(plan.notes), plan.size, *sound.shape[1:]), np.uint8)
            if not _is_known(sound, sounds[:, : len(indices)]):
                sounds[:, len(indices)] = sound
                indices.append(index)
                if progress is not None:
                    progress(len(indices), plan.size)
        if len(indices) == plan.size:
            break
        if index + 1 >= MOST_DRAWS_PER_PATCH * max(len(indices), 10):
            raise HostError(f"only {len(indices)} of {index + 1} patches of the library sound") from error
    return Library(prior, plan.notes, np.array(indices, np.int64), sounds)


def _is_known(sound: Steps, sounds: Steps) -> bool:
    """Whether a sound, at the middle one of the notes, is nearly that of one of ``(notes, n, cells, bands)``."""
    middle = len(sound) // 2
    lowest = np.int16(FLOOR_DB / DECIBELS_PER_STEP)
    levels = np.minimum(sounds[middle], lowest)
    steps = np.abs(levels - np.minimum(sound[middle], lowest)).mean(axis=(1, 2))
    return bool(steps.min(initial=np.inf) * DECIBELS_PER_STEP < DUPLICATE_DB)


def _make_worker(make_host: Callable[[], Host], prior: Prior, plan: Plan) -> Callable[[int], Steps | None]:
    return functools.partial(_render, make_host(), prior, plan)


def _render(host: Host, prior: Prior, plan: Plan, index: int) -> Steps | None:
    """Fingerprints of a draw, shape ``(notes, cells, bands)``; None if it cannot be heard at one of the notes.

    Renders need not be clean: what an earlier one left behind is small beside what fingerprints tell apart.
    """
    patch, _ = prior.draw(SEED, index, 0)
    sounds = []
    for number in plan.notes:
        note = Note(number, 100, GATE_SECONDS, SECONDS)
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
        "plan": asdict(plan) | {"notes": list(plan.notes)},
    }


def _read(path: Path, prior: Prior, identity: dict[str, Any], host: HostInfo | None = None) -> Library | None:
    """The library of a file; None if there is none, or a damaged one, or another (of another host, if one is given)."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            found = json.loads(str(kept["identity"]))
            made_on = found.pop("host")
            if found != identity or (host is not None and made_on != host.as_dict()):
                return None
            return Library(prior, tuple(identity["plan"]["notes"]), kept["indices"], kept["sounds"])
    except (OSError, ValueError, KeyError, AttributeError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, identity: dict[str, Any], library: Library) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, identity=json.dumps(identity), indices=library.indices, sounds=library.sounds)
