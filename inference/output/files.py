"""Writing what a run found: presets, rendered match, result and report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

from inference.output.report import report_html
from inference.output.result import as_data
from inference.pipeline import Match
from render.audio import write_wav
from render.errors import FileError
from render.files import write_text
from render.hosts.plugin_files import write_vstpreset
from render.noisemaker.presets import SUFFIX, Program, write_program


def write_match(match: Match, clip: Path, folder: Path, part: int = 0) -> dict[str, Any]:
    """Write all files of a match; each appears whole or not at all.

    Args:
        match: the result of the pipeline.
        clip: the clip as the user named it; the files are named after its stem.
        folder: made when missing.
        part: which of the match's clips it is.

    Returns:
        The content of ``NAME.json``.

    Raises:
        FileError: if a file cannot be written.
    """
    files: list[dict[str, str]] = []
    for number, confirmed in enumerate(match.best, start=1):
        stem = clip.stem if number == 1 else f"{clip.stem}.{number}"
        preset, audio = folder / f"{stem}{SUFFIX}", folder / f"{stem}.match.wav"
        write_wav(audio, confirmed.audios[part])
        write_program(preset, Program(stem, confirmed.candidate.patch))
        files.append({"preset": str(preset), "match": str(audio)})
        if match.host.class_id is not None:
            vst3 = folder / f"{stem}.vstpreset"
            write_vstpreset(vst3, confirmed.candidate.patch, stem, match.host.class_id)
            files[-1]["vst3_preset"] = str(vst3)
    files[0] |= {"report": str(folder / f"{clip.stem}.html"), "result": str(folder / f"{clip.stem}.json")}
    data = as_data(match, str(clip), files, part)
    write_text(folder / f"{clip.stem}.html", report_html(data, match.targets[part].audio, match.best[0].audios[part]))
    write_text(folder / f"{clip.stem}.json", json.dumps(data, indent=1) + "\n")
    return data


def install(presets: Sequence[Path], folder: Path) -> list[Path]:
    """Copy presets into a folder that the synth shows; a file that is there already is never replaced.

    Args:
        presets: preset files.
        folder: must exist.

    Returns:
        The new files, numbered where the name was taken.

    Raises:
        FileError: if the folder is missing or cannot be written.
    """
    if not folder.is_dir():
        raise FileError(f"no such preset folder: {folder}")
    installed = []
    for preset in presets:
        names = chain([preset.name], (f"{preset.stem} ({number}){preset.suffix}" for number in count(2)))
        for name in names:
            try:
                with (folder / name).open("xb") as stream:
                    stream.write(preset.read_bytes())
            except FileExistsError:
                continue
            except OSError as error:
                raise FileError(f"cannot write {folder / name}: {error.strerror or error}") from error
            installed.append(folder / name)
            break
    return installed
