"""Runs whose results are kept in a folder; missing ones are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.common.exchange import Played
from benchmarks.common.runs import refined
from benchmarks.common.targets import Sound, read_sound
from inference.match import Ended
from inference.options import Options
from inference.output.files import write_match
from inference.output.names import ResultFiles
from inference.output.record import note_of, read_record
from inference.ports import Models
from inference.stages.models import load_models
from render.audio import write_wav
from render.errors import FormatError
from render.noisemaker.instrument import NOISEMAKER

_ASKED = ("where", "seconds", "renders", "steps", "seed", "workers", "tidy")
"""Options that make two runs the same run, except for the workers."""


@dataclass(frozen=True)
class Answer:
    """The result of a run.

    Attributes:
        played: the found patch with its key press.
        onset_seconds: where the clip that it matched begins in the golden render.
        n_samples: length of that clip.
        spent: seconds, renders and descent steps of the run.
        options: options of the run, as in its record.
    """

    played: Played
    onset_seconds: float
    n_samples: int
    spent: tuple[float, int, int]
    options: Mapping[str, Any]

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Answer:
        """The best answer of a record; see ``inference.output.record``."""
        best = record["best"]
        extra = NOISEMAKER.extra.from_data(best["extra"]) if NOISEMAKER.extra is not None else ()
        note = note_of(record)
        return cls(
            Played(NOISEMAKER.table.patch(best["knobs"], extra), note),
            record["onset_seconds"],
            note.n_samples,
            (record["seconds"], record["renders"], record["steps"]),
            record["options"],
        )


class Runs:
    """The runs in a folder.

    Args:
        folder: folder of the results.
        options: options of a new run.
        new: whether missing runs are made; then runs with other options count as missing.
    """

    def __init__(self, folder: Path, options: Options, *, new: bool) -> None:
        self.options = options
        self.asked = {name: getattr(options, name) for name in _ASKED}
        self._folder, self._new = folder, new
        self._models: Models | None = None

    def kept(self, sound: Sound) -> Answer | None:
        """The result of an earlier run; None if it must be made.

        Raises:
            FileError: if there is none, and none may be made.
            FormatError: if there is one of another version.
        """
        path = ResultFiles(self._folder, sound.name).record
        if self._new and not path.exists():
            return None
        record = read_record(path)
        if record["table"] != NOISEMAKER.table.hash:
            raise FormatError(f"{path.name} has table {record['table']!r}; allowed: {NOISEMAKER.table.hash!r}")
        same = all(record["options"][name] == value for name, value in self.asked.items() if name != "workers")
        return Answer.of_record(record) if not self._new or (same and record["ended"] == Ended.FINISHED) else None

    def make(self, sound: Sound, *, known_note: bool) -> Answer:
        """Make a run and keep its results."""
        options = self.options
        self._models = self._models or load_models(replace(options, calibration=False))  # what is shipped
        clip = self._folder / "clips" / f"{sound.name}.wav"
        write_wav(clip, sound.audio)
        target, analysis_seconds = read_sound(sound, known_note=known_note)
        match = refined(target, options, self._models, analysis_seconds=analysis_seconds)
        return Answer.of_record(write_match(match, match.clips[0], clip, ResultFiles(self._folder, sound.name)))


def budget_label(options: Mapping[str, Any]) -> str:
    """The budget of a run for people, from the options in its record."""
    given = f"{options['seconds']:g} s" if options["renders"] is None else f"{options['renders']} renders"
    return given if options["steps"] is None else f"{given}, {options['steps']} steps"
