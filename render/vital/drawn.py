"""Wavetables that are derived from a clip: frames of one period, taken at evenly spaced times.

The periods are cut at the pitch of the note, averaged over a few neighbours, and reduced to their partials below half
the sample rate, so that a frame is one smooth period. A slow pass of envelope 2 through the frames plays them in the
order of the clip; envelope 1 follows the clip's loudness.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.audio import Audio
from render.instruments.patch import Patch
from render.note import SAMPLE_RATE, Note
from render.vital.controls import CONTROLS
from render.vital.state import FILE_VERSION, with_wavetable
from render.vital.table import DESTINATIONS, SOURCES, TABLE
from render.vital.waves import FRAME_SAMPLES, LAST_FRAME, wavetable

N_FRAMES = 5
_PERIODS = 4
"""Neighbouring periods that are averaged."""
_MOST_PARTIALS = 256
_QUIETEST_DB = -45.0
"""Only the part that is louder than this, relative to the loudest moment, is used."""
_OCTAVES = (0, -12, 12)
"""Octaves of the note, in semitones, at which a period is taken: the estimated pitch may be an octave off."""

Wave = NDArray[np.float64]


def drawn_patches(audio: Audio, note: Note) -> list[Patch]:
    """Patches whose first oscillator plays periods of a clip.

    Args:
        audio: clip with the key press at sample 0.
        note: key press.

    Returns:
        For each octave one patch with a moving wavetable, and one with the loudest frame alone; none for a clip that is
        shorter than a few periods.

    Shape:
        audio: ``(channels, samples)``.
    """
    mono = audio.mean(axis=0).astype(np.float64)
    found = []
    for semitones in _OCTAVES:
        hz = note.frequency_hz * 2.0 ** (semitones / 12.0)
        frames = drawn_frames(mono, hz)
        if not frames:
            continue
        steady = max(frames, key=lambda frame: frame[1])[0]
        base = _base(mono, note).with_knobs({"osc_1_transpose": CONTROLS["osc_1_transpose"].knob(semitones)})
        waves = [wave for wave, _ in frames]
        found.append(_moving(with_wavetable(base, 1, wavetable("Drawn", waves, FILE_VERSION)), note))
        found.append(with_wavetable(base, 1, wavetable("Drawn", [steady], FILE_VERSION)))
    return found


def drawn_frames(mono: Wave, hz: float) -> list[tuple[Wave, float]]:
    """One-period frames of a sound and their levels, in the order of time; empty if the sound is too short or too high.

    Args:
        mono: the sound, shape ``(samples,)``.
        hz: frequency of the period.
    """
    period = SAMPLE_RATE / hz
    length = round(_PERIODS * period)
    if period < 8.0 or len(mono) < 2 * length:
        return []
    rms = np.sqrt(np.convolve(np.square(mono), np.full(512, 1.0 / 512.0), "same"))
    loud = np.flatnonzero(rms > rms.max() * 10.0 ** (_QUIETEST_DB / 20.0))
    first, last = int(loud[0]), min(int(loud[-1]), len(mono) - length - 1)
    if last <= first:
        return []
    places = np.linspace(first, last, N_FRAMES).astype(int)
    return [
        (_frame(mono[place : place + length], hz), float(rms[min(place + length // 2, len(rms) - 1)]))
        for place in places
    ]


def _frame(cut: Wave, hz: float) -> Wave:
    """One period with the partials of a cut of several, shape ``(FRAME_SAMPLES,)``, peak 1."""
    seconds = np.arange(len(cut)) / SAMPLE_RATE
    window = np.hanning(len(cut))
    n_partials = int(min(_MOST_PARTIALS, 0.47 * SAMPLE_RATE / hz))
    numbers = np.arange(1, n_partials + 1)
    basis = np.exp(-2j * np.pi * hz * numbers[:, None] * seconds)
    partials = basis @ (cut * window)
    spectrum = np.zeros(FRAME_SAMPLES // 2 + 1, np.complex128)
    spectrum[1 : n_partials + 1] = partials
    wave = np.fft.irfft(spectrum, FRAME_SAMPLES)
    return np.asarray(wave / max(float(np.abs(wave).max()), 1e-12))


def _base(mono: Wave, note: Note) -> Patch:
    """A patch of one oscillator whose envelope follows the loudness of a clip."""
    hop = SAMPLE_RATE // 200
    n_frames = max(len(mono) // hop, 1)
    level = np.sqrt(np.square(mono[: n_frames * hop]).reshape(n_frames, -1).mean(axis=1)) if len(mono) >= hop else mono
    peak = int(level.argmax())
    held = max(min(round(note.gate_seconds * 200), n_frames - 1), peak)
    sustain = float(level[held] / max(level.max(), 1e-12)) if held > peak else 1.0
    decay = max((held - peak) / 200.0, 0.02)
    tail = level[held:]
    faded = np.flatnonzero(tail < 0.1 * max(float(tail[0]), 1e-12))
    release = (int(faded[0]) if len(faded) else len(tail)) / 200.0
    values = {
        "env_1_attack": max(peak / 200.0, 0.0005) ** 0.25,
        "env_1_decay": min(decay, 20.0) ** 0.25,
        "env_1_sustain": sustain,
        "env_1_release": min(max(release, 0.005), 20.0) ** 0.25,
        "osc_1_random_phase": 0.0,
    }
    return TABLE.patch({name: CONTROLS[name].knob(value) for name, value in values.items()})


def _moving(patch: Patch, note: Note) -> Patch:
    """The patch with envelope 2 leading the oscillator from the first frame to the last over the note."""
    values = {
        "env_2_attack": min(max(note.seconds, 0.02), 20.0) ** 0.25,
        "env_2_sustain": 1.0,
        "osc_1_wave_frame": 0.0,
        "modulation_1_amount": min((LAST_FRAME - 1) / LAST_FRAME, 1.0),
    }
    knobs = {name: CONTROLS[name].knob(value) for name, value in values.items()}
    knobs["modulation_1_source"] = SOURCES.index("env_2") / (len(SOURCES) - 1)
    knobs["modulation_1_destination"] = DESTINATIONS.index("osc_1_wave_frame") / (len(DESTINATIONS) - 1)
    return patch.with_knobs(knobs)
