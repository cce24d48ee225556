"""Moving a patch to another key so that it sounds at the same pitch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from render.instruments.instrument import Instrument
from render.instruments.patch import Patch
from render.note import HIGHEST_NOTE, LOWEST_NOTE, Note

_OCTAVE_SHARE = 5
"""One in this many of the library's patches, the closest ones, is also tried an octave lower and higher."""


def on_key(patch: Patch, key: int, note: Note) -> tuple[Patch, Note] | None:
    """Change a patch that was meant for another key so that it sounds the same with this note.

    Whole octaves go into the transposition as far as it reaches, so that all candidates share one key; otherwise the
    note changes.

    Args:
        patch: patch to move.
        key: MIDI note number that it was meant for.
        note: key press of the target.

    Returns:
        The patch and the key press; None if there is no such key.
    """
    octaves, rest = divmod(key - note.number, 12)
    if rest == 0 and (moved := _octaves_higher(patch, octaves)) is not None:
        return moved, note
    highest = key + note.highest - note.number
    return (patch, replace(note, number=key)) if key >= LOWEST_NOTE and highest <= HIGHEST_NOTE else None


def in_octaves(patches: Sequence[Patch], note: Note) -> Iterator[Patch]:
    """The first patches an octave lower and higher, because the octave of the key is hard to estimate."""
    for patch in patches[: -(-len(patches) // _OCTAVE_SHARE)]:
        for key in (note.number - 12, note.number + 12):
            moved = on_key(patch, key, note)
            if moved is not None and moved[1] == note:
                yield moved[0]


def transposed(instrument: Instrument, patch: Patch, semitones: int) -> Patch | None:
    """A patch that sounds higher by some semitones on the same key; None if that is out of reach."""
    if instrument.transposed is not None:
        return instrument.transposed(patch, semitones)
    octaves, rest = divmod(semitones, 12)
    return _octaves_higher(patch, octaves) if rest == 0 else None


def octaves_higher(patch: Patch, octaves: int) -> tuple[Patch, int]:
    """A patch that sounds higher by octaves, as far as its transposition reaches, and the octaves that it reached."""
    row = patch.table.transpose
    if row is None:
        return patch, 0
    choice = patch.index(row.name)
    reached = min(max(choice + octaves, 0), len(row.choices) - 1)
    return patch.with_knobs({row.name: row.choice_knobs[reached]}), reached - choice


def _octaves_higher(patch: Patch, octaves: int) -> Patch | None:
    moved, reached = octaves_higher(patch, octaves)
    return moved if reached == octaves else None
