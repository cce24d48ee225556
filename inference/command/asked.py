"""What the user asks for on the command line: keys, the compared part of a clip, and the options of a run."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from typing import Any

from inference.clip.focus import EVERYTHING, Focus
from inference.constraints import Constraints
from inference.options import Options
from render.errors import OutOfRange
from render.instruments.exports import checked_class_id
from render.instruments.patch import Patch
from render.instruments.programs import read_bank, read_program
from render.note import Keys, Note

DEFAULT_SECONDS = 60.0


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


def number_of_keys(note: Keys | None) -> int:
    """How many keys are pressed together."""
    return len(note) if isinstance(note, tuple) else 1


def focus_asked(arguments: Namespace, base: Focus = EVERYTHING) -> Focus:
    """The part of a clip that is compared; what the user does not name stays as it is in ``base``.

    Raises:
        OutOfRange: for an impossible range or band.
    """
    return Focus(
        arguments.range or base.span_seconds,
        tuple(arguments.ignore) or base.ignored_seconds,
        arguments.band or base.band_hz,
        base.noise if arguments.noise is None else arguments.noise,
    )


def options_asked(arguments: Namespace, base: Options, *, n_keys: int = 1, best: Patch | None = None) -> Options:
    """The options of a run; what the user does not name stays as it is in ``base``, apart from the budget.

    Args:
        arguments: what the command line holds.
        base: options with the instrument and the host, and with what an earlier run used if this one continues it.
        n_keys: number of keys that are pressed together.
        best: patch whose values ``--lock NAME`` keeps where the user names no preset to start from.

    Raises:
        OutOfRange: for a value that is not allowed.
        UnknownName: for an unknown parameter, stage, network or format.
        FileError: if a preset cannot be read.
        FormatError: if a preset is damaged.
    """
    instrument = base.instrument
    given: dict[str, Any] = {
        name: value
        for name, value in (
            ("candidates", arguments.candidates),
            ("guess", arguments.guess),
            ("seed", arguments.seed),
            ("stages", _names(arguments.stages)),
            ("formats", _names(arguments.formats, but="none")),
            ("class_id", None if arguments.class_id is None else checked_class_id(arguments.class_id)),
            ("start", arguments.start and read_program(instrument, arguments.start).patch),
            ("bank", arguments.bank and tuple(read_bank(instrument, arguments.bank))),
        )
        if value is not None
    }
    start = given.get("start", base.start)
    constraints = Constraints.parse(
        instrument.table,
        arguments.lock,
        limits=arguments.limit,
        no_effects=arguments.no_effects,
        start=given.get("start") or best or start,
    )
    unlimited = arguments.seconds is None and arguments.renders is None
    return replace(
        base,
        **given,
        seconds=DEFAULT_SECONDS if unlimited else arguments.seconds,
        renders=arguments.renders,
        steps=arguments.steps,
        constraints=base.constraints.replaced_by(constraints).for_keys(instrument, n_keys, start),
        calibration=base.calibration and not arguments.no_calibration,
        tidy=base.tidy and not arguments.no_tidy,
        workers=arguments.workers,
    )


def _names(text: str | None, *, but: str = "") -> tuple[str, ...] | None:
    """Names between commas, without the one that stands for no name; None if the user asks for nothing."""
    return None if text is None else tuple(name for name in map(str.strip, text.split(",")) if name not in ("", but))


def _check_chord(arguments: Namespace, n_clips: int) -> None:
    if arguments.together:
        raise OutOfRange("--together", "given with --chord", "one of them")
    if n_clips != 1:
        raise OutOfRange("number of clips with --chord", n_clips, "1")
    if len(arguments.note or ()) < 2:
        raise OutOfRange("number of keys with --chord", len(arguments.note or ()), "2 or more, each with --note")
