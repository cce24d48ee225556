"""Audio files whose header was never finished: a recorder that crashed, or a program that wrote to a pipe.

Such a header states 0 samples, or an impossible number of them, although samples follow, and libsndfile accepts the 0.
Here the length is corrected in a copy of the file's first bytes; the file itself is not changed. Of WAV files that were
joined together, which libsndfile refuses, the first is read.
"""

from __future__ import annotations

import contextlib
import io
import struct
from typing import BinaryIO

_HEAD_BYTES = 1 << 16
"""Number of bytes at the beginning of a file in which its header is searched for."""
_CHUNK = 8  # bytes of a RIFF or AIFF chunk's name and size
_LARGEST = 0xFFFFFFFF


class FinishedFile(io.RawIOBase):
    """A seekable file, read through a finished header.

    It has no name, so libsndfile recognises the format by the content alone, and no method of it raises on a position
    that a hostile header made up, which libsndfile's callbacks could not report.

    Args:
        stream: the file, seekable.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        head = stream.read(_HEAD_BYTES)
        self._size = _size_of_first(stream, head, size)
        self._head = finished_header(head, self._size)[: self._size]
        self._position = 0

    @property
    def size(self) -> int:
        """Bytes of the file that are read."""
        return self._size

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position; one before the start is the start."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer as far as the file reaches; what the system refuses to read is the end of the file."""
        filled = min(max(len(self._head) - self._position, 0), len(buffer))
        buffer[:filled] = self._head[self._position : self._position + filled]
        wanted = min(len(buffer), self._size - self._position) - filled
        if wanted > 0:
            with contextlib.suppress(OSError):
                self._stream.seek(self._position + filled)
                rest = self._stream.read(wanted)
                buffer[filled : filled + len(rest)] = rest
                filled += len(rest)
        self._position += filled
        return filled


def _size_of_first(stream: BinaryIO, head: bytes, size: int) -> int:
    """Bytes of the first of several WAV files that were joined together, or of the whole file."""
    if head[:4] != b"RIFF" or len(head) < _CHUNK:
        return size
    end = _CHUNK + int.from_bytes(head[4:8], "little")
    if end >= size:
        return size
    stream.seek(end)
    return end if stream.read(4) == b"RIFF" else size


def finished_header(head: bytes, size: int) -> bytes:
    """The first bytes of an audio file, with lengths where the header has none yet.

    WAV, RF64, AIFF, AU and CAF are known; the bytes of other files, and of finished ones, are returned unchanged.

    Args:
        head: the first bytes of the file.
        size: bytes of the whole file.
    """
    finish = _FINISHERS.get(head[:4])
    if finish is None:
        return head
    finished = bytearray(head)
    try:
        finish(finished, size)
    except struct.error:  # cut inside the header
        return head
    return bytes(finished)


def _chunks(head: bytearray, order: str) -> dict[bytes, int]:
    """Positions of the chunks in the head, by name; a chunk of unknown length is the last."""
    found: dict[bytes, int] = {}
    position = 12
    while position + _CHUNK <= len(head):
        name, length = struct.unpack_from(f"{order}4sI", head, position)
        found.setdefault(name, position)
        if length in (0, _LARGEST) and name in (b"data", b"SSND"):
            break
        position += _CHUNK + length + length % 2
    return found


def _wav(head: bytearray, size: int) -> None:
    order = ">" if head[:4] == b"RIFX" else "<"
    chunks = _chunks(head, order)
    if head[8:12] != b"WAVE" or b"data" not in chunks:
        return
    data = chunks[b"data"]
    (length,) = struct.unpack_from(f"{order}I", head, data + 4)
    if head[:4] == b"RF64" and b"ds64" in chunks:
        (long_length,) = struct.unpack_from("<Q", head, chunks[b"ds64"] + 16)
        if long_length != 0:
            return
        head[:4] = b"RIFF"
        head[chunks[b"ds64"] : chunks[b"ds64"] + 4] = b"JUNK"
    elif length != 0 or _is_chain(head, data + _CHUNK, size, order):
        return
    struct.pack_into(f"{order}I", head, data + 4, min(size - data - _CHUNK, _LARGEST))


def _is_chain(head: bytearray, position: int, size: int, order: str) -> bool:
    """Whether only chunks follow up to the end of the file: then the data are really empty."""
    while position + _CHUNK <= len(head):
        name, length = struct.unpack_from(f"{order}4sI", head, position)
        if not name.isascii() or not name.decode().isprintable():
            return False
        position += _CHUNK + length + length % 2
    return size - 1 <= position <= size + 1


def _aiff(head: bytearray, size: int) -> None:
    chunks = _chunks(head, ">")
    if bytes(head[8:12]) not in (b"AIFF", b"AIFC") or not {b"COMM", b"SSND"} <= chunks.keys():
        return
    frames, sound = chunks[b"COMM"] + 10, chunks[b"SSND"]
    if struct.unpack_from(">I", head, frames)[0] == 0 and size > sound + 2 * _CHUNK:
        struct.pack_into(">I", head, frames, _LARGEST)
        struct.pack_into(">I", head, sound + 4, _LARGEST)


def _au(head: bytearray, size: int) -> None:
    offset, length = struct.unpack_from(">II", head, 4)
    if length == 0 and size > offset:
        struct.pack_into(">I", head, 8, _LARGEST)


def _caf(head: bytearray, size: int) -> None:
    position = 8
    while position + 12 <= len(head):
        name, length = struct.unpack_from(">4sq", head, position)
        if name == b"data":
            if length <= 0:
                struct.pack_into(">q", head, position + 4, size - position - 12)
            return
        if length < 0:
            return
        position += 12 + length


_FINISHERS = {b"RIFF": _wav, b"RIFX": _wav, b"RF64": _wav, b"FORM": _aiff, b".snd": _au, b"caff": _caf}
