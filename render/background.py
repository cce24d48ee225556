"""Loading slow libraries while others compute."""

from __future__ import annotations

import contextlib
import importlib
import threading


def begin_loading(name: str) -> None:
    """Load a library in a thread, so that it is there when it is needed.

    If it cannot be loaded, whoever imports it gets the error.
    """
    threading.Thread(target=_load, args=(name,), name=f"loading {name}").start()


def _load(name: str) -> None:
    with contextlib.suppress(Exception):
        importlib.import_module(name)
