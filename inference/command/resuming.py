"""Continuing earlier runs: as their records say, except for what the user asks for now."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from inference.clip.focus import Focus
from inference.command.asked import focus_asked, notes_of, number_of_keys, options_asked
from inference.command.jobs import Group, Job, candidates_of, patch_of
from inference.constraints import Constraints
from inference.options import Options
from inference.output.claims import Claims
from inference.output.files import suffixes
from inference.output.names import RECORD_SUFFIX, ResultFiles, not_results_of
from inference.output.record import fixed_keys, read_record
from render.errors import FileError, FormatError, OutOfRange
from render.instruments.host import EMBEDDED
from render.instruments.instrument import Instrument
from render.note import Keys
from render.synths import synth


def resumed_groups(
    arguments: Namespace, claims: Claims | None = None, say: Callable[[str], None] = lambda text: None
) -> list[Group]:
    """Groups that continue from the results in a folder.

    Everything is as in the earlier runs, except for the budget and the workers, and for what the user names now: the
    candidates so far are then played, locked and compared accordingly.

    Args:
        arguments: what the command line holds; ``arguments.resume`` is the folder.
        claims: claims the results against other programs that run at the same time.
        say: called with notices.

    Raises:
        FileError: if there are no results in the folder, a clip is missing, or another program writes the results.
        FormatError: if a result cannot be read.
        OutOfRange: for an option that a resumed run cannot have, or an impossible one.
        UnknownName: for an unknown parameter, stage, network or format.
    """
    folder: Path = arguments.resume
    if arguments.out is not None and arguments.out.absolute() != folder.absolute():
        raise OutOfRange("--out", str(arguments.out), f"nothing else than {folder}, because results stay in place")
    if arguments.together:
        raise OutOfRange("--together", "given with --resume", "one of them")
    paths = sorted(folder.glob(f"*{RECORD_SUFFIX}"))
    if not paths:
        raise FileError(f"no results of refine in {folder}")
    groups = []
    for path, note, velocity in zip(paths, *notes_of(arguments, len(paths)), strict=True):
        record = read_record(path)
        if record.get("together_with"):
            raise FormatError(f"{path} was matched together with other clips; allowed: results of single clips")
        clip = Path(record["clip_path"])
        if not clip.is_file():
            raise FileError(f"the clip of {path} is gone: {clip}")
        try:
            instrument = synth(record["instrument"])
            if arguments.synth is not None and synth(arguments.synth, arguments.plugin).name != instrument.name:
                raise OutOfRange("--synth", arguments.synth, f"{record['instrument']}, which {path} is for")
            was = Group((_job(record, clip, ResultFiles(folder, path.stem)),), _options(record, path, instrument))
            where = _host(arguments.plugin, was.options, say)
        except (KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"{path} is a damaged result: {type(error).__name__}: {error}") from error
        group = _as_asked(was, arguments, note, velocity, where, record["identity"])
        _claim(group, claims)
        groups.append(group)
    return groups


def _as_asked(was: Group, arguments: Namespace, note: Keys | None, velocity: int, where: str, identity: str) -> Group:
    """The group of an earlier run with what the user asks for now; see ``Group.request`` for its identity."""
    (job,), options = was.jobs, was.options
    best = options.resumed[0].patch if options.resumed else None
    asked = Job(
        job.clip,
        job.files,
        job.note if note is None else note,
        velocity if arguments.velocity else job.velocity,
        job.gate_seconds if arguments.gate is None else arguments.gate,
        focus_asked(arguments, job.focus),
    )
    now = options_asked(arguments, replace(options, where=where), n_keys=number_of_keys(note), best=best)
    budget = {name: getattr(now, name) for name in ("seconds", "renders", "steps", "workers")}
    same = asked == job and now == replace(options, **budget)
    return Group((asked,), now, request=identity if same else "")


def _claim(group: Group, claims: Claims | None) -> None:
    (job,), options = group.jobs, group.options
    if claims is not None and not claims.claim(job.files.folder, job.files.stems(options.candidates)):
        raise FileError(f"another run is at work on {job.files.record}")
    for path in not_results_of(job.clip, job.files, suffixes(options.instrument), options.candidates):
        raise FileError(f"{path} is not a result of {job.clip.name}, and is not replaced")


def _job(record: dict[str, Any], clip: Path, files: ResultFiles) -> Job:
    gate = record["gate_seconds"] if record["gate_fixed"] else None
    return Job(clip, files, fixed_keys(record), record["velocity"], gate, Focus.from_data(record))


def _options(record: dict[str, Any], path: Path, instrument: Instrument) -> Options:
    if record["table"] != instrument.table.hash:
        raise FormatError(f"{path} has table {record['table']!r}; allowed: {instrument.table.hash!r}")
    was, usual = record["options"], Options(instrument)
    start = was.get("start")
    return Options(
        instrument,
        where=was["where"],
        candidates=was["candidates"],
        resumed=candidates_of(record, instrument),
        start=None if start is None else patch_of(start, instrument),
        constraints=Constraints(was["locked"], {name: (low, high) for name, (low, high) in was["limits"].items()}),
        stages=tuple(was["stages"]),
        guess=was["guess"],
        method=was["method"],
        calibration=was.get("calibration", usual.calibration),
        tidy=was["tidy"],
        formats=tuple(was.get("formats", usual.formats)),
        class_id=was.get("class_id"),
        seed=was["seed"],
        rounds=was.get("rounds", 0) + 1,  # the same draws would find the same again
    )


def _host(asked: str | None, options: Options, say: Callable[[str], None]) -> str:
    """The host that the user names, else that of the earlier run, else the one that is found."""
    if asked is None and (options.where == EMBEDDED or Path(options.where).exists()):
        return options.where
    where, notices = options.instrument.hosts.choose_host(asked)
    if asked is None:
        notices = (f"{options.where} is gone: the host is {where} now", *notices)
    for notice in notices:
        say(notice)
    return where
