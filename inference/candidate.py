"""A candidate: a patch with its note and its distance."""

from __future__ import annotations

import math
from dataclasses import dataclass

from render.instruments.patch import Patch
from render.note import Note


@dataclass(frozen=True, slots=True)
class Candidate:
    """A patch that may match the clip.

    Attributes:
        patch: the patch; its level matches the target's once ``loss`` is known.
        note: key press that it is played with (if several clips are matched, that of the first).
        loss: distance that the stages minimise; infinite before the patch is rendered.
        origin: stage or method that proposed it, for the report.
        sparse: whether a descent leaves unused parts of the patch alone (``Instrument.extras``).
    """

    patch: Patch
    note: Note
    loss: float = math.inf
    origin: str = ""
    sparse: bool = False
