"""Wavetables that are derived from a clip: frames of one period, more of them where its level changes.

A frame has the power that the clip has around each partial of the note at one time, and the clip's level. All frames
have the phases of the loudest one, so that between two frames the amplitudes change and nothing is cancelled. An LFO
that runs once scans them at the clip's pace, also after the key's release, from which envelope 1 ends the sound slowly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from render.audio import Audio
from render.instruments.patch import Patch
from render.note import SAMPLE_RATE, Note
from render.vital.controls import CONTROLS
from render.vital.state import FILE_VERSION, with_wavetable
from render.vital.table import TABLE
from render.vital.waves import FRAME_SAMPLES, LAST_FRAME, wavetable

N_FRAMES = 48
"""Largest number of frames."""
_EVEN_SHARE = 0.7
"""Share of the frames that are evenly spaced; the others are taken where the level changes."""
_PERIODS = 6
"""Periods that the partials of a frame are measured over."""
_MOST_PARTIALS = 512
_HIGHEST_HZ = 0.47 * SAMPLE_RATE
_QUIETEST_DB = -60.0
"""The last frame is taken where the clip stays softer than this, relative to the loudest moment."""
_OCTAVES = (0, -12, -24, 12)
"""Octaves of the note, in semitones, at which a period is taken: the estimated pitch may be an octave off, and many
close partials imitate noise and chords."""
_LEVEL_SAMPLES = 256
_TUNED_PARTIALS, _MOST_CENTS = 8, 60.0
_RELEASE, _SHORTEST_RELEASE, _LONGEST_RELEASE = 2.0, 0.05, 20.0  # times the rest of the clip; seconds
_FADED = 0.1
"""Share of the level at the key's release that counts as its end."""

Wave = NDArray[np.float64]


@dataclass(frozen=True)
class Frames:
    """Frames of one period.

    Attributes:
        waves: waves, shape ``(frames, FRAME_SAMPLES)``; the largest sample of all of them is 1.
        positions: their positions in a wavetable, from 0 to ``LAST_FRAME``, rising.
        seconds: time from the first to the last.
    """

    waves: Wave
    positions: tuple[int, ...]
    seconds: float

    def loudest(self) -> Self:
        """The loudest frame alone, at full level."""
        wave = self.waves[int(np.abs(self.waves).max(axis=1).argmax())]
        return type(self)(wave[None] / np.abs(wave).max(), (0,), self.seconds)

    def at_full_level(self) -> Self:
        """The frames with peaks of 1."""
        peaks = np.abs(self.waves).max(axis=1, keepdims=True)
        return type(self)(self.waves / np.maximum(peaks, 1e-12), self.positions, self.seconds)


def drawn_patches(audio: Audio, note: Note) -> list[Patch]:
    """Patches whose first oscillator plays periods of a clip.

    Args:
        audio: clip with the key press at sample 0.
        note: key press.

    Returns:
        For each octave a patch whose wavetable follows the clip's timbre and level; for the note's own octave also one
        whose wavetable follows the timbre alone, and one with the loudest frame, where envelope 1 follows the level.
        None for a clip that is shorter than a few periods.

    Shape:
        audio: ``(channels, samples)``.
    """
    mono = audio.mean(axis=0).astype(np.float64)
    faded = _enveloped(mono, note)
    found = []
    for semitones in _OCTAVES:
        hz = note.frequency_hz * 2.0 ** (semitones / 12.0)
        cents = _cents(mono, hz)
        frames = drawn_frames(mono, hz * 2.0 ** (cents / 1200.0), note.gate_seconds)
        if frames is None:
            continue
        tuned = {"osc_1_transpose": float(semitones), "osc_1_tune": cents / 100.0}
        held = {
            "env_1_attack": 0.0,
            "env_1_sustain": 1.0,
            "env_1_release": _release_seconds(frames.seconds, note.gate_seconds) ** 0.25,
            "env_1_release_power": 0.0,
        }
        found.append(_drawn(_scanning(_patch(held | tuned), frames), frames))
        if semitones == 0:
            plain = _patch(faded | tuned)
            found.append(_drawn(_scanning(plain, frames), frames.at_full_level()))
            found.append(_drawn(plain, frames.loudest()))
    return found


def drawn_frames(mono: Wave, hz: float, gate_seconds: float = math.inf) -> Frames | None:
    """Frames of a sound; None if it is too short or too high.

    Args:
        mono: the sound, shape ``(samples,)``.
        hz: frequency of the period.
        gate_seconds: time of the key's release, after which the frames make up for the fall of the envelope.
    """
    length = round(_PERIODS * SAMPLE_RATE / hz)
    if length < 8 * _PERIODS or len(mono) < 2 * length:
        return None
    level = _level(mono)
    loud = np.flatnonzero(level > level.max() * 10.0 ** (_QUIETEST_DB / 20.0))
    if len(loud) == 0 or loud[-1] < length:
        return None
    last = int(loud[-1])
    positions = _positions(level[np.linspace(0, last, LAST_FRAME + 1).astype(int)])
    samples = np.round(positions / LAST_FRAME * last).astype(int)
    padded = np.pad(mono, (length // 2, length))
    starts = np.maximum(samples, length // 2)  # a cut that begins in silence has a spectrum of its own
    spectra = np.array([_partials(padded[start : start + length], hz) for start in starts])
    loudest = spectra[int(np.abs(spectra).sum(axis=1).argmax())]
    phases = np.exp(1j * np.angle(loudest))
    amplitudes = np.abs(spectra)
    amplitudes /= np.maximum(np.sqrt(np.square(amplitudes).sum(axis=1, keepdims=True)), 1e-12)
    released = np.maximum(samples / SAMPLE_RATE - gate_seconds, 0.0)
    levels = level[samples] / (1.0 - released / _release_seconds(last / SAMPLE_RATE, gate_seconds))
    spectrum = np.zeros((len(samples), FRAME_SAMPLES // 2 + 1), np.complex128)
    spectrum[:, 1 : amplitudes.shape[1] + 1] = amplitudes * phases * levels[:, None]
    waves = np.fft.irfft(spectrum, FRAME_SAMPLES, axis=1)
    waves /= max(float(np.abs(waves).max()), 1e-12)
    return Frames(waves, tuple(int(position) for position in positions), last / SAMPLE_RATE)


def _positions(level: Wave) -> NDArray[np.int64]:
    """Positions of frames: denser where the level changes.

    Args:
        level: level at each position, shape ``(LAST_FRAME + 1,)``.
    """
    decibels = 20.0 * np.log10(np.maximum(level / level.max(), 10.0 ** (_QUIETEST_DB / 20.0)))
    changes = np.abs(np.diff(decibels))
    even = np.full(LAST_FRAME, 1.0 / LAST_FRAME)
    density = _EVEN_SHARE * even + (1.0 - _EVEN_SHARE) * (changes / changes.sum() if changes.any() else even)
    passed = np.concatenate([[0.0], np.cumsum(density)])
    places = np.interp(np.linspace(0.0, passed[-1], N_FRAMES), passed, np.arange(LAST_FRAME + 1))
    return np.unique(np.round(places).astype(int))


def _partials(cut: Wave, hz: float) -> NDArray[np.complex128]:
    """Partials of a cut of several periods: the root of the power around each, with the phase at its frequency."""
    n_bins = len(cut) // 2 + 1
    spectrum = np.fft.rfft(cut * np.blackman(len(cut)))
    n_partials = int(min(_MOST_PARTIALS, _HIGHEST_HZ / hz, (n_bins - 1 - _PERIODS // 2) / _PERIODS))
    centres = np.arange(1, n_partials + 1) * _PERIODS
    around = np.arange(-_PERIODS // 2 + 1, _PERIODS // 2 + 1)
    power = np.square(np.abs(spectrum[centres[:, None] + around])).sum(axis=1)
    return np.asarray(np.sqrt(power) * np.exp(1j * np.angle(spectrum[centres])))


def _level(mono: Wave) -> Wave:
    """RMS around each sample."""
    kernel = np.full(_LEVEL_SAMPLES, 1.0 / _LEVEL_SAMPLES)
    return np.sqrt(np.convolve(np.square(mono), kernel, "same")) if len(mono) >= _LEVEL_SAMPLES else np.abs(mono)


def _cents(mono: Wave, hz: float) -> float:
    """How far the first partials lie above those of a frequency, in cents; 0 where that is unclear."""
    begin = int(_level(mono).argmax())
    cut = mono[begin : begin + SAMPLE_RATE // 2]
    n_bins = 4 * len(cut)
    spectrum = np.abs(np.fft.rfft(cut * np.hanning(len(cut)), n_bins))
    found, weights = [], []
    for number in range(1, _TUNED_PARTIALS + 1):
        ratio = 2.0 ** (_MOST_CENTS / 1200.0)
        low, high = (int(number * hz * r * n_bins / SAMPLE_RATE) for r in (1.0 / ratio, ratio))
        if high - low < 4 or high + 1 >= len(spectrum):
            continue
        peak = low + int(spectrum[low : high + 1].argmax())
        if low < peak < high:
            found.append(1200.0 * math.log2(peak * SAMPLE_RATE / n_bins / (number * hz)))
            weights.append(float(spectrum[peak]))
    if not found or sum(weights) <= 0.0:
        return 0.0
    order = np.argsort(found)
    passed = np.cumsum(np.array(weights)[order])
    return float(np.array(found)[order][int(np.searchsorted(passed, 0.5 * passed[-1]))])


def _enveloped(mono: Wave, note: Note) -> dict[str, float]:
    """Values of envelope 1 with which it follows the loudness of a sound."""
    hop = SAMPLE_RATE // 200
    n_frames = max(len(mono) // hop, 1)
    level = np.sqrt(np.square(mono[: n_frames * hop]).reshape(n_frames, -1).mean(axis=1)) if len(mono) >= hop else mono
    peak = int(level.argmax())
    held = max(min(round(note.gate_seconds * 200), n_frames - 1), peak)
    sustain = float(level[held] / max(level.max(), 1e-12)) if held > peak else 1.0
    return {
        "env_1_attack": max(peak / 200.0, 0.0005) ** 0.25,
        "env_1_decay": min(max((held - peak) / 200.0, 0.02), 20.0) ** 0.25,
        "env_1_sustain": sustain,
        "env_1_release": _release(level[held:], 200.0),
    }


def _release_seconds(seconds: float, gate_seconds: float) -> float:
    """Time of a straight release that has half its level left when a sound ends."""
    return min(max(_RELEASE * (seconds - gate_seconds), _SHORTEST_RELEASE), _LONGEST_RELEASE)


def _release(tail: Wave, rate: float) -> float:
    """Value of the release time of a level that fades."""
    faded = np.flatnonzero(tail < _FADED * max(float(tail[0]), 1e-12))
    seconds = (int(faded[0]) if len(faded) else len(tail)) / rate
    return float(min(max(seconds, 0.005), 20.0) ** 0.25)


def _patch(values: dict[str, float]) -> Patch:
    return TABLE.patch({name: CONTROLS[name].knob(value) for name, value in values.items()} | {"osc_1_random_phase": 0})


def _scanning(patch: Patch, frames: Frames) -> Patch:
    """The patch with an LFO that leads the oscillator once from the first frame to the last."""
    choices = {
        "lfo_1_shape": "saw up",
        "modulation_1_source": "lfo_1",
        "modulation_1_destination": "osc_1_wave_frame",
    }
    values = {
        "lfo_1_sync": 0.0,  # seconds
        "lfo_1_sync_type": 2.0,  # an envelope, which runs once
        "lfo_1_frequency": -math.log2(max(frames.seconds, 0.01)),
        "osc_1_wave_frame": 0.0,
        "modulation_1_amount": (LAST_FRAME - 1) / LAST_FRAME,
    }
    knobs = {name: CONTROLS[name].knob(value) for name, value in values.items()}
    return patch.with_knobs(knobs | {name: TABLE.parameter(name).knob(choice) for name, choice in choices.items()})


def _drawn(patch: Patch, frames: Frames) -> Patch:
    return with_wavetable(patch, 1, wavetable("Drawn", frames.waves, FILE_VERSION, frames.positions))
