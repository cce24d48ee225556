"""The errors that the packages raise.

All of them are subclasses of ``ValueError``. Each message is one line that names the thing, the value and what is
allowed; the command line prints that line and nothing else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}  # what follows is shown in another direction


class ReconstructError(ValueError):
    """Base class of errors that a user can correct; its text is one line, whatever a name in it contains."""

    def __init__(self, text: str = "") -> None:
        super().__init__(printable(text))


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
    text, kind = printable(str(error).partition("\n")[0]), type(error).__name__
    if isinstance(error, (ValueError, OSError)) and text:
        return text
    return f"{kind}: {text}" if text else kind


def printable(text: str) -> str:
    r"""A text as one line that can be printed and written everywhere.

    Control characters, line breaks, and marks that turn the direction of a text are escaped, as are bytes of a file
    name that are not UTF-8, so that two names that differ look different.

    >>> print(printable("caf\udce9\n.wav"))
    caf\xe9\n.wav
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte, as ``os.fsdecode`` represents it
        return f"\\x{ord(character) - 0xDC00:x}"
    hidden = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
    if hidden or unicodedata.bidirectional(character) in _TURNING:
        return character.encode("unicode_escape").decode("ascii")
    return character
