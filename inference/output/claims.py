"""Claims on the names of results: two commands that run at the same time never write the same files."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
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

_OTHER_FILES, _FEWEST_OTHERS = 200, 30  # that may be open beside the claims: pipes of workers, libraries
_TEMPORARY = r"\.[a-z0-9_]{8}\.part"  # after the stem, as ``tempfile`` and ``render.files`` make it


class Claims:
    """Locks on names of results, which the system releases however the program ends.

    A claim is a hidden file beside the results; it goes when the claims are closed.
    """

    def __init__(self) -> None:
        self._held: dict[Path, int] = {}

    def claim(self, folder: Path, stems: Sequence[str]) -> bool:
        """Claim the results of some stems, all or none, and remove the half-written files of killed runs.

        Args:
            folder: folder of the results; it is made when it is missing.
            stems: stems of their names.

        Returns:
            False if another program, or this one, has claimed one of them.

        Raises:
            FileError: if the folder cannot be written, or more files would be open than the system allows.
        """
        if fcntl is None:
            return True
        _allow_files(len(self._held) + len(stems))
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
        """Release claims, if there are any."""
        for stem in stems:
            path = folder / f".{stem}.lock"
            handle = self._held.pop(path, None)
            if handle is not None:
                with contextlib.suppress(OSError):
                    path.unlink()
                os.close(handle)

    def close(self) -> None:
        """Release all claims; closing twice is allowed."""
        for path in list(self._held):
            self.release(path.parent, [path.name[1 : -len(".lock")]])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _locked(path: Path) -> int | None:
    """A handle with a lock on the file at this path; None if another one has it, or it is not a claim."""
    assert fcntl is not None
    while True:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            if error.errno != errno.EMFILE and os.path.lexists(path):  # another user's, a link, a folder
                return None
            raise
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > 0:
            os.close(handle)
            return None
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


def _allow_files(n_claims: int) -> None:
    """Raise the limit of open files as far as needed, for some commands have thousands of results.

    Raises:
        FileError: if the system does not allow it.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= n_claims + _OTHER_FILES:
        return
    most = n_claims + _OTHER_FILES if hard == resource.RLIM_INFINITY else min(n_claims + _OTHER_FILES, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft < n_claims + _FEWEST_OTHERS:
        raise FileError(f"too many results for one command: {soft} files can be open at a time (ulimit -n)")


def _is_open(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
