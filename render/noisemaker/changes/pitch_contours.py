"""Pitch contours of the oscillators, found among a clip's partials: constant, or modulated by an LFO or the free AD.

A search that changes one knob at a time cannot find the modulation of a pitch: unless rate, waveform and amount are
nearly right, the sound is as far from the clip as without a modulation. But among the partials of the clip every
contour is a curve with only a few unknown numbers. All values of these are tried, as the Hough transform does: the
score of a contour is the mean strength of the partials along it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from render.instruments.hints import Partials, Strengths
from render.noisemaker.changes.contours import FALL, Contour, curves, signal
from render.noisemaker.changes.strengths import (
    MARGIN,
    REACH,
    KeyStrengths,
    along,
    at_all_keys,
    left_behind,
    slope,
    sweeps,
)
from render.noisemaker.facts import PITCH_REACH

Array = NDArray[np.float64]

_RISES = np.concatenate([np.geomspace(0.5, 7.0, 12), np.arange(8.0, PITCH_REACH)])
_AMOUNTS = np.concatenate([_RISES, -_RISES])
_STILLEST = 0.5  # semitones (standard deviation) below which a contour counts as constant
_AWAY = 0.1  # share of the time for which it must move by more than that
_FROM_START = 0.02  # bonus for an LFO that starts at phase 0, as most do
_REFINED = 6  # contours
_STANDS, _COARSE = 0.57, 0.75
"""Share of its strength that is left of each pitch of a rectangle in the other's time, above which both stand still (an
octave leaves 0.55 of one of them); and how many semitones the pitches of the grid are off."""
_SAME_HZ, _SAME_SEMITONES = 0.5, 1.5
LAG = 0.25  # lag in cycles at the end of the clip if the rate is off by one step of the grid
_NARROW = 12.0  # largest amount in semitones that is searched for in the whole clip at once
_EARLY_SECONDS, _EARLY_LAG = 0.3, 0.1
_GROWING = ((1.0, 60), (1.5, 30), (2.4, 16), (4.0, 8))
"""Wide contours are tracked from the beginning: lengths in units of ``_EARLY_SECONDS``, and number of contours kept."""
_REFINEMENTS = ((0.06, 0.08, 0.5), (0.02, 0.03, 0.25), (0.007, 0.01, 0.125))
"""Steps of the rate, in cycles over the clip; of the amount, relative; and of the key, in semitones."""
_STEPS = np.arange(-2.0, 3.0)
_SMALLEST_AMOUNT = 1.0  # smallest amount in semitones to which relative steps refer
_FIRSTS, _SECONDS, _EXPLAINED = 3, 3, 0.75
"""Number of contours to which a second LFO is added, and of second LFOs that are tried; score above which one LFO is
enough."""
_CLEARER, _LIKELY, _MORE, _ENOUGH, _TURNS = 1.1, 1.05, 1.2, 0.95, 3
"""Factor by which a contour must be clearer than a still one before a second LFO is added; factors by which that must
raise the score at first, and after both have been refined in turn so often; share of its score from which the first LFO
alone is preferred after all."""


@lru_cache(maxsize=32)
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
    at = at_all_keys(strengths, partials.per_semitone)
    keys = (number + key for key in range(-REACH, REACH + 1))
    still = (scored(Contour(float(key), rich, 0.0), partials, strengths) for key in keys)
    result = [max(still, key=lambda one: one.score)]
    early = partials.first(_EARLY_SECONDS)
    longer = early.n_frames < partials.n_frames
    widest = _NARROW if longer else PITCH_REACH
    tried = _grid(partials, at, number, rich=rich, lag=LAG, widest=widest)
    found = distinct((one for one in tried if not _stands(one, partials, strengths, _COARSE)), _REFINED)
    # A wide contour depends the more on its rate the longer it is, so it is found early and then tracked.
    if longer:
        tried = _grid(early, at, number, rich=rich, lag=_EARLY_LAG)
        wide: Iterable[Contour] = (one for one in tried if not _stands(one, early, strengths, _COARSE))
        for part, kept in _GROWING:
            frames = partials.first(part * _EARLY_SECONDS)
            wide = distinct(wide, kept)
            wide = sorted((_refined(one, frames, strengths, _REFINEMENTS[:2]) for one in wide), key=rank)
        found += distinct(wide, _REFINED)
    refined = sorted((_refined(one, partials, strengths, _REFINEMENTS) for one in found), key=rank)
    firsts = [one for one in refined[:_FIRSTS] if one.score > _CLEARER * result[0].score]
    refined = sorted([*refined, *_with_second(firsts, partials, strengths, at, number)], key=rank)
    moved = (one for one in refined if _moves(one, partials) and not _stands(one, partials, strengths))
    return (*result, *distinct(moved, moving))


def _with_second(
    firsts: Iterable[Contour], partials: Partials, strengths: Strengths, at: KeyStrengths, number: int
) -> Iterator[Contour]:
    """Contours with a second LFO, where it raises the score by a factor of ``_MORE``."""
    for first in firsts:
        if first.waveform == FALL or first.score > _EXPLAINED:
            continue
        base = first.moved(partials)
        tried = _grid(partials, at, number, rich=first.rich, lag=LAG, widest=_NARROW, base=base)
        for other in distinct((one for one in tried if one.waveform != FALL), _SECONDS):
            other = _refined(other, partials, strengths, _REFINEMENTS[:2], base=base)
            if other.score < _LIKELY * first.score:
                continue
            one = first
            for _ in range(_TURNS):
                moved = other.moved(partials)
                one = _refined(replace(one, key=other.key), partials, strengths, _REFINEMENTS, base=moved)
                moved = one.moved(partials)
                other = _refined(replace(other, key=one.key), partials, strengths, _REFINEMENTS, base=moved)
            if other.score > _MORE * first.score:
                alone = _refined(one, partials, strengths, _REFINEMENTS)  # which may have been close to enough
                pair = replace(one, key=other.key, score=other.score, second=other)
                yield alone if alone.score > _ENOUGH * pair.score else pair
                break


def _grid(
    partials: Partials,
    at: KeyStrengths,
    number: int,
    *,
    rich: bool,
    lag: float,
    widest: float = PITCH_REACH,
    base: Array | None = None,
) -> list[Contour]:
    """The best amount and key of every shape, the highest score first, on top of a base in semitones.

    Args:
        partials: partials of the clip, or of its beginning.
        at: strengths of the whole clip, by ``at_all_keys``.
        number: MIDI note number of the key.
        rich: whether the harmonics count too.
        lag: lag in cycles at the end if a rate is off by one step of the grid.
        widest: largest amount in semitones.
        base: pitch in semitones to which the modulation is added, shape ``(frames,)``; none if missing.
    """
    step = partials.per_semitone
    lowest = round(float(partials.bins(number - REACH))) + MARGIN * step
    base = np.zeros(partials.n_frames) if base is None else base
    found: list[Contour] = []
    for shape, every, curve, deviation in curves(partials.n_frames, partials.hop_seconds, lag):
        amounts = _AMOUNTS[(np.abs(_AMOUNTS) * deviation >= _STILLEST) & (np.abs(_AMOUNTS) <= widest)]
        if len(amounts) == 0:
            continue
        pitches = base[::every] + amounts[:, None] * curve
        places, swept = lowest + np.round(step * pitches).astype(int), sweeps(slope(pitches) / every, partials)
        scores = at.along(places, swept, np.arange(0, partials.n_frames, every))
        amount, key = np.unravel_index(int(scores.argmax()), scores.shape)
        score, moved = float(scores[amount, key]), float(amounts[amount])
        found.append(replace(shape, key=float(number - REACH + key), rich=rich, score=score, semitones=moved))
    return sorted(found, key=rank)


def rank(contour: Contour) -> float:
    """Sort key of contours, the highest score first."""
    return rank_of(contour.score, contour.phase)


def rank_of(score: float, phase: float) -> float:
    """Sort key of contours with a score and a phase, the highest score first."""
    return -score - (_FROM_START if phase == 0.0 else 0.0)


def _moves(contour: Contour, partials: Partials) -> bool:
    """Whether the pitch differs from its median for long enough not to count as constant."""
    keys = contour.keys(partials)
    return float(np.mean(np.abs(keys - np.median(keys)) > _STILLEST)) > _AWAY


def _stands(contour: Contour, partials: Partials, strengths: Strengths, within: float = 0.25) -> bool:
    """Whether both pitches of a rectangle, within some semitones, sound all the time: then they are two still ones."""
    if contour.waveform != "rectangle" or contour.second is not None:
        return False
    keys = contour.key + abs(contour.semitones), contour.key - abs(contour.semitones)
    return left_behind(contour.keys(partials) > contour.key, keys, partials, strengths, within) > _STANDS


def distinct(contours: Iterable[Contour], most: int) -> list[Contour]:
    """The first contours that differ from each other, at most ``most`` of them."""
    found: list[Contour] = []
    for contour in contours:
        if len(found) >= most:
            break
        if not any(_alike(contour, other) for other in found):
            found.append(contour)
    return found


def _alike(one: Contour, other: Contour) -> bool:
    return (
        (one.waveform, one.phase) == (other.waveform, other.phase)
        and abs(one.hz - other.hz) < _SAME_HZ
        and abs(one.semitones - other.semitones) < _SAME_SEMITONES
    )


def _refined(
    contour: Contour,
    partials: Partials,
    strengths: Strengths,
    steps: Iterable[tuple[float, float, float]],
    base: Array | float = 0.0,
) -> Contour:
    """The contour with the highest score close to a contour, on top of a base in semitones; steps become smaller."""
    seconds = partials.seconds
    for by_cycles, by_amount, by_key in steps:
        rates = np.maximum(contour.hz + _STEPS * by_cycles / seconds, 0.01)
        falls = np.clip(contour.fall * (1.0 + _STEPS * by_amount), 0.0, 1.0)
        tried = [replace(contour, hz=hz, fall=fall) for hz, fall in zip(rates.tolist(), falls.tolist(), strict=True)]
        curves = np.stack([signal(one, partials.times) for one in tried])
        amounts = contour.semitones + _STEPS * by_amount * max(abs(contour.semitones), _SMALLEST_AMOUNT)
        keys = contour.key + by_key * np.array([-1.0, 0.0, 1.0])
        pitches = keys[:, None] + (base + amounts[:, None] * curves[:, None, :])[:, :, None, :]
        scores = along(pitches, partials, strengths)
        rate, amount, key = np.unravel_index(int(scores.argmax()), scores.shape)
        contour = replace(
            tried[rate], semitones=float(amounts[amount]), key=float(keys[key]), score=float(scores[rate, amount, key])
        )
    return contour


def scored(contour: Contour, partials: Partials, strengths: Strengths) -> Contour:
    """The contour with its score."""
    return replace(contour, score=float(along(contour.keys(partials), partials, strengths)))
