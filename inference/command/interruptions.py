"""Ending politely: signals that ask the program to end become one exception."""

from __future__ import annotations

import _thread
import contextlib
import functools
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType

from render.hosts.processes import ENDING_SIGNALS

_SECONDS_TO_END = 3  # of processor time, where that is limited

_IMPORTER = "<frozen importlib._bootstrap>"
"""The file of the functions that import modules. An exception between two of their instructions may leave the lock of
all imports held, and then a thread that imports a module waits for ever."""

_LATER_SECONDS = 0.02


_held: list[bool] = []
_came: list[int] = []


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
def interruptions(*, at_end: bool = False) -> Iterator[list[int]]:
    """Raise ``Interrupted`` in the main thread for Ctrl-C, a closed terminal and polite requests to end.

    Signals that are ignored when the program starts stay ignored, as ``nohup`` wants it; but for Ctrl-C, which shells
    let their background jobs ignore.

    Args:
        at_end: whether the program ends afterwards: signals that come while it does change nothing any more.

    Yields:
        Numbers of the signals that came, in order; the list grows.
    """
    _came.clear()

    def handle(number: int, frame: FrameType | None) -> None:
        if not _held and frame is not None and frame.f_code.co_filename == _IMPORTER and _comes_again(number):
            return
        _came.append(number)
        if not _held:
            raise Interrupted(number)

    if threading.current_thread() is not threading.main_thread():
        yield _came
        return
    tell_others = sys.unraisablehook

    def tell(dropped: sys.UnraisableHookArgs) -> None:
        if not isinstance(dropped.exc_value, Interrupted):  # which raise_again() raises
            tell_others(dropped)

    handled = [n for n in ENDING_SIGNALS if n == signal.SIGINT or signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in handled}
    _leave_time_to_end()
    sys.unraisablehook = tell
    try:
        yield _came
    finally:
        with held_off():
            sys.unraisablehook = tell_others
            for number, handler in before.items():
                signal.signal(number, signal.SIG_IGN if at_end else handler)
        _came.clear()


def _comes_again(number: int) -> bool:
    """Have a signal come again a moment later; False if no thread can be started for that."""
    main = threading.main_thread().ident
    assert main is not None
    send = functools.partial(signal.pthread_kill, main) if hasattr(signal, "pthread_kill") else _thread.interrupt_main
    timer = threading.Timer(_LATER_SECONDS, send, (number,))
    timer.daemon = True
    with contextlib.suppress(RuntimeError):
        timer.start()
        return True
    return False


def _leave_time_to_end() -> None:
    """Have SIGXCPU come before a limit of processor time is reached: the end of that is SIGKILL."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if soft == hard != resource.RLIM_INFINITY and hard > 2 * _SECONDS_TO_END:
        resource.setrlimit(resource.RLIMIT_CPU, (hard - _SECONDS_TO_END, hard))


def raise_again() -> None:
    """Raise the ``Interrupted`` of a signal that came, as Python drops it in a destructor or a weak-reference callback.

    To be called now and then by work that goes on for long.
    """
    if _came and not _held:
        raise Interrupted(_came[0])


@contextlib.contextmanager
def held_off() -> Iterator[None]:
    """Only note the signals that come while something is done that must become whole; it should be short."""
    _held.append(True)
    try:
        yield
    finally:
        _held.pop()
