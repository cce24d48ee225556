"""Makes the three example clips with numpy and scipy alone: none of them was rendered by NoiseMaker.

Run ``python examples/make.py`` in the project's root to make them again; the result is the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

SAMPLE_RATE = 44100

Signal = NDArray[np.float64]


def saw(frequency_hz: float, seconds: float, phase: float = 0.0) -> Signal:
    """A band-limited saw by its harmonics, shape ``(samples,)``."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = np.zeros_like(time)
    for harmonic in range(1, int(0.45 * SAMPLE_RATE / frequency_hz) + 1):
        wave += np.sin(2.0 * np.pi * harmonic * (frequency_hz * time + phase)) / harmonic
    return wave / np.pi


def envelope(seconds: float, attack: float, decay: float, sustain: float, hold: float, release: float) -> Signal:
    """Linear attack, exponential decay and release (time constants in seconds), shape ``(samples,)``."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    level = np.where(time < attack, time / attack, sustain + (1.0 - sustain) * np.exp(-(time - attack) / decay))
    at_release = np.interp(hold, time, level)
    return np.where(time < hold, level, at_release * np.exp(-(time - hold) / release))


def swept_lowpass(signal: Signal, cutoff_hz: Signal, block: int = 64) -> Signal:
    """A 12 dB low-pass whose cutoff changes every ``block`` samples; both shape ``(samples,)``."""
    state = np.zeros((1, 2))
    blocks = []
    for start in range(0, len(signal), block):
        sos = butter(2, min(cutoff_hz[start], 0.45 * SAMPLE_RATE), fs=SAMPLE_RATE, output="sos")
        filtered, state = sosfilt(sos, signal[start : start + block], zi=state)
        blocks.append(filtered)
    return np.concatenate(blocks)


def bass() -> Signal:
    """A short, round bass note, A1."""
    seconds = 1.5
    tone = saw(55.0, seconds) + 0.6 * saw(55.0 * 1.004, seconds, 0.3)
    cutoff = 180.0 + 1600.0 * envelope(seconds, 0.002, 0.16, 0.1, 1.0, 0.05)
    return swept_lowpass(tone, cutoff) * envelope(seconds, 0.003, 0.5, 0.6, 1.0, 0.04)


def pluck() -> Signal:
    """A bright pluck that dies away, C5."""
    seconds = 1.2
    tone = saw(523.25, seconds)
    cutoff = 300.0 + 7000.0 * envelope(seconds, 0.001, 0.09, 0.0, 1.2, 0.1)
    return swept_lowpass(tone, cutoff) * envelope(seconds, 0.001, 0.25, 0.0, 1.2, 0.1)


def pad() -> Signal:
    """A slow pad of three detuned saws, A3."""
    seconds = 3.0
    tone = saw(220.0, seconds) + saw(220.0 * 1.006, seconds, 0.2) + saw(220.0 / 1.005, seconds, 0.7)
    cutoff = 400.0 + 1500.0 * envelope(seconds, 1.2, 2.0, 0.7, 2.2, 0.3)
    return swept_lowpass(tone, cutoff) * envelope(seconds, 0.6, 2.0, 0.8, 2.2, 0.25)


CLIPS: dict[str, Callable[[], Signal]] = {"bass": bass, "pluck": pluck, "pad": pad}


if __name__ == "__main__":
    for name, make in CLIPS.items():
        clip = make()
        path = Path(__file__).parent / f"{name}.wav"
        soundfile.write(path, 0.7 * clip / np.abs(clip).max(), SAMPLE_RATE, subtype="PCM_16")
