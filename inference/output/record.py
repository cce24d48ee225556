"""The result of a run as JSON-ready data: the content of ``NAME.json``, from which the report is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inference.match import Answer, ClipMatch, Match, Tidied
from render.errors import FormatError
from render.files import display_name, read_json
from render.instruments.instrument import Instrument
from render.instruments.patch import Patch
from render.measures.metrics import Distances
from render.note import Keys, Note

SCHEMA = "synth-reconstruct/match/4"

_KINDS: dict[str, type] = {
    "clip_path": str, "files": list, "ended": str, "identity": str, "options": dict, "candidates": list, "best": dict,
}  # fmt: skip
"""Required keys and their types."""


def as_data(
    match: Match, clip_match: ClipMatch, clip: Path, files: Sequence[dict[str, str]], identity: str = ""
) -> dict[str, Any]:
    """The matches of one clip as JSON-ready data.

    Args:
        match: the result of the run.
        clip_match: one of ``match.clips``.
        clip: path of the clip, as the user gave it.
        files: paths of the written files of each match, by kind.
        identity: text that identifies the options of the run.
    """
    target, options = clip_match.target, match.options
    best = clip_match.answers[0]
    return {
        "schema": SCHEMA,
        "instrument": options.instrument.name,
        "table": options.instrument.table.hash,
        "clip": display_name(clip),
        "clip_path": str(clip.absolute()),
        "together_with": [display_name(other.name) for other in match.targets if other is not target],
        "identity": identity,
        "ended": match.ended,
        "error": match.error,
        "note": best.note.number,
        "pitched": target.pitched,
        "note_fixed": target.note_fixed,
        "velocity": best.note.velocity,
        "gate_seconds": round(best.note.gate_seconds, 4),
        "gate_fixed": target.gate_fixed,
        "seconds_of_audio": round(best.note.seconds, 4),
        "onset_seconds": round(target.onset_seconds, 4),
        **target.focus.as_data(),
        "share_compared": round(target.share, 4),
        "stereo": target.stereo,
        "level_db": round(target.level_db, 2),
        "other_sounds_seconds": [round(seconds, 3) for seconds in target.events],
        "host": match.host.as_dict(),
        "options": {
            "where": options.where,
            "seconds": options.seconds,
            "renders": options.renders,
            "steps": options.steps,
            "candidates": options.candidates,
            "locked": dict(options.constraints.locked),
            "limits": dict(options.constraints.limits),
            "stages": list(options.stages),
            "guess": options.guess,
            "method": options.method,
            "tidy": options.tidy,
            "seed": options.seed,
            "rounds": options.rounds,
            "start": patch_data(options.start, options.instrument) if options.start is not None else None,
            "calibration": options.calibration,
            "formats": list(options.formats),
            "class_id": options.class_id,
            "workers": options.workers,
        },
        "notices": [*target.notices, *match.notices],
        "seconds": round(match.seconds, 3),
        "prepared_seconds": round(match.prepared_seconds, 3),
        "renders": match.renders,
        "steps": match.steps,
        "stages": [
            {
                "name": stage.name,
                "seconds": round(stage.seconds, 3),
                "renders": stage.renders,
                "steps": stage.steps,
                "distance": _rounded(stage.best),
                "rerender_mss": round(stage.rerender_mss, 4),
                "counted": stage.counted,
            }
            for stage in match.stages
        ],
        "tidied": _tidied(match.tidied),
        "files": list(files),
        "best": _answer(match, best),
        "candidates": [_answer(match, answer) for answer in clip_match.answers],
        "lesson": match.lesson.as_data() if match.lesson is not None else None,
        "trials": [[asdict(trial) | {"fault": trial.fault} for trial in trials] for trials in match.trials],
        "history": [asdict(point) for point in match.history],
    }


def _tidied(tidied: Tidied | None) -> dict[str, Any] | None:
    if tidied is None:
        return None
    sections = [{"name": name, "mss_without": round(mss, 4)} for name, mss in tidied.sections.items()]
    knobs = [{"name": name, "mss_moved": round(mss, 4)} for name, mss in tidied.knobs.items()]
    return {
        "differing_before": tidied.differing_before,
        "differing_after": tidied.differing_after,
        "sections": sections,
        "knobs": knobs,
    }


def read_record(path: Path) -> dict[str, Any]:
    """The content of a ``NAME.json``.

    Raises:
        FileError: if the file cannot be read.
        FormatError: if it is not a result, or was written by another version of this project.
    """
    content = read_json(path, SCHEMA, "not a result of refine")
    wrong = [name for name, kind in _KINDS.items() if not isinstance(content.get(name), kind)]
    if wrong or not content["files"] or not all(map(_are_paths, content["files"])):
        raise FormatError(f"{path} is a damaged result: {', '.join(wrong or ['files'])}")
    return content


def _are_paths(files: object) -> bool:
    """Whether this is what a record says of a match: a path for each kind of file."""
    return isinstance(files, dict) and "preset" in files and all(isinstance(path, str) for path in files.values())


def note_of(record: Mapping[str, Any]) -> Note:
    """The key press of a clip's best match."""
    return Note.from_data(record["best"]["note"])


def fixed_keys(record: Mapping[str, Any]) -> Keys | None:
    """The key, or the keys of a chord, that the user named; None if the key is an estimate."""
    return note_of(record).as_keys if record["note_fixed"] else None


def patch_data(patch: Patch, instrument: Instrument) -> dict[str, Any]:
    """A patch as JSON-ready data: its knobs by name, and its state beside them."""
    return {
        "knobs": dict(zip(instrument.table.names, patch.knobs, strict=True)),
        "extra": instrument.extra.as_data(patch) if instrument.extra is not None else None,
    }


def _answer(match: Match, answer: Answer) -> dict[str, Any]:
    patch, instrument = answer.candidate.patch, match.options.instrument
    start = match.options.start or instrument.table.default
    changed = [name for name in start.diff(patch) if patch.sounds(name)]
    return {
        "origin": answer.candidate.origin,
        "loss": answer.candidate.loss,
        "gain_db": round(answer.gain_db, 2),
        "distance": _rounded(answer.distance),
        "own_mss": round(answer.own_mss, 4),
        "note": answer.note.as_data(),
        "gate_seconds": round(answer.note.gate_seconds, 4),
        **patch_data(patch, instrument),
        "settings": patch.settings(),
        "heard": [name for name in instrument.table.names if patch.sounds(name)],
        "changed": changed,
        "changed_from": {name: start.setting(name) for name in changed},
    }


def _rounded(measured: Distances) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 4) for name, value in measured.as_dict().items()}
