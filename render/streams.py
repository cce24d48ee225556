"""Standard streams that are closed, full, of another encoding, or no longer read by anybody."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

from render.errors import FileError


class _Guarded:
    """A wrapper of a text stream that handles errors of writing.

    Args:
        stream: the stream.
        what: name of the stream in the error for text that cannot be written; None to drop such text.
    """

    def __init__(self, stream: TextIO, what: str | None) -> None:
        self._stream, self._what = stream, what
        self._broken = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write; characters that the encoding lacks are escaped; raises ``FileError``."""
        if not self._broken:
            try:
                try:
                    self._stream.write(text)
                except UnicodeEncodeError as error:
                    self._stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
            except OSError as error:
                self._fail(error)
        return len(text)

    def flush(self) -> None:
        """Have everything written; raises ``FileError``."""
        if not self._broken:
            try:
                self._stream.flush()
            except OSError as error:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._broken = True
        with contextlib.suppress(OSError, ValueError):  # or else Python complains when it writes the rest at its end
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        if self._what is not None:
            raise FileError(f"cannot write to {self._what}: {error.strerror or error}")


@contextlib.contextmanager
def guarded_streams() -> Iterator[None]:
    """Let a program continue whatever the state of its standard streams is.

    Text that cannot be written to standard error is dropped, because results are worth more. Standard output is the
    requested result, so a failure to write it raises ``FileError``. Closed streams are replaced by the null device;
    otherwise a result or a pipe would get their file descriptor and receive what libraries print.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    before = sys.stdout, sys.stderr
    streams = [one or open(os.devnull, "w", encoding="utf-8") for one in before]  # noqa: SIM115
    sys.stdout = cast("TextIO", _Guarded(streams[0], "standard output"))
    sys.stderr = cast("TextIO", _Guarded(streams[1], None))
    try:
        yield
    finally:
        sys.stderr.flush()
        with contextlib.suppress(FileError):
            sys.stdout.flush()
        sys.stdout, sys.stderr = before
