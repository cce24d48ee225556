"""Ending politely: signals that ask the program to end become one exception."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from types import FrameType

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))


_held: list[bool] = []


class Interrupted(KeyboardInterrupt):
    """Somebody asked the program to end.

    Attributes:
        signal: the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = number

    @staticmethod
    def exit_code_of(came: Sequence[int]) -> int:
        """What a shell reports for a program that a signal ended: 130 for Ctrl-C.

        Args:
            came: numbers of the signals; none for a Ctrl-C that nobody handled.
        """
        return 128 + (came[0] if came else signal.SIGINT)


@contextlib.contextmanager
def interruptions() -> Iterator[list[int]]:
    """Raise ``Interrupted`` in the main thread for Ctrl-C, a closed terminal and polite requests to end.

    Yields:
        Numbers of the signals that came, in order; the list grows.
    """
    came: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if not _held:
            raise Interrupted(number)

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def held_off() -> Iterator[None]:
    """Only note the signals that come while something is done that must become whole; it should be short."""
    _held.append(True)
    try:
        yield
    finally:
        _held.pop()
