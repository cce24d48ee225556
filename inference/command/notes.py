"""The notes and velocities that a user gives for clips."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

from inference.command.jobs import Group
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


def with_corrections(groups: Sequence[Group], arguments: Namespace) -> list[Group]:
    """Groups that continue earlier runs, with the notes, velocities and gate that the user names for their clips.

    Args:
        groups: groups of one clip each.
        arguments: what the command line holds.

    Raises:
        OutOfRange: for a wrong number of notes or velocities, or an impossible one.
    """
    corrected = []
    for group, note, velocity in zip(groups, *notes_of(arguments, len(groups)), strict=True):
        (job,), options = group.jobs, group.options
        if note is not None:
            n_keys = len(note) if isinstance(note, tuple) else 1
            job = replace(job, note=note)
            options = replace(options, constraints=options.constraints.for_keys(options.instrument, n_keys, None))
        if arguments.velocity:
            job = replace(job, velocity=velocity)
        if arguments.gate is not None:
            job = replace(job, gate_seconds=arguments.gate)
        corrected.append(Group((job,), options))
    return corrected


def _check_chord(arguments: Namespace, n_clips: int) -> None:
    if arguments.together:
        raise OutOfRange("--together", "given with --chord", "one of them")
    if n_clips != 1:
        raise OutOfRange("number of clips with --chord", n_clips, "1")
    if len(arguments.note or ()) < 2:
        raise OutOfRange("number of keys with --chord", len(arguments.note or ()), "2 or more, each with --note")
