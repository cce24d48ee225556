"""A Dask cluster, for work that is shared with other machines."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from render.errors import HostError, ReconstructError

_SECONDS_TO_CONNECT = 10.0


@contextlib.contextmanager
def dask_client(address: str) -> Iterator[Any]:
    """A client of a scheduler, closed at the end.

    Args:
        address: address of the scheduler.

    Raises:
        ReconstructError: if the package is missing.
        HostError: if no scheduler answers.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise ReconstructError("--scheduler needs the package 'distributed' (pip install distributed)") from error
    try:
        client = distributed.Client(address, timeout=_SECONDS_TO_CONNECT)
    except (OSError, ValueError) as error:
        raise HostError(f"no Dask scheduler answers at {address!r}: {error}") from error
    with client:
        yield client
