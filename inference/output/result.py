"""The recorded result of a run as plain data: what ``NAME.json`` holds, and all that the report is made from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from inference.pipeline import Confirmed, Match
from render.measures.metrics import Distances, distances
from render.noisemaker.patch import Patch
from render.noisemaker.table import NAMES, TABLE_HASH
from render.note import SAMPLE_RATE, Note

SCHEMA = "synth-reconstruct/match/2"


def as_data(match: Match, clip: str, files: list[dict[str, str]], part: int = 0) -> dict[str, Any]:
    """A match as JSON-ready data.

    Args:
        match: the result of the pipeline.
        clip: the clip as the user named it.
        files: the written files of each of ``match.best``, by kind.
        part: which of the match's clips it is.
    """
    target = match.targets[part]
    best = match.best[0]
    note = note_of(match, best, part)
    return {
        "schema": SCHEMA,
        "table": TABLE_HASH,
        "clip": clip,
        "note": note.number,
        "pitched": target.pitched,
        "velocity": note.velocity,
        "gate_seconds": round(note.gate_seconds, 4),
        "seconds_of_audio": round(note.seconds, 4),
        "onset_seconds": round(target.onset_seconds, 4),
        "stereo": target.stereo,
        "host": match.host.as_dict(),
        "seed": match.options.seed,
        "budget": {"seconds": match.options.seconds, "renders": match.options.renders},
        "workers": match.options.workers,
        "search_method": match.options.method,
        "together_with": [other.name for k, other in enumerate(match.targets) if k != part],
        "interrupted": match.interrupted,
        "notices": list(match.notices),
        "seconds": round(match.seconds, 3),
        "prepared_seconds": round(match.prepared_seconds, 3),
        "renders": match.renders,
        "stages": [
            {
                "name": stage.name,
                "seconds": round(stage.seconds, 3),
                "renders": stage.renders,
                "distance": _rounded(stage.best),
                "rerender_mss": round(stage.rerender_mss, 4),
                "counted": stage.counted,
            }
            for stage in match.stages
        ],
        "best": _candidate(match, best, part) | {"files": files[0]},
        "candidates": [_candidate(match, c, part) | {"files": f} for c, f in zip(match.best, files, strict=True)],
        "history": [asdict(point) for point in match.history],
    }


def note_of(match: Match, confirmed: Confirmed, part: int) -> Note:
    """The key press that a candidate plays one of the clips with: only a single clip's may differ from the target's."""
    return confirmed.candidate.note if part == 0 else match.targets[part].note


def _candidate(match: Match, confirmed: Confirmed, part: int) -> dict[str, Any]:
    patch = confirmed.candidate.patch
    start = match.options.start or Patch()
    return {
        "origin": confirmed.candidate.origin,
        "loss": confirmed.candidate.loss,
        "distance": _rounded(distances(match.targets[part].audio, confirmed.audios[part], SAMPLE_RATE)),
        "gate_seconds": round(note_of(match, confirmed, part).gate_seconds, 4),
        "knobs": dict(zip(NAMES, patch.knobs, strict=True)),
        "settings": patch.settings(),
        "points": [asdict(point) for point in patch.points],
        "heard": [name for name in NAMES if patch.sounds(name)],
        "changed": [name for name in start.diff(patch) if patch.sounds(name)],
        "changed_from": {name: start.setting(name) for name in start.diff(patch) if patch.sounds(name)},
    }


def _rounded(measured: Distances) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 4) for name, value in measured.as_dict().items()}
