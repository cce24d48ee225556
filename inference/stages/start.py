"""What the stages start from: patches from the user, the library, a network, and the default, on the target's note."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from inference.constraints import Constraints
from inference.evaluate import Candidate
from render.noisemaker.patch import Patch
from render.noisemaker.table import parameter
from render.note import Note

_OCTAVE_SHARE = 5
"""One in how many of the library's patches, the first ones, is also tried an octave lower and higher."""

_TRANSPOSE = parameter("transpose")


def on_key(patch: Patch, key: int, note: Note) -> tuple[Patch, Note]:
    """A patch meant for another key, so that it sounds the same on this note.

    Whole octaves are taken up by the transposition as far as it reaches, so that all candidates share one key; what is
    left moves the note.

    Args:
        patch: the patch.
        key: MIDI number that it was meant for.
        note: the key press of the target.
    """
    octaves, rest = divmod(key - note.number, 12)
    transposition = patch.index("transpose") + octaves
    if rest == 0 and 0 <= transposition < len(_TRANSPOSE.choices):
        return patch.with_knobs({"transpose": _TRANSPOSE.choice_knobs[transposition]}), note
    return patch, replace(note, number=key)


def in_octaves(patches: Sequence[Patch], note: Note) -> Iterator[Patch]:
    """The first patches an octave lower and higher: which octave the key was in can hardly be heard."""
    for patch in patches[: -(-len(patches) // _OCTAVE_SHARE)]:
        for key in (note.number - 12, note.number + 12):
            moved, at = on_key(patch, key, note)
            if at == note:
                yield moved


def candidates(patches: Iterable[Patch], note: Note, origin: str, constraints: Constraints) -> list[Candidate]:
    """Candidates that respect the locks and can be levelled."""
    return [Candidate(constraints.apply(_audible(patch, constraints)), note, origin=origin) for patch in patches]


def _audible(patch: Patch, constraints: Constraints) -> Patch:
    """A patch that is silent only because of its volume knob cannot be levelled: it gets the default one."""
    if patch["volume"] == 0.0 and "volume" not in constraints.locked:
        return patch.with_knobs({"volume": Patch()["volume"]})
    return patch
