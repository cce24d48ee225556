"""A host of three knobs in numpy: a sine whose loudness, harmonics and decay are the patch's."""

from __future__ import annotations

import numpy as np

from render.audio import Audio
from render.errors import HostError
from render.instruments.host import HostInfo
from render.instruments.patch import Patch
from render.note import SAMPLE_RATE, Note

KNOBS = ("volume", "cutoff", "ampdecay")
"""The rows of the table that this host knows."""


class FakeHost:
    """Deterministic: ``seed`` only sets the level of a little noise; a fast render adds a tail of the one before."""

    def __init__(self) -> None:
        self._last = 0.0
        self._closed = False

    @property
    def info(self) -> HostInfo:
        return HostInfo("fake", "three knobs", "1")

    def render(self, patch: Patch, note: Note, *, seed: int = 0, clean: bool = True) -> Audio:
        if self._closed:
            raise HostError("the host is closed")
        volume, cutoff, decay = (patch[name] for name in KNOBS)
        seconds = np.arange(note.n_samples) / SAMPLE_RATE
        phase = 2.0 * np.pi * note.frequency_hz * seconds
        tone = np.sin(phase) + cutoff * np.sin(2.0 * phase) + cutoff**2 * np.sin(3.0 * phase)
        noise = np.random.default_rng(seed).standard_normal(note.n_samples)
        envelope = np.exp(-seconds / (0.05 + decay)) * (seconds < note.gate_seconds)
        mono = volume * note.velocity / 127.0 * envelope * (0.3 * tone + 1e-4 * noise)
        if not clean:
            mono += self._last * np.exp(-seconds / 0.01)
        self._last = float(mono[-1])
        return np.stack([mono, mono]).astype(np.float32)

    def close(self) -> None:
        self._closed = True
