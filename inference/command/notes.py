"""The notes and velocities that a user gives for clips."""

from __future__ import annotations

from argparse import Namespace

from render.errors import OutOfRange
from render.note import Keys, Note


def notes_of(arguments: Namespace, n_clips: int) -> tuple[list[Keys | None], list[int]]:
    """Notes, or None where it is to be estimated, and velocities, one of each per clip; refuses impossible ones.

    Args:
        arguments: what the command line holds.
        n_clips: number of clips.

    Raises:
        OutOfRange: for a wrong number of notes or velocities, or an impossible one.
    """
    if arguments.chord:
        _check_chord(arguments, n_clips)
    notes: list[Keys | None] = arguments.note or [None]
    if arguments.chord:
        notes = [Note.of(arguments.note).as_keys]
    velocities: list[int] = arguments.velocity or [100]
    for name, values in (("--note", notes), ("--velocity", velocities)):
        if len(values) not in (1, n_clips):
            together = " (--chord plays them together)" if name == "--note" and n_clips == 1 else ""
            allowed = f"once, or once for each of {n_clips} clips{together}"
            raise OutOfRange(name, f"given {len(values)} times", allowed)
    for velocity in velocities:
        Note(60, velocity, 1.0 if arguments.gate is None else arguments.gate)
    return (notes * n_clips if len(notes) == 1 else notes), velocities * n_clips if len(velocities) == 1 else velocities


def _check_chord(arguments: Namespace, n_clips: int) -> None:
    if arguments.together:
        raise OutOfRange("--together", "given with --chord", "one of them")
    if n_clips != 1:
        raise OutOfRange("number of clips with --chord", n_clips, "1")
    if len(arguments.note or ()) < 2:
        raise OutOfRange("number of keys with --chord", len(arguments.note or ()), "2 or more, each with --note")
