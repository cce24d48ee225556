"""Note estimators by name: the product's own, and other packages with the product's vote over their frames."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.clip.pitch import estimate_note, levels, vote
from inference.clip.swipe import Frames
from render.note import SAMPLE_RATE

Mono = NDArray[np.float32]
Estimator = Callable[[Mono], float | None]
"""Function from a clip to a fractional MIDI note number, or None."""
FrameEstimator = Callable[[Mono], tuple[Frames, Frames, Frames]]
"""Function from a clip to the times in seconds, frequencies in Hz and strengths of its frames."""


def _voted(frames: FrameEstimator) -> Estimator:
    def estimate(mono: Mono) -> float | None:
        seconds, frequencies_hz, strengths = (np.asarray(part, dtype=np.float64) for part in frames(mono))
        return vote(frequencies_hz, strengths, levels(mono.astype(np.float64), SAMPLE_RATE, seconds))[0]

    return estimate


def _resampled(mono: Mono, rate: int) -> Mono:
    from scipy.signal import resample_poly

    common = np.gcd(rate, SAMPLE_RATE)
    result: Mono = resample_poly(mono, rate // common, SAMPLE_RATE // common).astype(np.float32)
    return result


def _torch() -> Any:
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    return torch


def _own() -> Estimator:
    def estimate(mono: Mono) -> float | None:
        found = estimate_note(mono, SAMPLE_RATE)
        return None if found.note is None else found.note + found.cents / 100.0

    return estimate


def _libf0() -> Estimator:
    libf0 = importlib.import_module("libf0")

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        frequencies_hz, seconds, strengths = libf0.swipe(_resampled(mono, 22050), Fs=22050, F_min=20.0, F_max=4000.0)
        return seconds, frequencies_hz, strengths

    return _voted(frames)


def _librosa_yin() -> Estimator:
    librosa = importlib.import_module("librosa")

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        found = librosa.yin(mono, fmin=20.0, fmax=4200.0, sr=SAMPLE_RATE, frame_length=8192, hop_length=1024)
        return np.arange(len(found)) * 1024 / SAMPLE_RATE, found, np.ones(len(found))

    return _voted(frames)


def _librosa_pyin() -> Estimator:
    librosa = importlib.import_module("librosa")

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        found, voiced, probability = librosa.pyin(
            mono,
            fmin=20.0,
            fmax=4200.0,
            sr=SAMPLE_RATE,
            frame_length=8192,
            hop_length=1024,
            resolution=0.2,
            fill_na=None,
        )
        # Unvoiced frames only count if there are no voiced ones.
        return np.arange(len(found)) * 1024 / SAMPLE_RATE, found, np.where(voiced, probability, 0.01 * probability)

    return _voted(frames)


def _swift() -> Estimator:
    swift = importlib.import_module("swift_f0").SwiftF0(threads=1, spin=False)

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        found = swift.detect(_resampled(mono, 16000), 16000)
        return found.timestamps, found.pitch_hz, found.confidence

    return _voted(frames)


def _pesto() -> Estimator:
    torch = _torch()
    model = importlib.import_module("pesto").load_model("mir-1k_g7", 10.0, sampling_rate=SAMPLE_RATE).eval()

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        with torch.inference_mode():
            found, strengths, *_ = model(torch.from_numpy(mono)[None], convert_to_freq=True, return_activations=True)
        return np.arange(found.shape[1]) * 0.01, found[0].numpy(), strengths[0].numpy()

    return _voted(frames)


def _crepe(size: str) -> Estimator:
    torch = _torch()
    crepe = importlib.import_module("torchcrepe")

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        clip = torch.from_numpy(_resampled(mono, 16000))[None]
        decoder = crepe.decode.weighted_argmax
        found, strengths = crepe.predict(
            clip, 16000, 320, 32.7, 2006.0, size, batch_size=256, device="cpu", return_periodicity=True, decoder=decoder
        )
        return np.arange(found.shape[1]) * 0.02, found[0].numpy(), strengths[0].numpy()

    return _voted(frames)


def _torchaudio() -> Estimator:
    torch = _torch()
    detect = importlib.import_module("torchaudio").functional.detect_pitch_frequency

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        found: Frames = detect(torch.from_numpy(mono)[None], SAMPLE_RATE, freq_low=20, freq_high=4000)[0].numpy()
        return np.arange(len(found), dtype=np.float64) * 0.01, found, np.ones(len(found))

    return _voted(frames)


def _praat() -> Estimator:
    parselmouth = importlib.import_module("parselmouth")

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        pitch = parselmouth.Sound(mono.astype(np.float64), SAMPLE_RATE).to_pitch_ac(
            time_step=0.01, pitch_floor=20.0, pitch_ceiling=4000.0
        )
        found = pitch.selected_array
        return np.asarray(pitch.xs()), np.asarray(found["frequency"]), np.asarray(found["strength"])

    return _voted(frames)


def _harvest() -> Estimator:
    pyworld = importlib.import_module("pyworld")

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        found, seconds = pyworld.harvest(
            mono.astype(np.float64), SAMPLE_RATE, f0_floor=20.0, f0_ceil=4000.0, frame_period=10.0
        )
        return seconds, found, np.ones(len(found))

    return _voted(frames)


ESTIMATORS: dict[str, Callable[[], Estimator]] = {
    "estimate_note": _own,
    "libf0 swipe": _libf0,
    "librosa yin": _librosa_yin,
    "librosa pyin": _librosa_pyin,
    "swift-f0": _swift,
    "pesto": _pesto,
    "torchcrepe tiny": lambda: _crepe("tiny"),
    "torchcrepe full": lambda: _crepe("full"),
    "torchaudio": _torchaudio,
    "praat": _praat,
    "harvest": _harvest,
}
"""Functions that make the estimators by name, and raise ``ImportError`` if their package is missing."""

SLOW = frozenset({"torchcrepe full"})
"""Estimators that run only if they are named: five seconds per clip."""
