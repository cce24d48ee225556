"""What a match leaves of its target: where in time and frequency, and the likely reason.

The picture is the log-mel difference that MSS averages (``docs/distance.md``), cut into regions that a musician
can name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.audio import Audio
from render.measures.distance import FLOOR_DB, stft_magnitudes
from render.note import SAMPLE_RATE

UNREACHABLE_DB = 4.0
"""MSS above which a match is called far: halfway between a good match and the nearest factory preset, which lies at a
median of 6 dB (``docs/results.md``)."""

_WINDOW = 2048
_BANDS_HZ = ((0.0, 200.0, "below 200 Hz"), (200.0, 1000.0, "200 Hz to 1 kHz"), (1000.0, 5000.0, "1 to 5 kHz"),
             (5000.0, 22050.0, "above 5 kHz"))  # fmt: skip
_ONSET_SECONDS = 0.08
_NOISE_FLATNESS = 0.3
"""Geometric over arithmetic mean of a band's power: white noise measures 0.56, a harmonic tone below 0.1."""

Grid = NDArray[np.float64]


@dataclass(frozen=True)
class Residual:
    """Where a match is furthest from its target.

    Attributes:
        band: of frequency.
        time: part of the sound.
        share: of the whole difference that lies there.
        missing_db: mean of target minus match there; positive where the match lacks sound.
        reason: the likely one.
    """

    band: str
    time: str
    share: float
    missing_db: float
    reason: str

    def sentence(self) -> str:
        """One line for a person."""
        what = "lacks" if self.missing_db > 0.0 else "has too much by"
        return (
            f"{self.share:.0%} of what is left lies {self.band}, {self.time}, where the match {what} "
            f"{abs(self.missing_db):.0f} dB: {self.reason}"
        )


def residual(target: Audio, match: Audio, gate_seconds: float) -> Residual:
    """The region that holds most of the difference.

    Args:
        target: shape ``(channels, samples)``.
        match: shape ``(channels, samples)``.
        gate_seconds: when the key was let go.
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
            (max(gate_seconds, _ONSET_SECONDS), np.inf, "after the key is let go"),
        ):
            cells = np.ix_((seconds >= begin) & (seconds < end), (hertz >= low) & (hertz < high))
            region = difference[cells]
            if region.size:
                share = float(np.abs(region).sum()) / total
                # A region counts for more than its size only; else the largest would always be named.
                excess = float(np.abs(region).mean()) * share
                reason = _reason(there[cells], here[cells], time)
                found.append((excess, Residual(band, time, share, float(region.mean()), reason)))
    return max(found, key=lambda pair: pair[0])[1]


def _reason(target: Grid, match: Grid, time: str) -> str:
    power = 10.0 ** (target / 10.0)
    flatness = float(np.exp(np.log(power).mean()) / power.mean())
    movement = float(np.abs(np.diff(target, axis=0)).mean()) if len(target) > 1 else 0.0
    calm = float(np.abs(np.diff(match, axis=0)).mean()) if len(match) > 1 else 0.0
    if "let go" in time:
        return "a tail of another shape (a room, an echo, or a release) than the synth's effects make"
    if flatness > _NOISE_FLATNESS:
        return "noise whose colour the synth's noise through one filter does not have"
    if movement > 1.5 * calm + 1.0:
        return "partials that move on their own (several notes, beating, a sampled instrument)"
    if "attack" in time:
        return "a transient (a pluck, a hammer, a breath) that one envelope does not draw"
    return "partials in another balance (a formant, a body, a bell) than two oscillators and one filter give"


def _decibels(audio: Audio) -> Grid:
    """Mono spectrogram in dB, floored below its loudest cell, shape ``(frames, bins)``."""
    magnitudes = stft_magnitudes(audio.mean(axis=0, keepdims=True), _WINDOW)[0].astype(np.float64)
    level: Grid = 20.0 * np.log10(np.maximum(magnitudes, magnitudes.max() * 10.0 ** (-FLOOR_DB / 20.0) + 1e-12))
    return level
