"""Claims on the names of results: two commands that run at the same time never write the same files."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Self

from render.errors import FileError

try:
    import fcntl as _fcntl

    fcntl: ModuleType | None = _fcntl
except ImportError:  # Windows, where nothing is claimed
    fcntl = None

_TEMPORARY = r"\.[a-z0-9_]{8}\.part"  # after the stem, as ``tempfile`` and ``render.files`` make it


class Claims:
    """Locks on names of results, which the system takes away again however the program ends.

    A claim is a hidden file beside the results; it goes when the claims are closed.
    """

    def __init__(self) -> None:
        self._held: dict[Path, int] = {}

    def claim(self, folder: Path, stems: Sequence[str]) -> bool:
        """Claim the results of some stems, all or none, and remove what a killed run left half-written of them.

        Args:
            folder: folder of the results; it is made when it is missing.
            stems: stems of their names.

        Returns:
            False if another program, or this one, has claimed one of them.

        Raises:
            FileError: if the folder cannot be written.
        """
        if fcntl is None:
            return True
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for number, stem in enumerate(stems):
                handle = _locked(folder / f".{stem}.lock")
                if handle is None:
                    self.release(folder, stems[:number])
                    return False
                self._held[folder / f".{stem}.lock"] = handle
            left = re.compile(rf"\.(?:{'|'.join(map(re.escape, stems))}){_TEMPORARY}")
            for entry in folder.iterdir():
                if left.fullmatch(entry.name):
                    shutil.rmtree(entry, ignore_errors=True)
        except OSError as error:
            raise FileError(f"cannot write in {folder}: {error.strerror or error}") from error
        return True

    def release(self, folder: Path, stems: Sequence[str]) -> None:
        """Give claims up, where there are any."""
        for stem in stems:
            path = folder / f".{stem}.lock"
            handle = self._held.pop(path, None)
            if handle is not None:
                with contextlib.suppress(OSError):
                    path.unlink()
                os.close(handle)

    def close(self) -> None:
        """Give all claims up; closing twice is allowed."""
        for path in list(self._held):
            self.release(path.parent, [path.name[1 : -len(".lock")]])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _locked(path: Path) -> int | None:
    """A handle with a lock on a file that is at this path; None if another one has it."""
    assert fcntl is not None
    while True:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
        except PermissionError:
            if path.exists():  # another user's
                return None
            raise
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError:  # a file system without locks
            return handle
        if _is_open(handle, path):
            return handle
        os.close(handle)  # its owner has removed it meanwhile


def _is_open(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
