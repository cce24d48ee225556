"""Suppression of the output that native libraries print to the user's terminal."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Iterator

_lock = threading.Lock()
_kept: list[tuple[int, int]] = []  # standard streams, and where they went before
_depth = 0


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Discard what is written to the standard streams of the process, mainly by C libraries.

    The streams belong to the whole process: output of other threads is discarded too, and threads that use this at the
    same time share the suppression until the last of them leaves. It should therefore be short, and nothing that
    prints, waits for a person or starts processes should run at the same time.
    """
    global _depth
    with _lock:
        if _depth == 0:
            _kept[:] = _silence()
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _flush_native()
                for stream, copy in _kept:
                    os.dup2(copy, stream)
                    os.close(copy)
                _kept.clear()


def _silence() -> list[tuple[int, int]]:
    """Redirect the open streams to the null device; returns them with copies of the originals."""
    for text in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, missing, or a pipe that nobody reads
            text.flush()
    _flush_native()
    kept = []
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        with contextlib.suppress(OSError):
            kept.append((stream, os.dup(stream)))
            os.dup2(nowhere, stream)
    if nowhere > 2:
        os.close(nowhere)
    return kept


def _flush_native() -> None:
    """Flush the buffers of the C library, whose content would otherwise appear later."""
    with contextlib.suppress(Exception):
        (ctypes.cdll.ucrtbase if sys.platform == "win32" else ctypes.CDLL(None)).fflush(None)
