"""Names of result files: no result replaces an input, another result, or any other file."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from inference.output.claims import Claims
from inference.output.record import read_record
from render.errors import ReconstructError

RECORD_SUFFIX = ".json"
OVERVIEW_STEM = "summary"
"""Name of the page and the table of all clips of a batch."""

_LONGEST_STEM = 180  # bytes: file systems allow 255, and the suffixes and temporary names need some


@dataclass(frozen=True)
class ResultFiles:
    """Folder and names of the results of one clip.

    Attributes:
        folder: folder of the results.
        stem: stem of their names.
        renamed: whether the stem differs from the clip's.
    """

    folder: Path
    stem: str
    renamed: bool = False

    def path(self, suffix: str, number: int = 1) -> Path:
        """File of a match: the first one has the plain stem, the others a number too."""
        return self.folder / f"{self.stem if number == 1 else f'{self.stem}.{number}'}{suffix}"

    def stems(self, candidates: int) -> list[str]:
        """Stems of the files of so many matches."""
        return [self.path("", number).name for number in range(1, candidates + 1)]

    def paths(self, suffixes: Sequence[str], candidates: int) -> list[Path]:
        """All files that may be written for so many matches."""
        return [self.path(suffix, number) for suffix in suffixes for number in range(1, candidates + 1)]

    @property
    def record(self) -> Path:
        """The JSON file, which lists all others."""
        return self.path(RECORD_SUFFIX)


def plan_results(
    clips: Sequence[Path], folder: Path, suffixes: Sequence[str], candidates: int, claims: Claims | None = None
) -> tuple[ResultFiles, ...]:
    """Choose names for the results of some clips.

    Args:
        clips: paths of the clips; results have the stem of their clip if possible.
        folder: folder of the results.
        suffixes: suffixes of all files that may be written for a match.
        candidates: number of matches of each clip that may be written.
        claims: claims the names against other programs that run at the same time.

    Returns:
        One for each clip.

    Raises:
        FileError: if names must be claimed and the folder cannot be written.
    """
    taken = {_key(clip) for clip in clips}
    taken |= {_key(folder / f"{OVERVIEW_STEM}{suffix}") for suffix in (".html", ".csv")}
    planned = []
    for clip in clips:
        for stem in _stems(clip):
            files = ResultFiles(folder, stem, renamed=stem != clip.stem)
            if claims is not None and not claims.claim(folder, files.stems(candidates)):
                continue
            paths = files.paths(suffixes, candidates)
            if taken.isdisjoint(map(_key, paths)) and not not_results_of(clip, files, suffixes, candidates):
                break
            if claims is not None:
                claims.release(folder, files.stems(candidates))
        taken |= {_key(path) for path in paths}
        planned.append(files)
    return tuple(planned)


def not_results_of(clip: Path, files: ResultFiles, suffixes: Sequence[str], candidates: int) -> list[Path]:
    """Files that are in the place of a clip's results and are not its results: nothing may replace them.

    Args:
        clip: the clip.
        files: names of its results.
        suffixes: suffixes of all files that may be written for a match.
        candidates: number of matches that may be written.
    """
    own = _results_of(files.record, clip)
    return [path for path in files.paths(suffixes, candidates) if os.path.lexists(path) and path.name not in own]


def plain_stem(text: str, otherwise: str) -> str:
    """A name that every file system allows, with room for suffixes: what cannot be in one becomes an underscore.

    Args:
        text: what is named.
        otherwise: the name where nothing is left.
    """
    plain = "".join(
        c if c.isprintable() and not "\ud800" <= c <= "\udfff" and c not in '\\/:*?"<>|' else "_" for c in text
    )
    while len(plain.encode()) > _LONGEST_STEM:
        plain = plain[:-1]
    return plain.lstrip(".") or otherwise  # a dot at the beginning would hide the results


def _stems(clip: Path) -> Iterator[str]:
    text = plain_stem(clip.stem, "clip")
    yield text
    for number in count(2):
        yield f"{text}-{number}"


def _results_of(record: Path, clip: Path) -> set[str]:
    """Names of the files that an earlier run wrote for the same clip; none if the record belongs to another one."""
    try:
        data = read_record(record)
    except ReconstructError:
        return set()
    if _key(Path(data["clip_path"])) != _key(clip):
        return set()
    return {Path(path).name for files in data["files"] for path in files.values()} | {record.name}


def _key(path: Path) -> str:
    """A key that is the same for all spellings of a path, also on file systems that ignore case and composition."""
    return unicodedata.normalize("NFD", os.path.normcase(os.path.realpath(path)).casefold())
