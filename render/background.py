"""Slow work in threads: libraries that are loaded while others compute, and work that signals must not wait for."""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

_APART, _LOOK_SECONDS = "apart", 0.5  # name of the threads of apart(); time between two looks for signals


def begin_loading(name: str) -> None:
    """Load a library in a thread, so that it is there when it is needed.

    If it cannot be loaded, whoever imports it gets the error.
    """
    threading.Thread(target=_load, args=(name,), name=f"loading {name}").start()


def _load(name: str) -> None:
    with contextlib.suppress(Exception):
        importlib.import_module(name)


def apart(work: Callable[[], T]) -> T:
    """Do work in a thread of its own and wait for it, so that a signal ends the waiting at once.

    In the main thread the exception of a signal's handler is dropped if it comes while Python runs a destructor, and a
    compiler runs many of them. The thread goes on when the waiting was ended, but keeps no program from its end.
    """
    result, done = Future[T](), threading.Event()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)
        done.set()

    threading.Thread(target=run, name=_APART, daemon=True).start()
    while not done.wait(_LOOK_SECONDS):  # a signal that came just before it does not end a wait
        pass
    return result.result()


def is_apart() -> bool:
    """Whether a thread goes on whose waiting was ended. What it calls may not survive the end of Python."""
    return any(thread.name == _APART for thread in threading.enumerate())
