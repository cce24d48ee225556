"""The course of an oscillator's pitch, read from the partials of a clip: still, or moved by an LFO or the free AD.

A modulated pitch hides from a search that changes one knob at a time: unless rate, waveform and amount are nearly
right, the sound is as far from the clip as without a modulation. But among the partials of the clip every course is a
line that is known but for a few numbers. All of them are tried there, as the Hough transform does: the score of a
course is the mean strength of the partials along it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
"""The free AD without an attack, in the place of an LFO's waveform."""

_RISES = np.concatenate([np.geomspace(0.5, 7.0, 12), np.arange(8.0, 0.9 * PITCH_REACH)])
_AMOUNTS = np.concatenate([_RISES, -_RISES])
_PHASES = {"sine": (0.0, 0.25), "triangle": (0.0, 0.25), "rectangle": (0.0, 0.25), "saw": (0.0, 0.25, 0.5, 0.75)}
_FALLS = tuple(np.linspace(0.15, 0.75, 9).tolist())  # knob of the decay
_FASTEST_HZ, _FINEST_HZ = 15.0, 0.3  # fastest rate, and smallest distance of two
_SLOW_CYCLES = (0.2, 0.28, 0.4, 0.55, 0.75)  # in the time that is looked at
_WIDE = 1  # semitones to which partials are widened at first, because the amounts have a coarse grid
_REACH = 24  # semitones from the key, as far as the tuning of an oscillator reaches
_STILLEST = 0.5  # semitones (standard deviation) below which a course is not a moving one
_AWAY = 0.1  # share of the time for which it moves by more than that
_FROM_START = 0.02  # what an LFO that begins at its start, as most do, is preferred by
_MARGIN = 60  # semitones beside the bins, in which nothing is heard
_REFINED = 6  # courses
_SAME_HZ, _SAME_SEMITONES = 0.5, 1.5
LAG, _NARROW = 0.25, 12.0  # of a cycle at the end, where the rate is off by a step of the grid; semitones at most
_EARLY_SECONDS, _EARLY_LAG = 0.3, 0.1
_GROWING = ((1.0, 60), (1.5, 30), (2.4, 16), (4.0, 8))
"""The wide courses are followed from early on: parts of the clip, in early times, and how many courses are kept."""
_REFINEMENTS = ((0.06, 0.08, 0.5), (0.02, 0.03, 0.25), (0.007, 0.01, 0.125))
"""Steps of the rate, in cycles until the end, of the amount, relative, and of the key, in semitones."""
_STEPS = np.arange(-2.0, 3.0)
_SMALLEST_AMOUNT = 1.0  # semitones that relative steps count from
_FIRSTS, _SECONDS, _EXPLAINED, _MORE = 1, 3, 0.75, 0.1
"""Courses to which a second LFO is added, and those that are tried; the score from which one LFO is enough, and by how
much two must be better."""


@dataclass(frozen=True)
class Course:
    """The course of a pitch.

    Attributes:
        key: MIDI note number, without the modulation.
        rich: whether the harmonics count, too; otherwise the fundamental alone.
        score: mean strength of the partials along it.
        waveform: the LFO's waveform, or ``FALL``; empty for a still pitch.
        hz: rate of the LFO.
        phase: phase of the LFO in cycles.
        fall: decay knob of the free AD.
        semitones: amount, with its sign.
        second: another LFO on the same pitch, of which waveform, rate, phase and amount count.
    """

    key: float
    rich: bool
    score: float
    waveform: str = ""
    hz: float = 0.0
    phase: float = 0.0
    fall: float = 0.0
    semitones: float = 0.0
    second: Course | None = None

    def keys(self, partials: Partials) -> Array:
        """The pitch at every frame, shape ``(frames,)``."""
        return self.key + self.moved(partials)

    def moved(self, partials: Partials) -> Array:
        """The modulation in semitones at every frame, shape ``(frames,)``."""
        if not self.waveform:
            return np.zeros(partials.n_frames)
        alone = self.semitones * signal(self, partials)
        return alone if self.second is None else alone + self.second.moved(partials)


@lru_cache(maxsize=16)
def courses(partials: Partials, number: int, *, rich: bool, moving: int) -> tuple[Course, ...]:
    """The still course with the highest score, and the moving ones.

    Args:
        partials: where the partials of the clip lie.
        number: MIDI note number of the key.
        rich: whether the harmonics count, too.
        moving: largest number of moving courses.

    Returns:
        The still course first, then the moving ones, the highest score first.
    """
    strengths = partials.combs() if rich else partials.strengths
    keys = (number + key for key in range(-_REACH, _REACH + 1))
    still = (_scored(Course(float(key), rich, 0.0), partials, strengths) for key in keys)
    result = [max(still, key=lambda one: one.score)]
    seconds, early = partials.n_frames * partials.hop_seconds, partials.first(_EARLY_SECONDS)
    longer = early.n_frames < partials.n_frames
    widest = _NARROW if longer else PITCH_REACH
    found = distinct(_grid(partials, strengths, number, rich=rich, lag=LAG, widest=widest), _REFINED)
    # The later, the more a wide course depends on its rate. So it is found early, and followed.
    if longer:
        wide = _grid(early, strengths[:, : early.n_frames], number, rich=rich, lag=_EARLY_LAG)
        for part, kept in _GROWING:
            frames = partials.first(min(part * _EARLY_SECONDS, seconds))
            wide = distinct(wide, kept)
            wide = sorted((_refined(one, frames, strengths, _REFINEMENTS[:2]) for one in wide), key=rank)
        found += distinct(wide, _REFINED)
    refined = sorted((_refined(one, partials, strengths, _REFINEMENTS) for one in found), key=rank)
    refined = sorted([*refined, *_with_second(refined[:_FIRSTS], partials, strengths, number)], key=rank)
    result += [course for course in distinct(refined, len(refined)) if _moves(course, partials)][:moving]
    return tuple(result)


def _with_second(firsts: Iterable[Course], partials: Partials, strengths: Strengths, number: int) -> Iterator[Course]:
    """Courses to which a second LFO is added, where that explains much more."""
    for first in firsts:
        if first.waveform == FALL or first.score > _EXPLAINED:
            continue
        base = first.moved(partials)
        tried = _grid(partials, strengths, number, rich=first.rich, lag=LAG, widest=_NARROW, base=base)
        for other in distinct((one for one in tried if one.waveform != FALL), _SECONDS):
            other = _refined(other, partials, strengths, _REFINEMENTS[:2], base=base)
            if other.score > first.score + _MORE:
                for _ in range(2):
                    first = _refined(
                        replace(first, key=other.key), partials, strengths, _REFINEMENTS, base=other.moved(partials)
                    )
                    other = _refined(
                        replace(other, key=first.key), partials, strengths, _REFINEMENTS, base=first.moved(partials)
                    )
                yield replace(first, key=other.key, score=other.score, second=other)
                break


def _grid(
    partials: Partials,
    strengths: Strengths,
    number: int,
    *,
    rich: bool,
    lag: float,
    widest: float = PITCH_REACH,
    base: Array | None = None,
) -> list[Course]:
    """The best amount and key of every shape, the highest score first, on top of a base in semitones."""
    step = partials.per_semitone
    wide = scipy.ndimage.maximum_filter1d(strengths, _WIDE * step + 1, axis=2)
    margin = _MARGIN * step
    padded = np.pad(wide, ((0, 0), (0, 0), (margin, margin + -(strengths.shape[2] + 2 * margin) % step)))
    # at[place % step, sweep, frame, place // step] has the strengths at every key, for a course with a place at the
    # lowest.
    interleaved = np.ascontiguousarray(padded.reshape(*padded.shape[:2], -1, step).transpose(3, 0, 1, 2))
    at = np.lib.stride_tricks.sliding_window_view(interleaved, 2 * _REACH + 1, axis=3)
    lowest = round(float(partials.bins(number - _REACH))) + margin
    base = np.zeros(partials.n_frames) if base is None else base
    found: list[Course] = []
    for shape in shapes(partials, lag):
        every = 2 if shape.hz < _FASTEST_HZ / 2.0 else 1
        curve = signal(shape, partials)[::every]
        amounts = _AMOUNTS[(np.abs(_AMOUNTS) * float(curve.std()) >= _STILLEST) & (np.abs(_AMOUNTS) <= widest)]
        if len(amounts) == 0:
            continue
        pitches = base[::every] + amounts[:, None] * curve
        places = np.clip(lowest + np.round(step * pitches).astype(int), 0, at.shape[3] * step - 1)
        swept = _sweeps(_slope(pitches) / every, partials)
        frames = np.arange(0, partials.n_frames, every)
        scores = at[places % step, swept, frames, places // step].mean(axis=1)
        amount, key = np.unravel_index(int(scores.argmax()), scores.shape)
        score, moved = float(scores[amount, key]), float(amounts[amount])
        found.append(replace(shape, key=float(number - _REACH + key), rich=rich, score=score, semitones=moved))
    return sorted(found, key=rank)


def rank(course: Course) -> float:
    """Sorts the courses with the highest score first."""
    return -course.score - (_FROM_START if course.phase == 0.0 else 0.0)


def _moves(course: Course, partials: Partials) -> bool:
    """Whether the pitch is away from its usual value for long enough not to be taken for a still one."""
    keys = course.keys(partials)
    return float(np.mean(np.abs(keys - np.median(keys)) > _STILLEST)) > _AWAY


def distinct(courses: Iterable[Course], most: int) -> list[Course]:
    """The first courses that are not alike, ``most`` of them."""
    found: list[Course] = []
    for course in courses:
        if len(found) < most and not any(_alike(course, other) for other in found):
            found.append(course)
    return found


def _alike(one: Course, other: Course) -> bool:
    return (
        (one.waveform, one.phase) == (other.waveform, other.phase)
        and abs(one.hz - other.hz) < _SAME_HZ
        and abs(one.semitones - other.semitones) < _SAME_SEMITONES
    )


def shapes(partials: Partials, lag: float, finest: float = _FINEST_HZ) -> Iterator[Course]:
    """Curves of a modulation, without amount and key; of rates that are off by a step, the end is late by a lag."""
    still = Course(0.0, True, 0.0)
    seconds = partials.n_frames * partials.hop_seconds
    slow = [cycles / seconds for cycles in _SLOW_CYCLES if cycles / seconds < _FASTEST_HZ]
    rates = [*slow, *np.arange(1.0 / seconds, _FASTEST_HZ, max(lag / seconds, finest)).tolist()]
    for waveform, phases in _PHASES.items():
        for hz, phase in product(rates, phases):
            yield replace(still, waveform=waveform, hz=hz, phase=phase)
    for fall in _FALLS:
        yield replace(still, waveform=FALL, fall=fall)


def signal(course: Course, partials: Partials) -> Array:
    """The signal of a modulator at the frames, -1 to 1, or 0 to 1 of the free AD."""
    seconds = np.arange(partials.n_frames) * partials.hop_seconds
    if course.waveform == FALL:
        samples = (seconds * SAMPLE_RATE).astype(int)
        return np.asarray(attack_decay(0.0, course.fall, int(samples[-1]) + 1)[samples], np.float64)
    table = tables()[LFO_WAVEFORMS.index(course.waveform)]
    cycles = course.phase + seconds * SAMPLE_RATE * CYCLES_PER_SAMPLE * course.hz
    return np.asarray(np.interp(cycles % 1.0 * LFO_CYCLE_POINTS, np.arange(len(table)), table), np.float64)


def _refined(
    course: Course,
    partials: Partials,
    strengths: Strengths,
    steps: Iterable[tuple[float, float, float]],
    base: Array | float = 0.0,
) -> Course:
    """The best course around a course, with smaller and smaller steps, on top of a base in semitones."""
    seconds = partials.n_frames * partials.hop_seconds
    for by_cycles, by_amount, by_key in steps:
        rates = np.maximum(course.hz + _STEPS * by_cycles / seconds, 0.01)
        falls = np.clip(course.fall * (1.0 + _STEPS * by_amount), 0.0, 1.0)
        tried = [replace(course, hz=hz, fall=fall) for hz, fall in zip(rates.tolist(), falls.tolist(), strict=True)]
        curves = np.stack([signal(one, partials) for one in tried])
        amounts = course.semitones + _STEPS * by_amount * max(abs(course.semitones), _SMALLEST_AMOUNT)
        keys = course.key + by_key * np.array([-1.0, 0.0, 1.0])
        pitches = keys[:, None] + (base + amounts[:, None] * curves[:, None, :])[:, :, None, :]
        scores = _along(pitches, partials, strengths)
        rate, amount, key = np.unravel_index(int(scores.argmax()), scores.shape)
        course = replace(
            tried[rate], semitones=float(amounts[amount]), key=float(keys[key]), score=float(scores[rate, amount, key])
        )
    return course


def _scored(course: Course, partials: Partials, strengths: Strengths) -> Course:
    """The course with its score."""
    return replace(course, score=float(_along(course.keys(partials), partials, strengths)))


def _along(keys: Array, partials: Partials, strengths: Strengths) -> Array:
    """Mean strengths along pitches of shape ``(..., frames)``, with straight lines between the bins."""
    positions = np.clip(partials.bins(keys), 0.0, strengths.shape[2] - 1.001)
    low = positions.astype(int)
    frames, high = np.arange(keys.shape[-1]), positions - low
    swept = _sweeps(_slope(keys), partials)
    strong = (1.0 - high) * strengths[swept, frames, low] + high * strengths[swept, frames, low + 1]
    return np.asarray(strong.mean(axis=-1), np.float64)


def _slope(curve: Array) -> Array:
    """How much curves of shape ``(..., frames)`` change from one frame to the next; jumps are left out."""
    steps = np.diff(curve, axis=-1)
    before, after = np.concatenate([steps[..., :1], steps], -1), np.concatenate([steps, steps[..., -1:]], -1)
    return np.where(np.abs(before) < np.abs(after), before, after)


def _sweeps(slopes: Array, partials: Partials) -> NDArray[np.int64]:
    """The sweep that comes closest to slopes in semitones per frame."""
    last = len(partials.sweeps) - 1
    per_second = slopes / partials.hop_seconds
    distance = (partials.sweeps[-1] - partials.sweeps[0]) / max(last, 1)
    places = np.round((per_second - partials.sweeps[0]) / max(distance, 1e-9))
    return np.clip(places, 0, last).astype(np.int64)
