"""Starting points that need no network: the user's patch, the closest of the library, patches that are made from the
clip itself, and the default patch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from inference.candidate import Candidate
from inference.constraints import Constraints
from inference.run import Run
from render.data.library import Library
from render.errors import InvalidAudio
from render.instruments.patch import Patch
from render.note import HIGHEST_NOTE, LOWEST_NOTE, Note

_EARLY = 8
"""Number of starting points that are measured before a first result."""
_OCTAVE_SHARE = 5
"""One in this many of the library's patches, the closest ones, is also tried an octave lower and higher."""


def start(run: Run, library: Library | None, early: Callable[[], None], meanwhile: Callable[[], None]) -> None:
    """Measure the starting points; resumed candidates are judged unchanged, so that the answer cannot become worse.

    Args:
        run: what the stages share.
        library: the library, if there is one.
        early: called when the first few of them are measured.
        meanwhile: called while the workers render the others.
    """
    options, note = run.options, run.target.note
    found = [replace(candidate, origin="resumed") for candidate in options.resumed]
    run.judge.confirm(found, run.evaluator)
    if options.start is not None:
        found += candidates([options.start], note, "start preset", options.constraints)
    if library is not None and options.library_starts:
        try:
            near = library.nearest(run.target.audio, note, min(run.afford(options.library_starts), len(library)))
            found += candidates([*near, *in_octaves(near, note)], note, "library", options.constraints)
        except InvalidAudio as error:
            run.notices.append(f"the library is not used: {error}")
    instrument = options.instrument
    if instrument.starts is not None:
        found += candidates(instrument.starts(run.target.audio, note), note, "clip", options.constraints)
    found += candidates([instrument.table.default], note, "default patch", options.constraints)
    if instrument.settle is not None:
        found = [_settled(one, instrument.settle, options.constraints) for one in found]
        changed = options.start.diff(instrument.settle(options.start)) if options.start is not None else ()
        if moved := [name for name in changed if name not in options.constraints.locked]:
            run.notices.append(f"fixed, so that every note sounds like the match: {', '.join(moved)}")
    run.measure(found[:_EARLY])
    early()
    run.measure(found[_EARLY:], meanwhile)


def _settled(candidate: Candidate, settle: Callable[[Patch], Patch], constraints: Constraints) -> Candidate:
    """A candidate without what differs from note to note, unless that is locked."""
    return replace(candidate, patch=constraints.apply(settle(candidate.patch)))


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
    row = patch.table.transpose
    if row is not None and rest == 0:
        transposition = patch.index(row.name) + octaves
        if 0 <= transposition < len(row.choices):
            return patch.with_knobs({row.name: row.choice_knobs[transposition]}), note
    return (patch, replace(note, number=key)) if LOWEST_NOTE <= key <= HIGHEST_NOTE else None


def in_octaves(patches: Sequence[Patch], note: Note) -> Iterator[Patch]:
    """The first patches an octave lower and higher, because the octave of the key is hard to estimate."""
    for patch in patches[: -(-len(patches) // _OCTAVE_SHARE)]:
        for key in (note.number - 12, note.number + 12):
            moved = on_key(patch, key, note)
            if moved is not None and moved[1] == note:
                yield moved[0]


def candidates(patches: Iterable[Patch], note: Note, origin: str, constraints: Constraints) -> list[Candidate]:
    """Candidates that respect the locks and whose level can be matched."""
    return [Candidate(constraints.apply(_audible(patch, constraints)), note, origin=origin) for patch in patches]


def _audible(patch: Patch, constraints: Constraints) -> Patch:
    """The patch with the default level if its own is 0, because a silent patch has no level to match."""
    level = patch.table.level
    if level is not None and patch[level.name] == 0.0 and level.name not in constraints.locked:
        return patch.with_knobs({level.name: level.default})
    return patch
