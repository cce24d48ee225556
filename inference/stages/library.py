"""The library that a run starts from: the one that comes with the instrument, opened once in a process.

If that one does not fit, because the table or the prior has changed, the host renders another one, which is stored in
the user's cache folder.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable

from render.data.library import Library, Plan, open_library, read_library
from render.files import cache_folder
from render.instruments.host import Host, HostInfo
from render.instruments.instrument import Instrument

LibraryOpener = Callable[[HostInfo], Library | None]
"""Returns the library for a host, or None if the instrument has none; the first call may render it."""


def library_opener(
    instrument: Instrument,
    make_host: Callable[[], Host],
    *,
    workers: int,
    progress: Callable[[int, int], None],
    plan: Plan | None = None,
) -> LibraryOpener:
    """An opener of the library that comes with the instrument, or of one that is made and cached.

    Args:
        instrument: instrument whose library is wanted.
        make_host: opens the host that renders a missing library.
        workers: number of processes that render a missing library.
        progress: called with the number of patches that are ready and the number wanted.
        plan: size and notes of the library; one of another plan than the instrument's own is always made.
    """
    usual = Plan(instrument.library_size, instrument.library_notes)
    wanted = plan or usual

    @functools.cache
    def opener(host: HostInfo) -> Library | None:
        prior = instrument.prior
        if prior is None:
            return None
        shipped = None
        if instrument.library is not None and wanted == usual:
            shipped = read_library(instrument.library, instrument.table, prior, wanted)
        if shipped is not None:
            return shipped
        identity = hashlib.sha256(repr((instrument.name, host, wanted)).encode()).hexdigest()[:16]
        path = cache_folder() / f"library-{identity}.npz"
        return open_library(
            path, instrument.table, prior, host, make_host, plan=wanted, workers=workers, progress=progress
        )

    return opener
