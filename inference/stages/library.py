"""The library that a run starts from: the one that comes with the instrument, opened once in a process.

If that one does not fit, because the table or the prior has changed, the host renders a smaller one, which is stored in
the user's cache folder.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable

from render.data.library import Draws, Library, read_library
from render.files import cache_folder
from render.instruments.host import Host, HostInfo
from render.instruments.instrument import Instrument

MOST_DRAWS = 7000
"""Most draws at a note of a library that is rendered on the user's machine, which takes some minutes."""

LibraryOpener = Callable[[HostInfo], Library | None]
"""Returns the library for a host, or None if the instrument has none; the first call may render it."""


def library_opener(
    instrument: Instrument,
    make_host: Callable[[], Host],
    *,
    workers: int,
    progress: Callable[[int, int], None],
    draws: Draws | None = None,
) -> LibraryOpener:
    """An opener of the library that comes with the instrument, or of one that is made and cached.

    Args:
        instrument: instrument whose library is wanted.
        make_host: opens the host that renders a missing library.
        workers: number of processes that render a missing library.
        progress: called with the number of renders that are done and their number.
        draws: what the library is made of, which is then always made; None for the library that comes with the
            instrument.
    """

    @functools.cache
    def opener(host: HostInfo) -> Library | None:
        prior = instrument.prior
        if prior is None:
            return None
        if instrument.library is not None and draws is None:
            shipped = read_library(instrument.library, instrument.table, prior)
            if shipped is not None:
                return shipped
        from render.data.library_making import open_library

        made = draws or {number: min(count, MOST_DRAWS) for number, count in instrument.library_draws.items()}
        identity = hashlib.sha256(repr((instrument.name, host, sorted(made.items()))).encode()).hexdigest()[:16]
        path = cache_folder() / f"library-{identity}.npz"
        return open_library(
            path, instrument.table, prior, host, make_host, draws=made, workers=workers, progress=progress
        )

    return opener
