"""Sounds that tests write into files: float32, at ``SAMPLE_RATE`` unless another rate is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from render.note import SAMPLE_RATE


def times(seconds: float, rate: int = SAMPLE_RATE) -> np.ndarray:
    return np.arange(round(seconds * rate)) / rate


def pluck(hertz: float = 110.0, seconds: float = 1.0, decay: float = 3.0, rate: int = SAMPLE_RATE) -> np.ndarray:
    """Eight harmonics, peak about 0.7, that decay by ``decay`` nepers a second and are cut off at the end."""
    time = times(seconds, rate)
    wave = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 9) if k * hertz < 0.45 * rate)
    return (0.4 * wave * np.exp(-decay * time)).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def hiss(seconds: float, level_db: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE))
    return (10.0 ** (level_db / 20.0) * noise).astype(np.float32)


def hum(seconds: float, level_db: float, hertz: float = 50.0) -> np.ndarray:
    time = times(seconds)
    wave = np.sin(2 * np.pi * hertz * time + 1.0) + 0.5 * np.sin(6 * np.pi * hertz * time)
    return (10.0 ** (level_db / 20.0) * np.sqrt(2.0) * wave).astype(np.float32)


def joined(*pieces: np.ndarray) -> np.ndarray:
    return np.concatenate(pieces)


def write(path: Path, audio: np.ndarray, rate: int = SAMPLE_RATE, subtype: str = "FLOAT") -> Path:
    """Shapes ``(samples,)`` or ``(channels, samples)``."""
    soundfile.write(path, audio.T, rate, subtype=subtype)
    return path
