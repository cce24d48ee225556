"""Writing what a run found: preset, rendered match, result and report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inference.pipeline import Match
from inference.report import report_html
from inference.result import as_data
from render.audio import write_wav
from render.files import write_text
from render.presets import SUFFIX, Program, write_program


def write_match(match: Match, clip: Path, folder: Path) -> dict[str, Any]:
    """Write all files of a match; each appears whole or not at all.

    Args:
        match: the result of the pipeline.
        clip: the clip as the user named it; the files are named after its stem.
        folder: made when missing.

    Returns:
        The content of ``NAME.json``.

    Raises:
        FileError: if a file cannot be written.
    """
    files: list[dict[str, str]] = []
    for number, confirmed in enumerate(match.best, start=1):
        stem = clip.stem if number == 1 else f"{clip.stem}.{number}"
        preset, audio = folder / f"{stem}{SUFFIX}", folder / f"{stem}.match.wav"
        write_wav(audio, confirmed.audio)
        write_program(preset, Program(stem, confirmed.candidate.patch))
        files.append({"preset": str(preset), "match": str(audio)})
    files[0] |= {"report": str(folder / f"{clip.stem}.html"), "result": str(folder / f"{clip.stem}.json")}
    data = as_data(match, str(clip), files)
    write_text(folder / f"{clip.stem}.html", report_html(data, match.target.audio, match.best[0].audio))
    write_text(folder / f"{clip.stem}.json", json.dumps(data, indent=1) + "\n")
    return data
