"""The jobs of ``refine``: clips with what the user knows about them, in groups that share a patch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.candidate import Candidate
from inference.clip.focus import EVERYTHING, Focus
from inference.match import Ended
from inference.options import Options
from inference.output.names import ResultFiles
from inference.output.record import patch_data, read_record
from render.errors import FormatError, ReconstructError
from render.instruments.instrument import Instrument
from render.instruments.patch import Patch
from render.note import Keys, Note


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
    """Clips that one patch must match; mostly a single one.

    Attributes:
        jobs: the clips.
        options: the options of the run.
        request: identity of the earlier request that this group goes on with, if it asks for nothing else.
    """

    jobs: tuple[Job, ...]
    options: Options
    request: str = ""

    @property
    def identity(self) -> str:
        """Identifies the request: the content of the clips and all options that can change what is written."""
        if self.request:
            return self.request
        options, instrument = self.options, self.options.instrument
        bank = [[program.name, patch_data(program.patch, instrument)] for program in options.bank]
        asked = [
            instrument.name,
            options.where,
            [options.seconds, options.renders, options.steps, options.candidates, options.seed],
            patch_data(options.start, instrument) if options.start is not None else None,
            [sorted(options.constraints.locked.items()), sorted(options.constraints.limits.items())],
            [options.stages, options.guess, options.method, options.tidy, options.calibration],
            [[_digest(job.clip), job.note, job.velocity, job.gate_seconds, *_asked(job.focus)] for job in self.jobs],
            [options.formats, options.class_id, bank],
        ]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]

    def finished(self) -> list[dict[str, Any]] | None:
        """The records of a finished run of the same request; None if there is none, or if this is to go on from it."""
        if self.options.rounds:
            return None
        try:
            records = [read_record(job.files.record) for job in self.jobs]
        except ReconstructError:
            return None
        done = all(r["ended"] == Ended.FINISHED and r["identity"] == self.identity for r in records)
        present = all(Path(path).is_file() for r in records for files in r["files"] for path in files.values())
        return records if done and present else None


def candidates_of(record: dict[str, Any], instrument: Instrument) -> tuple[Candidate, ...]:
    """The matches of a result, closest first; raises ``FormatError`` if it belongs to another table."""
    if record["table"] != instrument.table.hash:
        raise FormatError(f"a result has table {record['table']!r}; allowed: {instrument.table.hash!r}")
    candidates = []
    for one in record["candidates"]:
        note = Note.from_data(one["note"])
        candidates.append(Candidate(patch_of(one, instrument), note, one["loss"], one["origin"]))
    return tuple(candidates)


def patch_of(data: dict[str, Any], instrument: Instrument) -> Patch:
    """The patch of a part of a record."""
    extra = instrument.extra.from_data(data["extra"]) if instrument.extra is not None else ()
    return instrument.table.patch(data["knobs"], extra)


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
