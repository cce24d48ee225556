"""The studio's sessions on disk: a folder each, with a clip and the ordinary result folders of ``refine`` beside it.

20260131-142501-pluck/clip/pluck.wav      the clip, or the preset that is varied
20260131-142501-pluck/refined/pluck.json  results, with all that belongs to them
20260131-142501-pluck/refined-2/...       those of another run
20260131-142501-pluck/kept/...            presets that were kept by hand
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.output.names import RECORD_SUFFIX
from inference.output.record import read_record
from render.errors import FileError, ReconstructError
from render.files import write_bytes

_CLIP, _RESULTS, _KEPT = "clip", "refined", "kept"
_NAME = re.compile(r"\d{8}-\d{6}(-\d+)?-[\w .,+()#-]+")
_UNSAFE = re.compile(r"[^\w.,+()#-]+")
_LONGEST_STEM, _LONGEST_SUFFIX = 60, 20


@dataclass(frozen=True)
class SessionFiles:
    """The files of one session.

    Attributes:
        folder: folder of the session; its name identifies it.
        source: the clip, or the preset that is varied.
    """

    folder: Path
    source: Path

    @property
    def name(self) -> str:
        """Name in addresses."""
        return self.folder.name

    @property
    def title(self) -> str:
        """Name for people."""
        return self.source.stem

    @property
    def made(self) -> str:
        """When it was made, for people."""
        day, clock = self.name[:8], self.name[9:15]
        return f"{day[:4]}-{day[4:6]}-{day[6:]} {clock[:2]}:{clock[2:4]}"

    @property
    def kept(self) -> Path:
        """Folder of the presets that were kept by hand."""
        return self.folder / _KEPT

    def results(self) -> list[Path]:
        """Result folders, the newest first."""
        folders = [path for path in self.folder.glob(f"{_RESULTS}*") if path.is_dir()]
        return sorted(folders, key=_number, reverse=True)

    def new_results(self) -> Path:
        """A result folder that is not there yet."""
        numbers = [_number(path) for path in self.results()]
        return self.folder / (f"{_RESULTS}-{max(numbers) + 1}" if numbers else _RESULTS)

    def record(self) -> dict[str, Any] | None:
        """The newest result; None if there is none that can be read."""
        for folder in self.results():
            for path in sorted(folder.glob(f"*{RECORD_SUFFIX}")):
                try:
                    return read_record(path)
                except ReconstructError:
                    continue
        return None


class Sessions:
    """All sessions of a folder.

    Args:
        folder: where they are kept; made with the first one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __iter__(self) -> Iterator[SessionFiles]:
        """The sessions, the newest first."""
        names = sorted((path.name for path in self.folder.glob("*") if path.is_dir()), reverse=True)
        for name in names:
            found = self.find(name)
            if found is not None:
                yield found

    def find(self, name: str) -> SessionFiles | None:
        """The session with a name, or None. A name that leads out of the folder finds nothing."""
        if not _NAME.fullmatch(name):
            return None
        sources = [path for path in (self.folder / name / _CLIP).glob("*") if path.is_file()]
        return SessionFiles(self.folder / name, sources[0]) if len(sources) == 1 else None

    def add(self, file_name: str, content: bytes) -> SessionFiles:
        """Make a session of a clip or preset.

        Args:
            file_name: what the browser calls the file; only letters, digits and a few signs of it are kept.
            content: its bytes.

        Raises:
            FileError: if it cannot be written.
        """
        given = Path(file_name.replace("\\", "/")).name
        stem, suffix = Path(given).stem, Path(given).suffix
        stem = _UNSAFE.sub("_", stem).strip("._ ")[:_LONGEST_STEM].rstrip(". ") or "clip"
        suffix = suffix if re.fullmatch(r"\.\w+", suffix, re.ASCII) and len(suffix) <= _LONGEST_SUFFIX else ""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for number in range(1, 1000):
            folder = self.folder / (f"{stamp}-{stem}" if number == 1 else f"{stamp}-{number}-{stem}")
            try:
                (folder / _CLIP).mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise FileError(f"cannot write {folder}: {error.strerror or error}") from error
            source = folder / _CLIP / f"{stem}{suffix}"
            write_bytes(source, content)
            return SessionFiles(folder, source)
        raise FileError(f"too many sessions at {stamp}")


def _number(path: Path) -> int:
    """Number of a result folder; the first one has none in its name."""
    digits = path.name.removeprefix(_RESULTS).lstrip("-")
    return int(digits) if digits.isdecimal() else 1
