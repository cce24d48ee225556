"""Reading and writing audio files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from render.errors import FileError, InvalidAudio
from render.files import replacing
from render.note import SAMPLE_RATE

Audio = NDArray[np.float32]
"""Samples at ``SAMPLE_RATE``, shape ``(channels, samples)``."""


def read_audio(path: Path | str, *, max_seconds: float | None = None) -> tuple[Audio, int, float]:
    """Read anything that libsndfile reads.

    Args:
        path: the file.
        max_seconds: read no more than this from the start.

    Returns:
        The audio, shape ``(channels, samples)``; its sample rate in hertz; the length of the whole file in seconds.

    Raises:
        FileError: if the file is missing or cannot be opened.
        InvalidAudio: if it holds no audio, or samples that are not finite.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream, soundfile.SoundFile(stream) as file:
            rate = int(file.samplerate)
            frames = -1 if max_seconds is None else round(max_seconds * rate)
            audio = file.read(frames, dtype="float32", always_2d=True).T
            seconds = max(file.frames, audio.shape[1]) / rate
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    except soundfile.SoundFileError as error:
        raise InvalidAudio(f"{path.name} is not an audio file that can be read (WAV, FLAC, AIFF, OGG, MP3)") from error
    if audio.size == 0:
        raise InvalidAudio(f"{path.name} holds no audio")
    if not np.isfinite(audio).all():
        raise InvalidAudio(f"{path.name} holds samples that are not finite numbers")
    return np.ascontiguousarray(audio), rate, seconds


def write_wav(path: Path | str, audio: Audio, sample_rate: int = SAMPLE_RATE) -> None:
    """Write a WAV file of 32-bit floats, which holds any level without clipping.

    Args:
        path: the file; replaced as a whole.
        audio: shape ``(channels, samples)``.
        sample_rate: hertz.

    Raises:
        FileError: if it cannot be written.
    """
    with replacing(Path(path)) as temporary:
        try:
            soundfile.write(temporary, audio.T, sample_rate, subtype="FLOAT", format="WAV")
        except soundfile.SoundFileError as error:
            raise OSError(str(error)) from error


def audio_files(folder: Path) -> list[Path]:
    """The audio files in a folder, sorted."""
    suffixes = {".wav", ".flac", ".aif", ".aiff", ".ogg", ".mp3", ".w64", ".caf"}
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.is_file())
