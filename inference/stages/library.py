"""The library that a run starts from: the one that comes with the instrument, opened once a process.

Where that one does not fit, because the table or the prior has changed since, the host renders its own, kept in the
user's cache folder.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable

from render.data.library import DEFAULT_PLAN, Library, Plan, open_library, read_library
from render.files import cache_folder
from render.instruments.host import Host, HostInfo
from render.instruments.instrument import Instrument

LibraryOpener = Callable[[HostInfo], Library | None]
"""Gives the library for a host, or None if the instrument has none; the first call may render it."""


def library_opener(
    instrument: Instrument,
    make_host: Callable[[], Host],
    *,
    workers: int,
    progress: Callable[[int, int], None],
    plan: Plan = DEFAULT_PLAN,
) -> LibraryOpener:
    """An opener of the library that comes with the instrument, or of one that is made and kept.

    Args:
        instrument: whose library is wanted.
        make_host: opens the host that renders a missing library.
        workers: processes to render a missing library with.
        progress: called with the patches that are ready and their number.
        plan: what a library that is made is made of; another one than the default never comes with the instrument.
    """

    @functools.cache
    def opener(host: HostInfo) -> Library | None:
        prior = instrument.prior
        if prior is None:
            return None
        shipped = None
        if instrument.library is not None and plan == DEFAULT_PLAN:
            shipped = read_library(instrument.library, instrument.table, prior, plan)
        if shipped is not None:
            return shipped
        identity = hashlib.sha256(repr((instrument.name, host, plan)).encode()).hexdigest()[:16]
        path = cache_folder() / f"library-{identity}.npz"
        return open_library(
            path, instrument.table, prior, host, make_host, plan=plan, workers=workers, progress=progress
        )

    return opener
