"""The rows of a data set: a render with its patch and note, as it is written and as it is read."""

from __future__ import annotations

from dataclasses import dataclass

from render.audio import Audio
from render.instruments.patch import Patch
from render.note import Note


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """A render ready to be written.

    Attributes:
        index: index of the draw.
        attempt: attempt at the draw.
        patch: patch that was played.
        note: note that was played.
        gain: factor from the samples of the FLAC file to those of the render.
        flac: content of the FLAC file.
        refused: reasons why earlier attempts were refused.
    """

    index: int
    attempt: int
    patch: Patch
    note: Note
    gain: float
    flac: bytes
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A render with its patch and note.

    The audio has shape ``(1 or 2, samples)``: one channel if both were equal.
    """

    index: int
    attempt: int
    patch: Patch
    note: Note
    audio: Audio
