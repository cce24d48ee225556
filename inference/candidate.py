"""A patch on its way through the stages."""

from __future__ import annotations

import math
from dataclasses import dataclass

from render.instruments.patch import Patch
from render.note import Note


@dataclass(frozen=True, slots=True)
class Candidate:
    """A patch on its way through the stages.

    Attributes:
        patch: the patch; its level is solved for the target's once ``loss`` is known.
        note: the key press that it is played with (where several clips are matched, that of the first).
        loss: the distance that the stages minimise; infinite until it was rendered.
        origin: where it came from, for the report.
    """

    patch: Patch
    note: Note
    loss: float = math.inf
    origin: str = ""
