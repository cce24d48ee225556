"""The library that a run starts from: the one that comes with the project, opened once a process.

Where that one does not fit, because the table or the prior has changed since, the host renders its own, kept in the
user's cache folder.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable

from render.data.library import DEFAULT_PLAN, Library, open_library, shipped_library
from render.files import cache_folder
from render.hosts.open import open_host
from render.hosts.protocol import HostInfo

PLAN = DEFAULT_PLAN

LibraryOpener = Callable[[HostInfo], Library]
"""Gives the library of a host; the first call may render it."""


def library_opener(where: str, workers: int, progress: Callable[[int, int], None]) -> LibraryOpener:
    """An opener of the library that comes with the project, or of one that is made and kept.

    Args:
        where: of ``open_host``.
        workers: processes to render a missing library with.
        progress: called with the patches that are ready and their number.
    """

    @functools.cache
    def opener(host: HostInfo) -> Library:
        shipped = shipped_library() if PLAN == DEFAULT_PLAN else None
        if shipped is not None:
            return shipped
        identity = hashlib.sha256(repr((host, PLAN)).encode()).hexdigest()[:16]
        path = cache_folder() / f"library-{identity}.npz"
        make_host = functools.partial(open_host, where)
        return open_library(path, host, make_host, plan=PLAN, workers=workers, progress=progress)

    return opener
