"""The library that a run starts from: the one that comes with the instrument, opened once in a process.

If that one does not fit, because the table or the prior has changed, the host renders a smaller one, which is stored in
the user's cache folder.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable

from render.data.library import DEFAULT_PLAN, Library, Plan, open_library, read_library
from render.files import cache_folder
from render.instruments.host import Host, HostInfo
from render.instruments.instrument import Instrument

MADE_PLAN = Plan(draws=(2000, 7000, 2000))
"""What is made where the library that comes with the instrument does not fit: a few minutes' worth of renders."""

LibraryOpener = Callable[[HostInfo], Library | None]
"""Returns the library for a host, or None if the instrument has none; the first call may render it."""


def library_opener(
    instrument: Instrument,
    make_host: Callable[[], Host],
    *,
    workers: int,
    progress: Callable[[int, int], None],
    plan: Plan = DEFAULT_PLAN,
) -> LibraryOpener:
    """An opener of the library that comes with the instrument, or of one that is made and cached.

    Args:
        instrument: instrument whose library is wanted.
        make_host: opens the host that renders a missing library.
        workers: number of processes that render a missing library.
        progress: called with the number of patches that are ready and the number wanted.
        plan: what the library is made of; a library of another than the default plan is always made.
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
        made = MADE_PLAN if plan == DEFAULT_PLAN else plan
        identity = hashlib.sha256(repr((instrument.name, host, made)).encode()).hexdigest()[:16]
        path = cache_folder() / f"library-{identity}.npz"
        return open_library(
            path, instrument.table, prior, host, make_host, plan=made, workers=workers, progress=progress
        )

    return opener
