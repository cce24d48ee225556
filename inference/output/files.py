"""Writing the results of a run: presets, rendered matches, the record and the report, all of them or none."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np

from inference.clip.target import Target
from inference.match import ClipMatch, Match
from inference.output.names import RECORD_SUFFIX, ResultFiles
from inference.output.record import as_data, read_record
from inference.output.report import report_html
from render.audio import Audio, write_wav
from render.errors import FileError, ReconstructError
from render.files import replacing_together
from render.instruments.exports import FORMATS, KINDS, exported
from render.instruments.instrument import Instrument, Program

MATCH_SUFFIX, REPORT_SUFFIX = ".match.wav", ".html"


def suffixes(instrument: Instrument) -> tuple[str, ...]:
    """Suffixes of all files that may be written for a match."""
    bank = (instrument.bank.suffix,) if instrument.bank is not None else ()
    others = (f".{format_}" for format_ in FORMATS)
    return (instrument.presets.SUFFIX, MATCH_SUFFIX, *others, REPORT_SUFFIX, RECORD_SUFFIX, *bank)


def is_earlier_match(audio_file: Path) -> bool:
    """Whether a file is the rendered match of an earlier run, which the record beside it lists."""
    stem = audio_file.name.removesuffix(MATCH_SUFFIX)
    if stem == audio_file.name:
        return False
    for of_clip in (stem, stem.rpartition(".")[0]):  # further matches have a number
        with contextlib.suppress(ReconstructError):
            record = read_record(audio_file.with_name(of_clip + RECORD_SUFFIX))
            if any(Path(files.get("match", "")).name == audio_file.name for files in record["files"]):
                return True
    return False


def write_match(
    match: Match, clip_match: ClipMatch, clip: Path, names: ResultFiles, identity: str = ""
) -> dict[str, Any]:
    """Write all files of a clip's matches; either all of them replace earlier ones, or none.

    Args:
        match: the result of the run.
        clip_match: one of ``match.clips``.
        clip: path of the clip, as the user gave it.
        names: folder and names of the files.
        identity: text that identifies the options of the run.

    Returns:
        The content of ``NAME.json``.

    Raises:
        FileError: if a file cannot be written; earlier files are unchanged.
    """
    instrument = match.options.instrument
    with replacing_together(names.folder, names.stem) as temporary:
        written: list[dict[str, str]] = []
        for number, answer in enumerate(clip_match.answers, start=1):
            preset, audio = names.path(instrument.presets.SUFFIX, number), names.path(MATCH_SUFFIX, number)
            program = Program(preset.stem, answer.candidate.patch)
            write_wav(temporary(audio), at_level_of_clip(answer.audio, clip_match.target))
            instrument.presets.write_program(temporary(preset), program)
            written.append({"preset": str(preset), "match": str(audio)})
            class_id = match.options.class_id or match.host.class_id
            for format_ in match.options.formats:
                content = exported(instrument, program, answer.note, format_, class_id)
                if content is not None:
                    other = names.path(f".{format_}", number)
                    temporary(other).write_bytes(content)
                    written[-1][KINDS[format_]] = str(other)
        if instrument.bank is not None and len(clip_match.answers) > 1:
            bank = names.path(instrument.bank.suffix)
            programs = [
                Program(names.path(instrument.presets.SUFFIX, number).stem, answer.candidate.patch)
                for number, answer in enumerate(clip_match.answers, start=1)
            ]
            instrument.bank.write(temporary(bank), programs)
            written[0]["bank"] = str(bank)
        report = names.path(REPORT_SUFFIX)
        written[0] |= {"report": str(report), "result": str(names.record)}
        data = as_data(match, clip_match, clip, written, identity)
        page = report_html(instrument.table, data, clip_match.target, clip_match.answers[0].audio)
        temporary(report).write_text(page, "utf-8")
        temporary(names.record).write_text(json.dumps(data, indent=1) + "\n", "utf-8")  # the last to be replaced
    return data


def at_level_of_clip(audio: Audio, target: Target) -> Audio:
    """A render that was compared with the target's audio, at the level of the clip, as far as a file can hold it."""
    if target.level_db == 0.0:
        return audio
    louder = audio.astype(np.float64) * 10.0 ** (-target.level_db / 20.0)
    peak, largest = float(np.abs(louder).max(initial=0.0)), float(np.finfo(np.float32).max)
    at_level: Audio = (louder * min(1.0, largest / max(peak, 1.0))).astype(np.float32)
    return at_level


def presets_variable(instrument: Instrument) -> str:
    """The environment variable that names the folder of the synth's user presets, if it is not a usual one."""
    return f"{instrument.name.upper()}_PRESETS"


def synth_folder(instrument: Instrument) -> Path | None:
    """The folder of the synth's user presets: the one that ``presets_variable`` names, else a usual one that exists.

    Returns:
        The folder, or None if none of the usual ones exists; one that is named need not exist.
    """
    named = os.environ.get(presets_variable(instrument))
    if named:
        return Path(named).expanduser()
    usual = instrument.preset_folders() if instrument.preset_folders is not None else ()
    return next((folder for folder in usual if folder.is_dir()), None)


def install(presets: Sequence[Path], folder: Path) -> list[Path]:
    """Copy presets into the synth's preset folder; existing files are never replaced, and equal ones not repeated.

    Args:
        presets: preset files to copy.
        folder: folder to copy them to, which must exist.

    Returns:
        The files, with a number if the name was taken by another preset.

    Raises:
        FileError: if the folder is missing or cannot be written.
    """
    if not folder.is_dir():
        raise FileError(f"no such preset folder: {folder}")
    installed = []
    for preset in presets:
        content = preset.read_bytes()
        names = chain([preset.name], (f"{preset.stem} ({number}){preset.suffix}" for number in count(2)))
        for name in names:
            try:
                with (folder / name).open("xb") as stream, _whole_or_gone(folder / name):
                    stream.write(content)
                    stream.flush()
            except FileExistsError:
                if not _has_content(folder / name, content):
                    continue
            except OSError as error:
                raise FileError(f"cannot write {folder / name}: {error.strerror or error}") from error
            installed.append(folder / name)
            break
    return installed


def _has_content(path: Path, content: bytes) -> bool:
    try:
        return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False


@contextlib.contextmanager
def _whole_or_gone(path: Path) -> Iterator[None]:
    """Remove a new file if it does not become whole."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise
