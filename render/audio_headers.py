"""Audio files whose header was never finished: a recorder that crashed, or a program that wrote to a pipe.

Such a header states 0 samples, or an impossible number of them, although samples follow, and libsndfile accepts the 0.
Here the length is corrected in a copy of the file's first bytes; the file itself is not changed. Of WAV files that were
joined together, which libsndfile refuses, the first is read, and an MPEG stream (MP3) that was cut out of a longer one
is read from its first whole frame on.
"""

from __future__ import annotations

import contextlib
import io
import struct
from typing import BinaryIO

_HEAD_BYTES = 1 << 16
"""Number of bytes at the beginning of a file in which its header is searched for."""
_SEARCHED_BYTES, _FRAMES_IN_A_ROW = 1 << 20, 4  # for the first frame of a stream, which so many others must follow
_TIMES_LONGER = 64  # than it is may a stream seem; the largest frame has 60 times the bytes of the smallest
_TAG_BYTES = 128  # at the end of a stream, which mpg123 looks at before it reads
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
        self._position = self._begin = 0
        self._bytes = self._size

    @property
    def size(self) -> int:
        """Bytes of the file that are read."""
        return self._bytes

    @property
    def begin(self) -> int:
        """Bytes that are left out at the beginning."""
        return self._begin

    def begin_with_frame(self) -> bool:
        """Leave out what is before the first whole frame of an MPEG stream; False if the file is none.

        The first frame is not the one that states the length, and libsndfile would read no more than it concludes from
        the size of the file and of one frame. So the file seems far longer than it is, up to where a tag would be.
        """
        self._stream.seek(0)
        begin = first_frame(self._stream.read(_SEARCHED_BYTES))
        if begin is None:
            return False
        self._begin, self._head, self._position = begin, b"", 0
        self._bytes = self._size - begin
        self._size = self._bytes * _TIMES_LONGER
        return True

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
        wanted = min(len(buffer), self._bytes - self._position) - filled
        if self._bytes < self._size and self._position >= self._size - _TAG_BYTES:
            filled = min(len(buffer), self._size - self._position)
            buffer[:filled] = bytes(filled)
        elif wanted > 0:
            with contextlib.suppress(OSError):
                self._stream.seek(self._begin + self._position + filled)
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


def first_frame(data: bytes) -> int | None:
    """Position of the first frame of an MPEG audio stream; None where no frames follow each other.

    Args:
        data: the first bytes of the stream, which may begin inside a frame.
    """
    begin = data.find(b"\xff")
    while begin >= 0:
        position, kind = begin, data[begin + 1 : begin + 2]
        for _ in range(_FRAMES_IN_A_ROW):
            n_bytes = _frame_bytes(data[position : position + 4])
            if not n_bytes or data[position + 1 : position + 2] != kind:
                break
            position += n_bytes
        else:
            return begin
        begin = data.find(b"\xff", begin + 1)
    return None


_KILOBITS = {  # of each frame's header, by version and layer; ISO 11172-3 and 13818-3
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES = (44100, 48000, 32000)


def _frame_bytes(header: bytes) -> int:
    """Bytes of the MPEG audio frame with this header of four bytes; 0 if it is no header."""
    if len(header) < 4 or header[0] != 0xFF or header[1] < 0xE0:
        return 0
    version, layer = (header[1] >> 3) & 3, 4 - ((header[1] >> 1) & 3)
    kilobits, rate, padding = header[2] >> 4, (header[2] >> 2) & 3, (header[2] >> 1) & 1
    if version == 1 or layer == 4 or kilobits in (0, 15) or rate == 3:
        return 0
    hertz = _MPEG_RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    bits = 1000 * _KILOBITS[1 if version == 3 else 2, layer][kilobits - 1]
    if layer == 1:
        return (12 * bits // hertz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // hertz + padding
