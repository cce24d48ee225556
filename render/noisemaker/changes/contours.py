"""Pitches over time, and the shapes of the modulators that move them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from render.instruments.hints import Partials
from render.noisemaker.engine.envelopes import attack_decay
from render.noisemaker.engine.lfo import CYCLES_PER_SAMPLE, tables
from render.noisemaker.facts import LFO_CYCLE_POINTS, LFO_WAVEFORMS
from render.note import SAMPLE_RATE

Array = NDArray[np.float64]

FALL = "fall"
"""Stands for the free AD without an attack, in place of an LFO's waveform."""

_PHASES = {"sine": (0.0, 0.25), "triangle": (0.0, 0.25), "rectangle": (0.0, 0.25), "saw": (0.0, 0.25, 0.5, 0.75)}
_FALLS = tuple(np.linspace(0.15, 0.75, 9).tolist())  # knob of the decay
_FASTEST_HZ, _FINEST_HZ = 15.0, 0.3  # fastest rate, and smallest distance of two
_SLOW_CYCLES = (0.2, 0.28, 0.4, 0.55, 0.75)  # in the analysed time


@dataclass(frozen=True)
class Contour:
    """A pitch over time.

    Attributes:
        key: MIDI note number, without the modulation.
        rich: whether the harmonics count too; otherwise the fundamental alone.
        score: mean strength of the partials along it.
        waveform: the LFO's waveform, or ``FALL``; empty for a constant pitch.
        hz: rate of the LFO.
        phase: phase of the LFO in cycles.
        fall: decay knob of the free AD.
        semitones: amount, with its sign.
        second: another LFO on the same pitch; its waveform, rate, phase and amount are used.
    """

    key: float
    rich: bool
    score: float
    waveform: str = ""
    hz: float = 0.0
    phase: float = 0.0
    fall: float = 0.0
    semitones: float = 0.0
    second: Contour | None = None

    def keys(self, partials: Partials) -> Array:
        """The pitch at every frame, shape ``(frames,)``."""
        return self.key + self.moved(partials)

    def moved(self, partials: Partials) -> Array:
        """The modulation in semitones at every frame, shape ``(frames,)``."""
        if not self.waveform:
            return np.zeros(partials.n_frames)
        alone = self.semitones * signal(self, partials.times)
        return alone if self.second is None else alone + self.second.moved(partials)


def shapes(seconds: float, lag: float, finest: float = _FINEST_HZ) -> Iterator[Contour]:
    """Shapes of a modulation, without amount and key; between two rates of the grid the end lags by at most ``lag``."""
    still = Contour(0.0, True, 0.0)
    slow = [cycles / seconds for cycles in _SLOW_CYCLES if cycles / seconds < _FASTEST_HZ]
    rates = [*slow, *np.arange(1.0 / seconds, _FASTEST_HZ, max(lag / seconds, finest)).tolist()]
    for waveform, phases in _PHASES.items():
        for hz, phase in product(rates, phases):
            yield replace(still, waveform=waveform, hz=hz, phase=phase)
    for fall in _FALLS:
        yield replace(still, waveform=FALL, fall=fall)


@lru_cache(maxsize=16)
def curves(n_frames: int, hop_seconds: float, lag: float) -> tuple[tuple[Contour, int, Array, float], ...]:
    """The shapes for a clip of some frames, each with the distance of the frames at which it is compared, its signal at
    those, and the standard deviation of that signal.

    Args:
        n_frames: number of frames.
        hop_seconds: time between two frames.
        lag: see ``shapes``.
    """
    times, found = np.arange(n_frames, dtype=np.float64) * hop_seconds, []
    for shape in shapes(n_frames * hop_seconds, lag):
        every = 2 if shape.hz < _FASTEST_HZ / 2.0 else 1
        curve = signal(shape, times)[::every]
        found.append((shape, every, curve, float(curve.std())))
    return tuple(found)


def signal(contour: Contour, seconds: Array) -> Array:
    """The signal of a modulator at ascending times, in the shape of those: -1 to 1, or 0 to 1 for the free AD."""
    if contour.waveform == FALL:
        samples = (seconds * SAMPLE_RATE).astype(int)
        return np.asarray(attack_decay(0.0, contour.fall, int(samples[-1]) + 1)[samples], np.float64)
    table = tables()[LFO_WAVEFORMS.index(contour.waveform)]
    cycles = contour.phase + seconds * SAMPLE_RATE * CYCLES_PER_SAMPLE * contour.hz
    return np.asarray(np.interp(cycles % 1.0 * LFO_CYCLE_POINTS, np.arange(len(table)), table), np.float64)
