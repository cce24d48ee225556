"""Audio files as a sequence of blocks, which are checked as they are read."""

from __future__ import annotations

import numpy as np
import soundfile
from numpy.typing import NDArray

from render.errors import InvalidAudio

Frames = NDArray[np.float32]
"""Samples of a block, shape ``(frames, channels)``."""

LOWEST_RATE, HIGHEST_RATE = 4_000, 768_000
"""Sample rates that are read, in hertz."""
MAX_CHANNELS = 64

BLOCK_SAMPLES = 1 << 18
"""Number of samples of a block, all channels together: 1 MiB."""


class Blocks(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is only read forward: after each block soundfile seeks, which fails where the length is unknown."""

    def seekable(self) -> bool:
        """Never."""
        return False


class Source:
    """The blocks of an open file, checked as they are read."""

    def __init__(self, file: Blocks, name: str) -> None:
        self._file, self._name = file, name
        self.rate, self.channels = int(file.samplerate), int(file.channels)
        if not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            raise InvalidAudio(
                f"{name} has a sample rate of {self.rate} Hz; allowed: {LOWEST_RATE} to {HIGHEST_RATE} Hz"
            )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise InvalidAudio(f"{name} has {self.channels} channels; allowed: 1 to {MAX_CHANNELS}")
        self.position = self._skipped = 0  # frames
        self.ended = self.damaged = False
        self._n_bad, self._first_bad = 0, 0

    def read(self, n_frames: int) -> Frames:
        """The next block, shape ``(frames, channels)``; a shorter one is the last."""
        block: Frames = np.zeros((n_frames, self.channels), np.float32)
        try:
            block = self._file.read(out=block)
            self.ended = len(block) < n_frames
        except soundfile.SoundFileError:  # what could be decoded is in the block, and zeros follow
            self.ended = self.damaged = True
            block = block[: int(np.flatnonzero(block.any(axis=1))[-1]) + 1 if block.any() else 0]
            if self.position + len(block) == 0:
                raise
        finite = np.isfinite(block)
        if not finite.all():
            if self._n_bad == 0:
                self._first_bad = self.position + int(np.argmin(finite.all(axis=1)))
            self._n_bad += int(np.count_nonzero(~finite))
        self.position += len(block)
        return block

    def skip(self, seconds: float) -> None:
        """Leave out the beginning of the file, of which nothing may be left then."""
        wanted = round(seconds * self.rate)
        while self.position < wanted and not self.ended:
            self.read(min(BLOCK_SAMPLES // self.channels, wanted - self.position))
        self._skipped = self.position
        self._n_bad = 0

    def check(self) -> None:
        """Reject a file without samples after the skipped ones, or with some that are not finite: ``InvalidAudio``."""
        if self.position == 0:
            raise InvalidAudio(f"{self._name} holds no audio")
        if self.position == self._skipped:
            raise InvalidAudio(f"{self._name} has only {self.position / self.rate:.2f} s; nothing is left of it")
        if self._n_bad:
            raise InvalidAudio(
                f"{self._name} holds {self._n_bad} samples that are not finite numbers, the first at "
                f"{self._first_bad / self.rate:.3f} s (sample {self._first_bad})"
            )
