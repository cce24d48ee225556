"""Reading and writing audio files."""

from __future__ import annotations

import contextlib
import functools
import io
import math
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from render.audio_headers import FinishedFile
from render.audio_source import BLOCK_SAMPLES, Blocks, Source
from render.errors import FileError, InvalidAudio
from render.files import write_bytes
from render.note import SAMPLE_RATE
from render.silence import silenced

Audio = NDArray[np.float32]
"""Samples at ``SAMPLE_RATE``, shape ``(channels, samples)``."""

MAX_SAMPLES = 1 << 26
"""Largest number of samples that are held, of all channels together: 256 MiB, 12 minutes of stereo at 44.1 kHz."""

_MAX_PIPE_BYTES, _PIPE_BLOCK_BYTES = 1 << 27, 1 << 20  # kept of a stream that cannot seek, and read at a time
_FRAMES_PER_BYTE = 4096  # a length in a header is not believed where a byte would hold more; coded silence has 1000
_MISSED_SECONDS = 0.1  # a file that is shorter than its header says by more than this is damaged
_SILENCE = 1e-7  # of full scale: below the smallest step of 24 bits
_OTHER_SUFFIXES = {
    "AIFF": "aif aifc",
    "AU": "snd",
    "IRCAM": "sf",
    "MP3": "mp2 mp1 mpga",
    "MAT5": "mat",
    "NIST": "sph",
    "OGG": "oga opus",
    "SVX": "8svx 16sv iff",
    "WAV": "wave bwf",
}
"""Suffixes of audio files beside the names of libsndfile's formats."""
_FIRST_BYTES = re.compile(
    rb"(?:RIFF|RIFX|RF64)....WAVE|FORM....(?:AIF[FC]|8SVX)|fLaC|OggS|ID3|caff|\.snd|riff\x2e\x91\xcf\x11", re.DOTALL
)
_FRAMES_BEYOND = 2048  # at the lower rate: longer than the filter of libsoxr
_QUALITY = "VHQ"  # of libsoxr: within 0.001 dB up to 0.8 of the band and 0.006 dB up to 0.9, aliases below -150 dB


@dataclass(frozen=True)
class Recording:
    """An audio file, or the part of it that was read.

    Attributes:
        audio: shape ``(channels, samples)``, at the file's rate or resampled, as requested.
        rate: the file's sample rate in hertz.
        seconds: length of the whole file; None if its header does not state it and its end was not reached.
        skipped_seconds: length of the silence that was left out before ``audio``.
        ended: whether ``audio`` reaches to the end of the readable part.
        damaged: whether the file cannot be read beyond ``audio``, although more should follow.
        lost_bytes: bytes at the beginning of a stream that was cut inside a frame, which cannot be read.
    """

    audio: Audio
    rate: int
    seconds: float | None
    skipped_seconds: float = 0.0
    ended: bool = True
    damaged: bool = False
    lost_bytes: int = 0


def read_audio(path: Path | str, *, max_seconds: float | None = None) -> tuple[Audio, int, float]:
    """Read anything that libsndfile reads, at the file's own sample rate.

    Example:
        >>> import tempfile
        >>> clip = Path(tempfile.mkdtemp()) / "clip.wav"
        >>> write_wav(clip, np.full((2, 22050), 0.5, np.float32))
        >>> audio, rate, seconds = read_audio(clip, max_seconds=0.1)
        >>> audio.shape, rate, seconds
        ((2, 4410), 44100, 0.5)

    Args:
        path: file to read; pipes and files whose header was never finished are read as far as they reach.
        max_seconds: read no more than this from the start.

    Returns:
        The audio, shape ``(channels, samples)``; its sample rate in hertz; the length in seconds of the whole file, or
        of the part that was read if the file does not state it.

    Raises:
        FileError: if the file is missing or cannot be opened.
        InvalidAudio: if it holds no audio, samples that are not finite, a rate or a number of channels
            that ``render.audio_source`` does not allow, or more than ``MAX_SAMPLES`` without ``max_seconds``.
    """
    recording = read_recording(path, max_seconds=max_seconds, max_samples=MAX_SAMPLES)
    if max_seconds is None and not recording.ended:
        raise InvalidAudio(
            f"{Path(path).name} holds more than {MAX_SAMPLES} samples; allowed: fewer, or a part of it (max_seconds)"
        )
    read_seconds = recording.audio.shape[1] / recording.rate
    return recording.audio, recording.rate, read_seconds if recording.seconds is None else recording.seconds


def read_recording(
    path: Path | str,
    *,
    begin_seconds: float = 0.0,
    max_seconds: float | None = None,
    max_samples: int = MAX_SAMPLES,
    skip_silence: bool = False,
    resample: bool = False,
) -> Recording:
    """Read an audio file block by block, and no more of it than requested.

    Args:
        path: file, pipe or device to read. At most 128 MiB are read of a stream that cannot seek.
        begin_seconds: where to begin; the part before it counts towards ``Recording.skipped_seconds``.
        max_seconds: largest length to read, in seconds of the file, including silence that is left out.
        max_samples: largest number of samples to hold, of all channels together.
        skip_silence: leave out whole blocks of silence before the first sound; they do not count as held.
        resample: convert to ``SAMPLE_RATE``.

    Raises:
        FileError: if the file is missing or cannot be opened.
        InvalidAudio: as in ``read_audio``, but for the length; also if the file ends before ``begin_seconds``.
    """
    path = Path(path)
    try:
        with _seekable(path) as stream:
            finished = FinishedFile(stream)
            with silenced(), _opened(finished) as file:  # libraries print what they think of damaged files
                source = Source(file, path.name)
                known = file.frames <= finished.size * _FRAMES_PER_BYTE and not finished.begin
                believed = file.frames if known else None
                source.skip(begin_seconds)
                recording = _read(source, believed, max_seconds, max_samples, skip=skip_silence, resample=resample)
                return replace(recording, lost_bytes=finished.begin)
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    except soundfile.SoundFileError as error:
        raise InvalidAudio(f"{path.name} is not an audio file that can be read (WAV, FLAC, AIFF, OGG, MP3)") from error


def write_wav(path: Path | str, audio: Audio, sample_rate: int = SAMPLE_RATE) -> None:
    """Write a WAV file of 32-bit floats, which holds any level without clipping.

    Args:
        path: the file; replaced as a whole.
        audio: shape ``(channels, samples)``.
        sample_rate: hertz.

    Raises:
        FileError: if it cannot be written.
    """
    content = io.BytesIO()  # libsndfile does not take every name that the file system does
    soundfile.write(content, audio.T, sample_rate, subtype="FLOAT", format="WAV")
    write_bytes(Path(path), content.getbuffer())


def rms(audio: Audio) -> float:
    """Root mean square of all samples of all channels, 0 if there are none; ``audio`` has any shape."""
    return math.sqrt(float(np.square(audio, dtype=np.float64).mean())) if audio.size else 0.0


def audio_files(folder: Path | str) -> list[Path]:
    """The audio files of a folder, not of the folders in it, sorted by name.

    A file counts if libsndfile opens it, whatever its name is, or if it has the suffix and the first bytes of an audio
    file, so that damaged files are reported when they are read. Hidden files, the files that macOS creates beside
    others (``._pluck.wav``), headerless ``.raw`` data, pipes and broken links do not count.

    Raises:
        FileError: if the folder cannot be listed.
    """
    try:
        inside = sorted(Path(folder).iterdir())
    except OSError as error:
        raise FileError(f"cannot read the folder {folder}: {error.strerror or error}") from error
    return [path for path in inside if not path.name.startswith(".") and path.is_file() and _is_audio(path)]


def _opened(finished: FinishedFile) -> Blocks:
    """The audio file; raises ``soundfile.SoundFileError``."""
    try:
        return Blocks(finished)
    except soundfile.SoundFileError:
        if not finished.begin_with_frame():
            raise
        return Blocks(finished)


def _is_audio(path: Path) -> bool:
    named = path.suffix.lower() in _suffixes()
    try:
        with path.open("rb") as stream:
            begins = _FIRST_BYTES.match(stream.read(16)) is not None
            if not named and not begins:
                return False
            with silenced(), _opened(FinishedFile(stream)):
                return True
    except OSError:
        return False
    except soundfile.SoundFileError:
        return named and begins


@functools.cache
def _suffixes() -> frozenset[str]:
    """Suffixes of the formats that libsndfile reads, except for data without a header."""
    formats = soundfile.available_formats().keys() - {"RAW"}
    names = {name.lower() for name in formats}.union(*(_OTHER_SUFFIXES.get(name, "").split() for name in formats))
    return frozenset(f".{name}" for name in names)


@contextlib.contextmanager
def _seekable(path: Path) -> Iterator[BinaryIO]:
    """The file, or a copy of a pipe's content."""
    with path.open("rb") as stream:
        if stream.seekable():
            yield stream
            return
        with tempfile.TemporaryFile() as copy:
            while copy.tell() < _MAX_PIPE_BYTES and (data := stream.read(_PIPE_BLOCK_BYTES)):
                copy.write(data)
            yield copy


def _read(
    source: Source, n_frames: int | None, max_seconds: float | None, max_samples: int, *, skip: bool, resample: bool
) -> Recording:
    """Read from an open file; ``n_frames`` is its length according to its header, None if that is implausible."""
    rate, channels = source.rate, source.channels
    rate_out = SAMPLE_RATE if resample else rate
    limit = max_samples * rate // (channels * rate_out)
    stop = math.inf if max_seconds is None else source.position + max(1, round(max_seconds * rate))
    convert = soxr.ResampleStream(rate, rate_out, channels, "float32", _QUALITY) if rate_out != rate else None
    beyond, beyond_out = _frames_beyond(rate, rate_out)
    held: list[Audio] = []
    last = np.zeros((1, channels), np.float32)
    skipped = source.position
    while not source.ended and (left := min(limit + skipped, stop) - source.position) > 0:
        block = source.read(min(BLOCK_SAMPLES // channels, int(left)))
        if skip and not held and np.abs(block).max(initial=0.0) <= _SILENCE:
            skipped = source.position
            continue
        if convert is None:
            held.append(block)
        elif len(block):
            if not held:
                held.append(convert.resample_chunk(block[:1].repeat(beyond, axis=0)))
            held.append(convert.resample_chunk(block))
            last = block[-1:].copy()
    source.check()
    if convert is not None and held:
        held.append(convert.resample_chunk(last.repeat(beyond, axis=0), last=True))
    ended = source.ended or source.position == n_frames
    audio = np.concatenate(held) if held else np.zeros((0, channels), np.float32)
    if convert is not None:
        audio = audio[beyond_out : len(audio) - beyond_out]
    return Recording(
        audio=np.ascontiguousarray(audio.T),
        rate=rate,
        seconds=source.position / rate if ended else None if n_frames is None else n_frames / rate,
        skipped_seconds=skipped / rate,
        ended=ended,
        damaged=source.damaged or (source.ended and source.position + _MISSED_SECONDS * rate < (n_frames or 0)),
    )


def _frames_beyond(rate: int, rate_out: int) -> tuple[int, int]:
    """Frames for which the first and the last one go on beyond the ends of what is resampled, before and after it.

    If silence followed at once, a constant offset would begin and end with a click.
    """
    common = math.gcd(rate, rate_out)
    repeats = -(-_FRAMES_BEYOND * common // min(rate, rate_out))
    return repeats * rate // common, repeats * rate_out // common
