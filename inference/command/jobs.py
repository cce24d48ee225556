"""The jobs of ``refine``: clips with what the user knows about them, in groups that share a patch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inference.candidate import Candidate
from inference.clip.focus import EVERYTHING, Focus
from inference.constraints import Constraints
from inference.match import Ended
from inference.options import Options
from inference.output.claims import Claims
from inference.output.names import RECORD_SUFFIX, ResultFiles
from inference.output.record import fixed_keys, read_record
from render.errors import FileError, FormatError, ReconstructError
from render.instruments.instrument import Instrument
from render.note import Keys, Note
from render.synths import synth


@dataclass(frozen=True)
class Job:
    """A clip with what the user knows about it, and the names of its results.

    Attributes:
        clip: the audio file.
        files: names of the results.
        note: MIDI note number, or those of a chord; estimated when missing.
        velocity: MIDI velocity.
        gate_seconds: how long the key was held; estimated when missing.
        focus: the part of the file that is compared.
    """

    clip: Path
    files: ResultFiles
    note: Keys | None = None
    velocity: int = 100
    gate_seconds: float | None = None
    focus: Focus = EVERYTHING


@dataclass(frozen=True)
class Group:
    """Clips that one patch must match; mostly a single one."""

    jobs: tuple[Job, ...]
    options: Options

    @property
    def identity(self) -> str:
        """Identifies the request: the content of the clips and all options that can change the match."""
        options = self.options
        asked = [
            options.instrument.name,
            options.where,
            [options.seconds, options.renders, options.steps, options.candidates, options.seed],
            options.start.knobs if options.start is not None else None,
            [sorted(options.constraints.locked.items()), sorted(options.constraints.limits.items())],
            [options.stages, options.guess, options.method, options.tidy, options.calibration],
            [[_digest(job.clip), job.note, job.velocity, job.gate_seconds, *_asked(job.focus)] for job in self.jobs],
        ]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]

    def finished(self) -> list[dict[str, Any]] | None:
        """The records of a finished run of the same request; None if there is none."""
        try:
            records = [read_record(job.files.record) for job in self.jobs]
        except ReconstructError:
            return None
        done = all(r["ended"] == Ended.FINISHED and r["identity"] == self.identity for r in records)
        present = all(Path(path).is_file() for r in records for files in r["files"] for path in files.values())
        return records if done and present else None


def resumed_groups(folder: Path, options: Options, claims: Claims | None = None) -> list[Group]:
    """Groups that continue from the results in a folder.

    Args:
        folder: folder of an earlier run's results.
        options: the budget, the workers and the host to continue with; all others are those of the earlier run.
        claims: claims the results against other programs that run at the same time.

    Raises:
        FileError: if there are no results in the folder, a clip is missing, or another program writes the results.
        FormatError: if a result cannot be read.
    """
    groups = []
    for path in sorted(folder.glob(f"*{RECORD_SUFFIX}")):
        record = read_record(path)
        if record.get("together_with"):
            raise FormatError(f"{path} was matched together with other clips; allowed: results of single clips")
        clip = Path(record["clip_path"])
        if not clip.is_file():
            raise FileError(f"the clip of {path} is gone: {clip}")
        files = ResultFiles(folder, path.stem)
        try:
            group, stems = _resumed(record, clip, files, options), files.stems(record["options"]["candidates"])
        except (KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"{path} is a damaged result: {type(error).__name__}: {error}") from error
        if claims is not None and not claims.claim(folder, stems):
            raise FileError(f"another run is at work on {path}")
        groups.append(group)
    if not groups:
        raise FileError(f"no results of refine in {folder}")
    return groups


def candidates_of(record: dict[str, Any], instrument: Instrument) -> tuple[Candidate, ...]:
    """The matches of a result, closest first; raises ``FormatError`` if it belongs to another table."""
    if record["table"] != instrument.table.hash:
        raise FormatError(f"a result has table {record['table']!r}; allowed: {instrument.table.hash!r}")
    candidates = []
    for one in record["candidates"]:
        extra = instrument.extra.from_data(one["extra"]) if instrument.extra is not None else ()
        patch, note = instrument.table.patch(one["knobs"], extra), Note.from_data(one["note"])
        candidates.append(Candidate(patch, note, one["loss"], one["origin"]))
    return tuple(candidates)


def _resumed(record: dict[str, Any], clip: Path, files: ResultFiles, options: Options) -> Group:
    instrument, was = synth(record["instrument"]), record["options"]
    if record["table"] != instrument.table.hash:
        raise FormatError(f"{files.record} has table {record['table']!r}; allowed: {instrument.table.hash!r}")
    job = Job(
        clip,
        files,
        fixed_keys(record),
        record["velocity"],
        record["gate_seconds"] if record["gate_fixed"] else None,
        Focus.from_data(record),
    )
    resumed = replace(
        options,
        instrument=instrument,
        candidates=was["candidates"],
        resumed=candidates_of(record, instrument),
        constraints=Constraints(was["locked"], {name: (low, high) for name, (low, high) in was["limits"].items()}),
        stages=tuple(was["stages"]),
        guess=was["guess"],
        method=was["method"],
        tidy=options.tidy and was["tidy"],
        seed=was["seed"],
        rounds=was.get("rounds", 0) + 1,  # the same draws would find the same again
    )
    return Group((job,), resumed)


def _asked(focus: Focus) -> list[Any]:
    """The focus of a clip as a part of a run's identity; a default focus keeps the form of earlier versions."""
    data = focus.as_data()
    span = data.pop("span_seconds")
    return [span, data] if focus != Focus(focus.span_seconds) else [span]


def _digest(clip: Path) -> str:
    try:
        with clip.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def in_groups(jobs: Sequence[Job], options: Options, *, together: bool) -> list[Group]:
    """One group of all jobs, or a group for each."""
    return [Group(tuple(jobs), options)] if together else [Group((job,), options) for job in jobs]
