"""Pitch contours of the oscillators, found among a clip's partials: constant, or modulated by an LFO or the free AD.

A search that changes one knob at a time cannot find the modulation of a pitch: unless rate, waveform and amount are
nearly right, the sound is as far from the clip as without a modulation. But among the partials of the clip every
contour is a curve with only a few unknown numbers. All values of these are tried, as the Hough transform does: the
score of a contour is the mean strength of the partials along it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from render.instruments.hints import Partials, Strengths
from render.noisemaker.engine.envelopes import attack_decay
from render.noisemaker.engine.lfo import CYCLES_PER_SAMPLE, tables
from render.noisemaker.facts import LFO_CYCLE_POINTS, LFO_WAVEFORMS, PITCH_REACH
from render.note import SAMPLE_RATE

Array = NDArray[np.float64]

FALL = "fall"
"""Stands for the free AD without an attack, in place of an LFO's waveform."""

_RISES = np.concatenate([np.geomspace(0.5, 7.0, 12), np.arange(8.0, 0.9 * PITCH_REACH)])
_AMOUNTS = np.concatenate([_RISES, -_RISES])
_PHASES = {"sine": (0.0, 0.25), "rectangle": (0.0, 0.25), "saw": (0.0, 0.25, 0.5, 0.75)}
_LIKE = {"sine": ("triangle",)}  # tried when all else is known
_FALLS = tuple(np.linspace(0.15, 0.75, 9).tolist())  # knob of the decay
_FASTEST_HZ, _MOST_RATES = 15.0, 48
_SLOW_CYCLES = (0.2, 0.28, 0.4, 0.55, 0.75)  # in the analysed time
_WIDE = 1  # semitones to which partials are widened at first, because the amounts have a coarse grid
_REACH = 24  # semitones from the key, as far as the tuning of an oscillator reaches
_STILLEST = 0.5  # semitones (standard deviation) below which a contour counts as constant
_AWAY = 0.1  # share of the time for which it must move by more than that
_FROM_START = 0.02  # bonus for an LFO that starts at phase 0, as most do
_NEARBY = tuple(np.linspace(0.9, 1.1, 11).tolist())  # factors of a rate
_MODULATOR_FRAMES, _FEWEST_FRAMES, _EDGE_FRAMES, _MODULATOR_RATES = 100, 16, 3, 150
_MARGIN = 60  # semitones of padding beside the bins, where strengths are 0
_REFINED = 6  # contours
_SAME_HZ, _SAME_SEMITONES = 0.5, 1.5
_REFINEMENTS = ((0.08, 0.08, 0.5), (0.03, 0.03, 0.25), (0.01, 0.01, 0.125))
"""Relative steps of rate and amount, and semitones, of one refinement after the other."""


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
    """

    key: float
    rich: bool
    score: float
    waveform: str = ""
    hz: float = 0.0
    phase: float = 0.0
    fall: float = 0.0
    semitones: float = 0.0

    def keys(self, partials: Partials) -> Array:
        """The pitch at every frame, shape ``(frames,)``."""
        if not self.waveform:
            return np.full(len(partials.strengths), self.key)
        return self.key + self.semitones * _curve(self, partials)


@lru_cache(maxsize=16)
def find_contours(partials: Partials, number: int, *, rich: bool, moving: int) -> tuple[Contour, ...]:
    """The constant contour with the highest score, and the modulated ones.

    Args:
        partials: partials of the clip over time.
        number: MIDI note number of the key.
        rich: whether the harmonics count too.
        moving: largest number of modulated contours.

    Returns:
        The constant contour first, then the modulated ones, the highest score first.
    """
    strengths = partials.combs() if rich else partials.strengths
    step = partials.per_semitone
    wide = scipy.ndimage.maximum_filter1d(strengths, _WIDE * step + 1, axis=1)
    margin = _MARGIN * step
    padded = np.pad(wide, ((0, 0), (margin, margin + -(strengths.shape[1] + 2 * margin) % step)))
    # at[place % step, frame, place // step] has the strengths at every key, where ``place`` is the contour's bin if its
    # key is the lowest one.
    interleaved = np.ascontiguousarray(padded.reshape(len(padded), -1, step).transpose(2, 0, 1))
    at = np.lib.stride_tricks.sliding_window_view(interleaved, 2 * _REACH + 1, axis=2)
    lowest = round(float(partials.bins(number - _REACH))) + margin
    keys = (number + key for key in range(-_REACH, _REACH + 1))
    still = (_scored(Contour(float(key), rich, 0.0), partials, strengths) for key in keys)
    result = [max(still, key=lambda one: one.score)]
    found: list[Contour] = []
    for shape in _shapes(partials):
        every = 2 if shape.hz < _FASTEST_HZ / 2.0 else 1
        curve = _curve(shape, partials)[::every]
        amounts = _AMOUNTS[np.abs(_AMOUNTS) * float(curve.std()) >= _STILLEST]
        if len(amounts) == 0:
            continue
        places = lowest + np.round(amounts[:, None] * step * curve).astype(int)
        places = np.clip(places, 0, at.shape[2] * step - 1)
        frames = np.arange(0, len(strengths), every)
        scores = at[places % step, frames, places // step].mean(axis=1)
        amount, key = np.unravel_index(int(scores.argmax()), scores.shape)
        score, moved = float(scores[amount, key]), float(amounts[amount])
        found.append(replace(shape, key=float(number - _REACH + key), rich=rich, score=score, semitones=moved))
    found.sort(key=_rank)
    refined = sorted((_refined(contour, partials, strengths) for contour in _distinct(found, _REFINED)), key=_rank)
    result += [contour for contour in refined if _moves(contour, partials)][:moving]
    return tuple(result)


def _rank(contour: Contour) -> float:
    return -contour.score - (_FROM_START if contour.phase == 0.0 else 0.0)


@lru_cache(maxsize=8)
def modulators(levels: tuple[float, ...], seconds: float, held_seconds: float, most: int) -> tuple[Contour, ...]:
    """LFOs whose signal resembles another curve over time, such as the brightness.

    Args:
        levels: values of the curve at even distances.
        seconds: its length.
        held_seconds: length of the key press; the release that follows is not used.
        most: largest number of LFOs, the most similar first.

    Returns:
        Waveforms, rates and phases; ``score`` is the correlation, ``semitones`` only has its sign.
    """
    held = round(len(levels) * min(held_seconds / max(seconds, 1e-9), 1.0))
    every = max(held // _MODULATOR_FRAMES, 1)
    heard = np.asarray(levels[:held], np.float64)[::every]
    if len(heard) < _FEWEST_FRAMES:
        return ()
    frames = Partials(np.zeros((len(heard), 1), np.float32), seconds / len(levels) * every, 0.0, 1)

    def rest(signal: Array) -> Array:
        left = signal - trend @ (trend.T @ signal)
        return np.asarray(left / max(float(np.linalg.norm(left)), 1e-9), np.float64)

    inner = slice(_EDGE_FRAMES, len(heard) - _EDGE_FRAMES)
    trend = np.linalg.qr(np.polynomial.polynomial.polyvander(np.linspace(-1.0, 1.0, len(heard)), 2)[inner])[0]
    wanted = rest(heard[inner])

    def compared(shape: Contour) -> Contour:
        likeness = float(wanted @ rest(_curve(shape, frames)[inner]))
        return replace(shape, score=abs(likeness), semitones=math.copysign(1.0, likeness))

    found = sorted(
        (compared(shape) for shape in _shapes(frames, _MODULATOR_RATES) if shape.waveform != FALL), key=_rank
    )
    return tuple(
        max((compared(replace(one, hz=one.hz * factor)) for factor in _NEARBY), key=lambda one: one.score)
        for one in _distinct(found, most)
    )


def _moves(contour: Contour, partials: Partials) -> bool:
    """Whether the pitch differs from its median for long enough not to count as constant."""
    keys = contour.keys(partials)
    return float(np.mean(np.abs(keys - np.median(keys)) > _STILLEST)) > _AWAY


def _distinct(contours: Sequence[Contour], most: int) -> list[Contour]:
    """The first ones that differ from each other."""
    distinct: list[Contour] = []
    for contour in contours:
        if len(distinct) < most and not any(_alike(contour, other) for other in distinct):
            distinct.append(contour)
    return distinct


def _alike(one: Contour, other: Contour) -> bool:
    return (
        (one.waveform, one.phase) == (other.waveform, other.phase)
        and abs(one.hz - other.hz) < _SAME_HZ
        and abs(one.semitones - other.semitones) < _SAME_SEMITONES
    )


def _shapes(partials: Partials, most_rates: int = _MOST_RATES) -> Iterator[Contour]:
    """Shapes of a modulation, without amount and key."""
    still = Contour(0.0, True, 0.0)
    seconds = len(partials.strengths) * partials.hop_seconds
    rates = [cycles / seconds for cycles in _SLOW_CYCLES]
    # Where the rate is a little off, the curve should lag by a quarter of a cycle at the end, at most.
    step = max(0.25 / seconds, _FASTEST_HZ / most_rates)
    rates += np.arange(1.0 / seconds, _FASTEST_HZ, step).tolist()
    for waveform, phases in _PHASES.items():
        for hz, phase in product(rates, phases):
            yield replace(still, waveform=waveform, hz=hz, phase=phase)
    for fall in _FALLS:
        yield replace(still, waveform=FALL, fall=fall)


def _curve(contour: Contour, partials: Partials) -> Array:
    """The signal of a modulator at the frames: -1 to 1, or 0 to 1 for the free AD; shape ``(frames,)``."""
    seconds = np.arange(len(partials.strengths)) * partials.hop_seconds
    if contour.waveform == FALL:
        samples = (seconds * SAMPLE_RATE).astype(int)
        return np.asarray(attack_decay(0.0, contour.fall, int(samples[-1]) + 1)[samples], np.float64)
    table = tables()[LFO_WAVEFORMS.index(contour.waveform)]
    cycles = contour.phase + seconds * SAMPLE_RATE * CYCLES_PER_SAMPLE * contour.hz
    return np.asarray(np.interp(cycles % 1.0 * LFO_CYCLE_POINTS, np.arange(len(table)), table), np.float64)


def _refined(contour: Contour, partials: Partials, strengths: Strengths) -> Contour:
    """The contour with the highest score close to a contour."""

    def best(tried: Iterable[Contour]) -> Contour:
        return max((_scored(one, partials, strengths) for one in tried), key=lambda one: one.score)

    for by_rate, by_amount, by_key in _REFINEMENTS:
        factors = [1.0 + step * by_rate for step in (-2, -1, 0, 1, 2)]
        contour = best(replace(contour, hz=contour.hz * one, fall=min(contour.fall * one, 1.0)) for one in factors)
        contour = best(
            replace(contour, semitones=contour.semitones * (1.0 + amount * by_amount), key=contour.key + key * by_key)
            for amount, key in product((-2, -1, 0, 1, 2), (-1, 0, 1))
        )
    return best([contour, *(replace(contour, waveform=like) for like in _LIKE.get(contour.waveform, ()))])


def _scored(contour: Contour, partials: Partials, strengths: Strengths) -> Contour:
    """The contour with its score: the mean strength along it, interpolated linearly between the bins."""
    positions = np.clip(partials.bins(contour.keys(partials)), 0.0, strengths.shape[1] - 1.001)
    low = positions.astype(int)
    rows, high = np.arange(len(low)), positions - low
    score = np.mean((1.0 - high) * strengths[rows, low] + high * strengths[rows, low + 1])
    return replace(contour, score=float(score))
