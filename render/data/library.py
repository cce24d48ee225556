"""The library that a search starts from: patches of the prior, found by sound.

The patches are the first draws of one fixed set that are audible and differ in sound from those before them. They are
rendered once, all at a main note and some at others, and the packed fingerprints of the renders are kept in a file
(``render.data.library_making``). The file that comes with the project was made on the embedded host
(``python -m render library``). It serves every host, because hosts differ less than the fingerprints of different
patches.

A clip is compared with the renders at all notes. A patch whose render at another key resembles the clip is transposed
by the octaves between the keys, which sounds the same but for what follows the key. So most patches are rendered at
one note (``docs/data.md``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.audio import Audio
from render.data.packed_sounds import PackedSounds
from render.errors import InvalidAudio, OutOfRange
from render.files import replacing
from render.instruments.host import HostInfo
from render.instruments.instrument import Prior
from render.instruments.keys import octaves_higher
from render.instruments.patch import Patch
from render.instruments.table import Table
from render.measures.fingerprint import fingerprint
from render.note import Note

SCHEMA = 3
SEED = 0
"""Seed of the draws that the library is made of; training data must use another seed."""

Draws = Mapping[int, int]
"""By MIDI note number, how many of the first draws are rendered at that note."""


@dataclass(frozen=True, slots=True)
class Library:
    """Patches and the fingerprints of their renders.

    Attributes:
        prior: distribution that the patches are drawn from.
        indices: index of each patch among the draws with ``SEED``, shape ``(patches,)``.
        sounds: by MIDI note number, the fingerprints of the first patches at that note.

    Example:
        >>> from render.noisemaker.hosts import open_host
        >>> from render.noisemaker.instrument import NOISEMAKER
        >>> library = read_library(NOISEMAKER.library, NOISEMAKER.table, NOISEMAKER.prior)
        >>> clip = open_host().render(library.patch(7), Note(60))
        >>> library.nearest(clip, Note(60), k=5)[0] == library.patch(7)
        True
    """

    prior: Prior
    indices: NDArray[np.int64]
    sounds: Mapping[int, PackedSounds]

    def __len__(self) -> int:
        return len(self.indices)

    def patch(self, position: int) -> Patch:
        """The patch at a position."""
        return self.prior.draw(SEED, int(self.indices[position]), 0)[0]

    def first(self, count: int) -> Library:
        """The library of the first patches."""
        sounds = {number: sounds.first(count) for number, sounds in self.sounds.items()}
        return Library(self.prior, self.indices[:count], sounds)

    def nearest(self, audio: Audio, note: Note, k: int) -> list[Patch]:
        """Up to ``k`` patches that sound most like a clip, closest first; level differences do not count.

        Patches are transposed to the key of the clip by whole octaves. Those whose transposition does not reach are
        left out, except at the closest of the library's notes: there they are transposed as far as possible.

        Args:
            audio: clip with the key press at sample 0.
            note: key press of the clip (its length is taken from the audio).
            k: number of patches.

        Shape:
            audio: ``(channels, samples)``.

        Raises:
            OutOfRange: if ``k`` is less than 1.
            InvalidAudio: if the clip is silent or too short.
        """
        if k < 1:
            raise OutOfRange("number of patches", k, "1 or more")
        target = fingerprint(audio, note.gate_seconds)
        if target is None:
            raise InvalidAudio("a silent or very short clip has no nearest patch")
        octaves = {number: round((number - note.number) / 12) for number in self.sounds}
        closest = min(self.sounds, key=lambda number: abs(number - note.number))
        default = self.patch(0).table.default
        reached = {number: octaves_higher(default, wanted)[1] for number, wanted in octaves.items()}
        compared = [number for number in octaves if number == closest or reached[number] == octaves[number]]
        distances = np.concatenate([self.sounds[number].distances(target) for number in compared])
        numbers = np.repeat(compared, [len(self.sounds[number]) for number in compared])
        positions = np.concatenate([np.arange(len(self.sounds[number])) for number in compared])
        found: dict[tuple[int, int], Patch] = {}
        for row in np.argsort(distances, kind="stable"):
            number, position = int(numbers[row]), int(positions[row])
            patch, moved = octaves_higher(self.patch(position), octaves[number])
            if number == closest or moved == octaves[number]:
                found.setdefault((position, moved), patch)
            if len(found) == k:
                break
        return list(found.values())


def read_library(
    path: Path, table: Table, prior: Prior, draws: Draws | None = None, host: HostInfo | None = None
) -> Library | None:
    """Read the library of a file.

    Args:
        path: the file.
        table: parameter table of the instrument.
        prior: distribution that the patches are drawn from.
        draws: draws that the library must be made of; None for any.
        host: host that it must have been made on; None for any.

    Returns:
        The library; None if the file is missing or damaged, or of another table, prior, host or other draws.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as fields:
            found = json.loads(str(fields["identity"]))
            expected = _identity(
                table,
                prior,
                found["draws"] if draws is None else _pairs(draws),
                found["host"] if host is None else host.as_dict(),
            )
            if found != expected:
                return None
            kept = np.unpackbits(fields["kept"])
            sounds = {number: PackedSounds(fields[f"codes-{number}"], fields["book"]) for number, _ in found["draws"]}
            return Library(prior, np.flatnonzero(kept), sounds)
    except Exception:  # a damaged archive raises errors of a dozen types
        return None


def write_library(path: Path, table: Table, draws: Draws, host: HostInfo, library: Library) -> None:
    """Write a library with the draws and the host that it was made of; raises ``FileError``."""
    kept = np.zeros(max(draws.values()), bool)
    kept[library.indices] = True
    fields: dict[str, Any] = {f"codes-{number}": sounds.codes for number, sounds in library.sounds.items()}
    fields["book"] = next(iter(library.sounds.values())).book
    fields["kept"] = np.packbits(kept)
    fields["identity"] = json.dumps(_identity(table, library.prior, _pairs(draws), host.as_dict()))
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **fields)  # which is read faster than a compressed file, and hardly larger


def _identity(table: Table, prior: Prior, draws: list[list[int]], host: Any) -> dict[str, Any]:
    return {"schema": SCHEMA, "table_hash": table.hash, "prior_hash": prior.hash(), "draws": draws, "host": host}


def _pairs(draws: Draws) -> list[list[int]]:
    return [[number, draws[number]] for number in sorted(draws)]
