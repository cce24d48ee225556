"""The note of a clip that holds a single note.

The pitch of every frame is estimated, and one vote is taken over the frames. The result is a *sounding* pitch: an
oscillator may be tuned to an interval from the pressed key, so the key is known only up to the synth's coarse tuning
and transposition, which the search sets.
"""

from __future__ import annotations

import numbers
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from inference.clip.swipe import HOP, RATE, Frames, swipe
from render.errors import InvalidAudio

MIN_CONFIDENCE = 0.06
"""With it 11 of the 166 golden factory presets that have a pitch are unpitched, 9 of which had a wrong answer, and 7 of
the 10 whose oscillators are off or noise. White, pink and brown noise of 0.3 s or more stays below it (32 draws of
each, 0.3 to 4 s: 0.055 at most); the noise of a shorter clip can pass."""

_QUIET_DB = 40.0  # frames this far below the loudest have no vote
_WINDOW_SECONDS = 0.046  # over which a frame's level is taken
_VOTE_SEMITONES = 0.5  # frames this close to each other agree


@dataclass(frozen=True, slots=True)
class PitchEstimate:
    """A sounding pitch.

    Attributes:
        note: MIDI note number closest to the pitch; None if there is no clear pitch.
        frequency_hz: the pitch; None with ``note``.
        confidence: 0 to 1: how saw-like the agreeing frames are times their share of the sound. A steady saw has about
            0.7, noise less than ``MIN_CONFIDENCE``.
        cents: from ``note`` to the pitch, -50 to 50; 0 with no note.
    """

    note: int | None
    frequency_hz: float | None
    confidence: float
    cents: float


def estimate_note(audio: NDArray[np.float32], sample_rate: int) -> PitchEstimate:
    """Estimate the note of a clip.

    On golden renders of the real plug-in (``python -m benchmarks pitch``) it is within a semitone of a pitch that the
    patch lets sound in 76 % of the 117 musical patches at notes 33 to 84 and 80 % of 166 factory presets; 6 and 8 % are
    wrong by octaves only, 10 and 5 % otherwise, and 8 and 7 % are called unpitched. Without noise, pitch modulation,
    sync, FM and ring modulation it is 93 and 96 %. The pitch class is that of the pressed key in 68 and 78 %. Where a
    sounding pitch is found it is mostly the key's, or an octave or two below it, which a clip cannot distinguish. Two
    oscillators an interval apart may give their common fundamental. Synthetic saws are within 5 cents up to 1.3 kHz,
    15 up to 2.6 kHz and 60 up to ``HIGHEST_HZ``.

    Example:
        >>> saw = np.float32(220.0 * np.arange(22050) / 44100.0 % 1.0 - 0.5)
        >>> estimate = estimate_note(saw, 44100)
        >>> estimate.note, abs(estimate.cents) < 5.0
        (57, True)

    Args:
        audio: mono, shape ``(samples,)``.
        sample_rate: sample rate in hertz.

    Raises:
        InvalidAudio: for the wrong shape, no samples, nothing but zeros, values that are not finite, or no sample rate.
    """
    _check(audio, sample_rate)
    scaled = audio.astype(np.float64) / float(np.abs(audio).max())
    resampled = soxr.resample(scaled, sample_rate, RATE)
    frequencies_hz, strengths = swipe(resampled)
    seconds = np.asarray(np.arange(len(strengths)) * (HOP / RATE), np.float64)
    pitch, confidence = vote(frequencies_hz, strengths, levels(resampled, RATE, seconds))
    if pitch is None or confidence < MIN_CONFIDENCE:
        return PitchEstimate(None, None, confidence, 0.0)
    note = round(pitch)
    return PitchEstimate(note, 440.0 * 2.0 ** ((pitch - 69.0) / 12.0), confidence, 100.0 * (pitch - note))


def vote(frequencies_hz: Frames, strengths: Frames, frame_levels: Frames) -> tuple[float | None, float]:
    """The pitch on which most of the sound agrees.

    A frame's vote weighs its level times its strength. The half-semitone neighbourhood with the most weight wins, and
    its weighted median is the pitch. The outcome hardly depends on these choices: other windows, powers of level and
    strength and a skipped attack move the accuracy on golden renders by 1 to 2 %.

    Args:
        frequencies_hz: shape ``(frames,)``; 0 or NaN where there is none.
        strengths: shape ``(frames,)``, 0 to 1; NaN counts as 0.
        frame_levels: shape ``(frames,)``, RMS.

    Returns:
        The pitch as a MIDI note number with a fraction, or None if no frame has a say; the winner's strength times its
        share of the level, 0 to 1.
    """
    frequencies_hz, strengths = np.nan_to_num(frequencies_hz), np.clip(np.nan_to_num(strengths), 0.0, 1.0)
    heard = (frequencies_hz > 0.0) & (frame_levels > frame_levels.max(initial=0.0) * 10.0 ** (-_QUIET_DB / 20.0))
    if not (strengths[heard] > 0.0).any():
        return None, 0.0
    pitches = 69.0 + 12.0 * np.log2(frequencies_hz[heard] / 440.0)
    order = np.argsort(pitches, kind="stable")
    pitches = pitches[order]
    weights = (strengths * frame_levels)[heard][order]
    summed = np.concatenate(([0.0], np.cumsum(weights)))  # (heard + 1,)
    first = np.searchsorted(pitches, pitches - _VOTE_SEMITONES, "left")
    last = np.searchsorted(pitches, pitches + _VOTE_SEMITONES, "right")
    winner = int(np.argmax(summed[last] - summed[first]))
    agreeing = slice(first[winner], last[winner])
    running = np.cumsum(weights[agreeing])
    median = float(pitches[agreeing][np.searchsorted(running, 0.5 * running[-1])])
    return median, float(running[-1] / frame_levels[heard].sum())


def levels(audio: Frames, sample_rate: int, seconds: Frames) -> Frames:
    """RMS around some times: shapes ``(samples,)`` and ``(frames,)`` to ``(frames,)``."""
    summed = np.concatenate(([0.0], np.cumsum(np.square(audio, dtype=np.float64))))
    half = 0.5 * _WINDOW_SECONDS
    start = np.clip(((seconds - half) * sample_rate).astype(int), 0, len(audio) - 1)
    stop = np.clip(((seconds + half) * sample_rate).astype(int), start + 1, len(audio))
    rms: Frames = np.sqrt((summed[stop] - summed[start]) / (stop - start))
    return rms


def _check(audio: NDArray[np.float32], sample_rate: int) -> None:
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, numbers.Integral) or sample_rate <= 0:
        raise InvalidAudio(f"sample rate is {sample_rate!r}; allowed: a whole number of hertz above 0")
    if audio.ndim != 1 or audio.size == 0:
        raise InvalidAudio(f"audio has the shape {audio.shape}; allowed: (samples,), at least one")
    if not np.isfinite(audio).all():
        raise InvalidAudio("audio holds samples that are not finite numbers")
    if not audio.any():
        raise InvalidAudio("audio is silent: every sample is 0")
