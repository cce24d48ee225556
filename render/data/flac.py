"""One render as a 16-bit FLAC file, scaled to its peak."""

from __future__ import annotations

import io

import numpy as np
import soundfile

from render.audio import Audio
from render.note import SAMPLE_RATE

LARGEST_SAMPLE = 32767


def encode(audio: Audio) -> tuple[bytes, float]:
    """The content of a FLAC file, and the gain that restores the level.

    Args:
        audio: sound to encode, not silent. Two equal channels become one.

    Shape:
        audio: ``(2, samples)``.
    """
    if np.array_equal(audio[0], audio[-1]):
        audio = audio[:1]
    gain = float(np.abs(audio).max())
    samples = np.round(audio.T * (LARGEST_SAMPLE / gain)).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue(), gain


def decode(flac: bytes, gain: float) -> Audio:
    """The audio of a FLAC file.

    Args:
        flac: content of the file.
        gain: factor that its samples are multiplied with.

    Shape:
        Returns: ``(channels, samples)``.

    Raises:
        soundfile.SoundFileError: if the content is damaged.
    """
    samples, _ = soundfile.read(io.BytesIO(flac), dtype="int16", always_2d=True)
    return np.ascontiguousarray(samples.T * np.float32(gain / LARGEST_SAMPLE), np.float32)
