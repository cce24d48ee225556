"""The errors that the packages raise.

All of them are subclasses of ``ValueError``. Each message is one line that names the thing, the value and what is
allowed; the command line prints that line and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable


class ReconstructError(ValueError):
    """Base class of errors that a user can correct."""


class UnknownName(ReconstructError):
    """A parameter, choice, method or stage that does not exist."""

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}; known: {', '.join(known)}")


class OutOfRange(ReconstructError):
    """A value that is outside of the allowed range, or not a finite number."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{name} is {value!r}; allowed: {allowed}")


class PresetError(ReconstructError):
    """A file that is not a preset of the instrument, or is damaged."""


class InvalidAudio(ReconstructError):
    """Audio that cannot be used: unreadable, empty, silent, not finite or of the wrong shape."""


class HostError(ReconstructError):
    """A host that cannot be opened, or a render that failed."""


class DeviceError(ReconstructError):
    """A device that cannot be used for training: too old, out of memory, or no longer there."""


class FileError(ReconstructError):
    """A file or folder that cannot be read or written."""


class FormatError(ReconstructError):
    """A stored file (library, data set, weights) with a different schema or table."""


def one_line(error: BaseException) -> str:
    """An error as one line; the type is named except for this project's errors and the system's."""
    text = str(error).partition("\n")[0]
    return text if isinstance(error, (ValueError, OSError)) and text else f"{type(error).__name__}: {text}"
