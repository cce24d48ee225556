"""Starting points that need no network: the user's patch, the closest of the library, patches that are made from the
clip itself, the presets that the user knows, and the default patch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from inference.candidate import Candidate
from inference.clip.target import Target
from inference.constraints import Constraints
from inference.run import Run
from render.data.library import Library
from render.errors import InvalidAudio
from render.instruments.instrument import Instrument
from render.instruments.keys import in_octaves, transposed
from render.instruments.patch import Patch
from render.note import Note

CLIP = "clip"
"""Origin of the patches that are made from the clip. All of them are judged, because the measure that ranks starting
points compares single partials, and the one that judges does not: a timbre drawn at half the pitch can be the closest.
"""

_CLIP_UNTIL = 0.5
"""Share of a budget in renders that is used when they are judged; of a small budget only the closest is."""

_BANK_SHARE = 0.2
"""Largest share of the budget for presets that the user knows."""

_EARLY = 8
"""Number of starting points that are measured before a first result."""


def start(run: Run, library: Library | None, early: Callable[[], None], meanwhile: Callable[[], None]) -> None:
    """Measure the starting points; resumed candidates are judged as they are, so that the answer cannot become worse.

    Args:
        run: what the stages share.
        library: the library, if there is one.
        early: called when the first few of them are measured.
        meanwhile: called while the workers render the others.
    """
    options, note = run.options, run.target.note
    resumed = (corrected(one, run.target, options.instrument, options.constraints) for one in options.resumed)
    found = [replace(candidate, origin="resumed") for candidate in resumed]
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
        found += candidates(instrument.starts(run.target.audio, note), note, CLIP, options.constraints)
    found += candidates([instrument.table.default], note, "default patch", options.constraints)
    presets = (program.patch.with_voices_for(len(note.keys)) for program in options.bank)
    known = candidates(presets, note, "bank", options.constraints)
    if instrument.settle is not None:
        found, known = (
            [_settled(one, instrument.settle, options.constraints) for one in some] for some in (found, known)
        )
        changed = options.start.diff(instrument.settle(options.start)) if options.start is not None else ()
        if moved := [name for name in changed if name not in options.constraints.locked]:
            run.notices.append(f"fixed, so that every note sounds like the match: {', '.join(moved)}")
    measured = run.measure(found[:_EARLY])
    early()
    measured += run.measure(found[_EARLY:], meanwhile)
    measured += run.measure_until(known[: run.afford(len(known))], run.budget.used() + _BANK_SHARE)
    run.starts += measured
    drawn = sorted((one for one in measured if one.origin == CLIP), key=lambda one: one.loss)
    if drawn:
        run.judge.confirm(drawn[: run.afford(len(drawn), _CLIP_UNTIL)], run.evaluator)


def corrected(candidate: Candidate, target: Target, instrument: Instrument, constraints: Constraints) -> Candidate:
    """A candidate of an earlier run with the key, chord, velocity, gate and locks that the user names now.

    If the user names another key than the candidate's, the patch is transposed, so that it sounds at the same pitch as
    before. If it cannot be transposed that far, or its tuning is locked, it is played on the named key as it is.

    Args:
        candidate: candidate of the earlier run.
        target: the clip as it is analysed now.
        instrument: its instrument.
        constraints: locked knobs and limits.
    """
    was, now, patch = candidate.note, target.note, candidate.patch
    note = replace(was, velocity=now.velocity, seconds=now.seconds)
    if target.gate_fixed:
        note = replace(note, gate_seconds=now.gate_seconds)
    if was.chord != now.chord:  # which of the keys a patch of other keys plays is unknown
        note, patch = replace(note, number=now.number, chord=now.chord), patch.with_voices_for(len(now.keys))
    elif target.note_fixed and was.number != now.number:
        note = replace(note, number=now.number)
        moved = transposed(instrument, patch, was.number - now.number)
        if moved is not None and all(constraints.apply(moved)[name] == moved[name] for name in patch.diff(moved)):
            patch = moved
    return replace(candidate, patch=constraints.apply(patch), note=note)


def _settled(candidate: Candidate, settle: Callable[[Patch], Patch], constraints: Constraints) -> Candidate:
    """A candidate without what differs from note to note, unless that is locked."""
    return replace(candidate, patch=constraints.apply(settle(candidate.patch)))


def candidates(patches: Iterable[Patch], note: Note, origin: str, constraints: Constraints) -> list[Candidate]:
    """Candidates that respect the locks and whose level can be matched."""
    return [Candidate(constraints.apply(_audible(patch, constraints)), note, origin=origin) for patch in patches]


def _audible(patch: Patch, constraints: Constraints) -> Patch:
    """The patch with the default level if its own is 0, because a silent patch has no level to match."""
    level = patch.table.level
    if level is not None and patch[level.name] == 0.0 and level.name not in constraints.locked:
        return patch.with_knobs({level.name: level.default})
    return patch
