"""Which of several sounds in a recording is used: a target is one key press, a recording may hold more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.clip.background import Background
from inference.clip.levels import FRAME, FRAMES_PER_SECOND, LOWEST_DB, Levels, spans, without_clicks
from render.audio import Audio
from render.note import SAMPLE_RATE

_SILENT_DB = 60.0  # below the loudest frame: what is softer ends an event
_STANDS_OUT_DB, _FADES_DB = 6.0, 3.0  # above the background: where an event begins, and where it ends
_SHORTEST_GAP = 0.1  # seconds of silence between two events
_SOFT_DB = 20.0  # a sound this far below the loudest is not the one that is meant
_SOFTER_DB = 2.0  # a repeat this much softer may be an echo
_MUCH_SOFTER_DB = 8.0  # and one this much softer need not be alike: filters and modulation change echoes
_FAINT_ECHO_DB = 15.0  # below this the times of echoes are not clear
_SLOW_ATTACK, _SWELL_GAP = 0.1, 0.3  # seconds: a slow swell after so short a gap is the same sound
_LONGEST_DELAY = 4.0  # seconds: the instrument's longest delay time
_REGULAR = 0.06  # deviation of the times between regular events, as a share of the shortest of them
_ALIKE = 0.5  # cosine between magnitude spectra of the same pitch
_EDGE_DB = 6.0  # a chopped sound goes on at the level where it stopped
_SPECTRUM_SECONDS = 0.25
_LEAD_FRAMES = 5  # before an event, where the onset is looked for


@dataclass(frozen=True)
class Choice:
    """The part of a recording that holds the sound to match.

    Attributes:
        start: first sample in which the sound may begin.
        end: sample before which it ends; silence after it may be kept,
        stop: up to this sample.
        others: onsets of the events that are not used, in seconds.
        echoes: onsets of events that are taken for echoes of the sound, and used with it, in seconds.
        clicks: whether clicks before the sound are left out.
    """

    start: int
    end: int
    stop: int
    others: tuple[float, ...] = ()
    echoes: tuple[float, ...] = ()
    clicks: bool = False


@dataclass(frozen=True)
class _Event:
    """Frames ``start`` to ``stop``, and their loudest level."""

    start: int
    stop: int
    level_db: float

    @property
    def seconds(self) -> float:
        return self.start / FRAMES_PER_SECOND


def choose_event(audio: Audio, levels: Levels, background: Background | None) -> Choice:
    """Find the events of a recording and choose one: the first that is not much softer than the loudest.

    An event ends where nothing stands out of the background, or of silence, for 0.1 s. What one key press of a
    synthesizer can make stays together: softer repeats at regular times (a delay), pieces at a regular distance that
    go on where the last one stopped (a tremolo, a gate), and a swell soon after another.

    Args:
        audio: shape ``(channels, samples)`` at ``SAMPLE_RATE``.
        levels: its ``frame_levels``.
        background: what sounds all the time.
    """
    if background is not None and not background.lasts:
        levels = np.where(np.arange(len(levels)) < background.stop // FRAME, LOWEST_DB, levels)
    floor_db = background.level_db if background is not None and background.lasts else LOWEST_DB
    smooth = without_clicks(levels)
    events = _events(smooth, floor_db)
    n_samples = audio.shape[1]
    if not events:
        return Choice(0, n_samples, n_samples)
    loudest = max(event.level_db for event in events)
    first = next(k for k, event in enumerate(events) if event.level_db >= loudest - _SOFT_DB)
    last, echoes = _last(audio, smooth, events[first:])
    last += first
    start = max(events[first].start - _LEAD_FRAMES, events[first - 1].stop if first else 0)
    stop = events[last + 1].start - 1 if last + 1 < len(events) else len(levels)
    end = min(events[last].stop + _LEAD_FRAMES, stop)
    clicks = np.flatnonzero(levels[:start] > max(loudest - _SILENT_DB, floor_db + _STANDS_OUT_DB))
    # A clip that was cut at the key press can begin with a click or a soft part of its own.
    own_start = background is None and (start == 0 or len(clicks) == 0 or clicks[0] <= 1)
    if own_start:
        start, first = 0, 0
    stop_sample = stop * FRAME if stop < len(levels) else n_samples
    return Choice(
        start=start * FRAME,
        end=stop_sample if floor_db == LOWEST_DB else min(end * FRAME, stop_sample),
        stop=stop_sample,
        others=tuple(event.seconds for event in (*events[:first], *events[last + 1 :])),
        echoes=echoes,
        clicks=first == 0 and not own_start and len(clicks) > 0,
    )


def _events(levels: Levels, floor_db: float) -> list[_Event]:
    """Events above a floor, in the order of time."""
    if len(levels) == 0:
        return []
    silent = float(levels.max()) - _SILENT_DB
    floor = max(silent, floor_db + _STANDS_OUT_DB)
    fades = max(silent, floor_db + _FADES_DB)
    found: list[_Event] = []
    for start, stop in spans(levels > fades):
        stretch = levels[start:stop]
        if stretch.max() <= floor:
            continue
        start += int(np.argmax(stretch > floor))
        level = float(stretch.max())
        if found and start - found[-1].stop < _SHORTEST_GAP * FRAMES_PER_SECOND:
            start, level = found[-1].start, max(level, found.pop().level_db)
        found.append(_Event(start, stop, level))
    return found


def _last(audio: Audio, levels: Levels, events: list[_Event]) -> tuple[int, tuple[float, ...]]:
    """Number of the last event that belongs to the first, and the times of those that are its echoes."""
    used = events[0]
    if _is_chopped(levels, events):
        return len(events) - 1, ()
    echoes: list[_Event] = []
    for number, event in enumerate(events[1:], start=1):
        gap = (event.start - events[number - 1].stop) / FRAMES_PER_SECOND
        softer_db = used.level_db - event.level_db
        alike = softer_db >= _MUCH_SOFTER_DB or _alike(audio, used, event)
        loud = [one for one in (*echoes, event) if one.level_db > used.level_db - _FAINT_ECHO_DB]
        echo = softer_db >= _SOFTER_DB and alike and gap < _LONGEST_DELAY and _is_regular([used, *loud])
        swell = alike and gap < _SWELL_GAP and _attack_seconds(levels, event) > _SLOW_ATTACK
        if not (echo or swell):
            return number - 1, tuple(one.seconds for one in echoes)
        if echo:
            echoes.append(event)
    return len(events) - 1, tuple(one.seconds for one in echoes)


def _is_regular(events: list[_Event]) -> bool:
    """Whether the events lie at multiples of their shortest distance."""
    distances = np.diff([event.start for event in events])
    if len(distances) < 2:
        return True
    ratios = distances / distances.min()
    return bool(np.abs(ratios - np.round(ratios)).max() <= _REGULAR)


def _is_chopped(levels: Levels, events: list[_Event]) -> bool:
    """Whether at least three events at a steady distance are one sound that is switched on and off."""
    distances = np.diff([event.start for event in events])
    if len(distances) < 2 or np.ptp(distances) > max(_REGULAR * distances.min(), 2):
        return False
    steps = [
        abs(float(np.median(levels[later.start + 1 : later.start + 4]) - np.median(levels[one.stop - 4 : one.stop - 1])))
        for one, later in zip(events, events[1:], strict=False)
    ]
    return max(steps) <= _EDGE_DB


def _attack_seconds(levels: Levels, event: _Event) -> float:
    return float(np.argmax(levels[event.start : event.stop] > event.level_db - _EDGE_DB)) / FRAMES_PER_SECOND


def _alike(audio: Audio, one: _Event, other: _Event) -> bool:
    """Whether the beginnings of two events have the same partials, whatever their level."""
    n_samples = round(_SPECTRUM_SECONDS * SAMPLE_RATE)
    n_samples = min(n_samples, FRAME * (one.stop - one.start), FRAME * (other.stop - other.start))
    spectra = []
    for event in (one, other):
        piece = audio[:, event.start * FRAME : event.start * FRAME + n_samples]
        spectra.append(np.sqrt(np.square(np.abs(np.fft.rfft(piece * np.hanning(n_samples)))).sum(axis=0)))
    norms = np.linalg.norm(spectra[0]) * np.linalg.norm(spectra[1])
    return bool(norms > 0.0 and float(spectra[0] @ spectra[1]) >= _ALIKE * norms)
