"""Atomic writing of files: a reader never sees a half-written one."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from render.errors import FileError, FormatError, printable


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of ``path`` that replaces it when the block ends without an error.

    Args:
        path: the file to write. Its folder is made when it is missing.

    Raises:
        FileError: if the folder cannot be made, or the file cannot be written or moved.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing_together(folder: Path, name: str = "") -> Iterator[Callable[[Path], Path]]:
    """Write several files that are moved into place together when the block ends without an error, or not at all.

    Args:
        folder: folder of the files; it is made when it is missing.
        name: beginning of the temporary folder's name; a program that is killed leaves that folder behind.

    Yields:
        A function from a file's path, which must lie in the folder, to the temporary path to write to. The files are
        moved into place in the order in which the function was called.

    Raises:
        FileError: if the folder cannot be made, or a file cannot be written or moved.
    """
    temporary: Path | None = None
    moves: dict[Path, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".part", dir=folder))

        def place(path: Path) -> Path:
            assert temporary is not None
            return moves.setdefault(path, temporary / path.name)

        yield place
        for written in moves.values():
            os.chmod(written, 0o666 & ~_umask())
        for path, written in moves.items():
            os.replace(written, path)
    except OSError as error:
        raise FileError(f"cannot write in {folder}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def read_start(path: Path, n_bytes: int) -> bytes:
    """The first bytes of a file, a pipe or a device; raises ``FileError``."""
    try:
        with path.open("rb") as stream:
            return stream.read(n_bytes)
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error


def read_text(path: Path) -> str:
    """The content of a text file in UTF-8.

    Raises:
        FileError: if it cannot be read, or is a pipe or a device, on which a program could wait forever.
        UnicodeDecodeError: if it is not UTF-8.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise FileError(f"cannot read {path}: it is not a regular file")
            return stream.read().decode("utf-8")
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error


def parse_json(text: str) -> Any:
    """The value of a JSON text; raises ``ValueError``, also if it is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_json(path: Path, schema: str | int, wrong: str) -> dict[str, Any]:
    """The content of a JSON file that this project wrote.

    Args:
        path: the file.
        schema: expected value of its ``schema``.
        wrong: description of a file that is not JSON, for the message, such as ``not a result``.

    Raises:
        FileError: if the file cannot be read.
        FormatError: if it is not JSON, or has another schema.
    """
    try:
        content = parse_json(read_text(path))
    except FileError:
        raise
    except ValueError as error:
        raise FormatError(f"{path} is {wrong}: {error}") from error
    found = content.get("schema") if isinstance(content, dict) else None
    if found != schema:
        raise FormatError(f"{path} has schema {found!r}; allowed: {schema!r}")
    return content  # type: ignore[no-any-return]


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # which opens a pipe that nobody writes to at once


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file, completely or not at all; raises ``FileError``."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_csv(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """Write a table, its head first, as a CSV file that replaces another one as a whole; raises ``FileError``."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    write_text(path, stream.getvalue())


def write_text(path: Path, content: str) -> None:
    """Write a text file as UTF-8, completely or not at all; raises ``FileError``."""
    write_bytes(path, content.encode("utf-8"))


def cache_folder() -> Path:
    """The user's cache folder of this project, by the platform's convention; it need not exist."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(home_folder() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(home_folder() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(home_folder() / ".cache")
    return Path(base) / "synth-reconstruct"


def data_folder() -> Path:
    """The user's data folder of this project, by the platform's convention; it need not exist."""
    if sys.platform in ("win32", "darwin"):
        support = home_folder() / "Library" / "Application Support"
        return support / "synth-reconstruct" if sys.platform == "darwin" else cache_folder()
    return Path(os.environ.get("XDG_DATA_HOME") or home_folder() / ".local" / "share") / "synth-reconstruct"


def home_folder() -> Path:
    """The user's home; for a user without one (no ``HOME``, unknown to the system) a path that cannot exist."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.devnull)


def display_name(path: Path | str) -> str:
    """A path as one line that can be printed and written everywhere; see ``printable``."""
    return printable(os.fsencode(path).decode("utf-8", "surrogateescape"))


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
