"""Where in time and frequency a match differs most from its target, and the likely reason.

The difference of the spectrograms in dB is divided into regions that a musician can name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.audio import Audio
from render.measures.distance import FLOOR_DB, stft_magnitudes
from render.note import SAMPLE_RATE

UNREACHABLE_DB = 4.0
"""MSS above which a match counts as far from the clip: halfway between a good match and the closest factory preset, at
a median of 6 dB (``docs/results.md``)."""

_WINDOW = 2048
_BANDS_HZ = ((0.0, 200.0, "below 200 Hz"), (200.0, 1000.0, "from 200 Hz to 1 kHz"), (1000.0, 5000.0, "from 1 to 5 kHz"),
             (5000.0, 22050.0, "above 5 kHz"))  # fmt: skip
_ONSET_SECONDS = 0.08
_NOISE_FLATNESS = 0.3
"""Geometric over arithmetic mean of the power: 0.56 for white noise, below 0.1 for a harmonic tone."""

Grid = NDArray[np.float64]


@dataclass(frozen=True)
class Residual:
    """The region in which a match differs most from its target.

    Attributes:
        band: frequency band, in words.
        time: part of the sound, in words.
        share: share of the whole difference.
        missing_db: mean of target minus match in dB; positive if the match is too quiet.
        reason: likely reason.
    """

    band: str
    time: str
    share: float
    missing_db: float
    reason: str

    def sentence(self) -> str:
        """One sentence for the user."""
        level = "quiet" if self.missing_db > 0.0 else "loud"
        return (
            f"{self.share:.0%} of the difference lies {self.band}, {self.time}, where the match is "
            f"{abs(self.missing_db):.0f} dB too {level}; likely reason: {self.reason}"
        )


def residual(target: Audio, match: Audio, gate_seconds: float) -> Residual:
    """The region with most of the difference.

    Args:
        target: audio of the clip.
        match: audio of the match.
        gate_seconds: time of the release.

    Shape:
        target: ``(channels, samples)``.
        match: ``(channels, samples)``.
    """
    n_samples = min(target.shape[1], match.shape[1])
    there, here = _decibels(target[:, :n_samples]), _decibels(match[:, :n_samples])
    difference = there - here
    total = max(float(np.abs(difference).sum()), 1e-9)
    hertz = np.arange(difference.shape[1]) * SAMPLE_RATE / _WINDOW
    seconds = np.arange(difference.shape[0]) * (_WINDOW // 2) / SAMPLE_RATE
    found = []
    for low, high, band in _BANDS_HZ:
        for begin, end, time in (
            (0.0, _ONSET_SECONDS, "in the attack"),
            (_ONSET_SECONDS, gate_seconds, "while the key is held"),
            (max(gate_seconds, _ONSET_SECONDS), np.inf, "after the release"),
        ):
            cells = np.ix_((seconds >= begin) & (seconds < end), (hertz >= low) & (hertz < high))
            region = difference[cells]
            if region.size:
                share = float(np.abs(region).sum()) / total
                # Weighted by the mean difference, or the largest region would always be named.
                excess = float(np.abs(region).mean()) * share
                reason = _reason(there[cells], here[cells], time)
                found.append((excess, Residual(band, time, share, float(region.mean()), reason)))
    return max(found, key=lambda pair: pair[0])[1]


def _reason(target: Grid, match: Grid, time: str) -> str:
    power = 10.0 ** (target / 10.0)
    flatness = float(np.exp(np.log(power).mean()) / power.mean())
    movement = float(np.abs(np.diff(target, axis=0)).mean()) if len(target) > 1 else 0.0
    calm = float(np.abs(np.diff(match, axis=0)).mean()) if len(match) > 1 else 0.0
    if "release" in time:
        return "a tail (a room, an echo, or a release) that the synth's effects cannot make"
    if flatness > _NOISE_FLATNESS:
        return "noise of a colour that one noise generator with one filter cannot make"
    if movement > 1.5 * calm + 1.0:
        return "partials that move independently (several notes, beating, a sampled instrument)"
    if "attack" in time:
        return "a transient (a pluck, a hammer, a breath) that one envelope cannot make"
    return "a balance of partials (a formant, a body, a bell) that two oscillators and one filter cannot make"


def _decibels(audio: Audio) -> Grid:
    """Mono spectrogram in dB, floored below its loudest cell, shape ``(frames, bins)``."""
    magnitudes = stft_magnitudes(audio.mean(axis=0, keepdims=True), _WINDOW)[0].astype(np.float64)
    level: Grid = 20.0 * np.log10(np.maximum(magnitudes, magnitudes.max() * 10.0 ** (-FLOOR_DB / 20.0) + 1e-12))
    return level
