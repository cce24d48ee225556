"""Choice of one of several sounds in a recording: a target is one key press, a recording may contain more."""

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
_SHORTEST_EVENT = 5  # frames; clicks that come close to each other make shorter ones
_SOFT_DB = 20.0  # a sound this far below the loudest is not the one that is meant
_FAINT_DB = 30.0  # this far below it can be the beginning of a key press
_SOFTER_DB = 2.0  # a repeat this much softer may be an echo
_MUCH_SOFTER_DB = 8.0  # and one this much softer need not be alike: filters and modulation change echoes
_FAINT_ECHO_DB = 15.0  # below this the times of echoes are not clear
_SLOW_ATTACK, _SWELL_GAP = 0.1, 0.3  # seconds: a slow swell after so short a gap is the same sound
_LONGEST_DELAY = 4.0  # seconds: the instrument's longest delay time
_REGULAR = 0.06  # deviation of the times between regular events, as a share of the shortest of them,
_UNSURE_FRAMES = 3.0  # or in frames, as an onset is not exact
_ALIKE = 0.5  # cosine between magnitude spectra of the same pitch
_SMALLEST_STEP_DB, _SAME_STEP_DB = 0.5, 1.0  # from one repeat of a delay to the next
_EDGE_DB = 6.0  # a chopped sound goes on at the level where it stopped
_SPECTRUM_SECONDS = 0.25
_LOUD_SHARE = 0.1
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


def choose_event(audio: Audio, levels: Levels, background: Background | None) -> Choice:
    """Find the events of a recording and choose one: the first that is not much softer than the loudest.

    An event ends where nothing stands out of the background, or of silence, for 0.1 s. What one key press of a
    synthesizer can make stays together: softer repeats at regular times (a delay), pieces at a regular distance that
    go on where the last one stopped (a tremolo, a gate), and a swell soon after another. Of 4,452 draws of the prior,
    each one key press, 12 are divided: most have a delay whose repeats are as loud as the note, or a modulation that
    silences them in between.

    Args:
        audio: shape ``(channels, samples)`` at ``SAMPLE_RATE``.
        levels: its ``frame_levels``.
        background: what sounds all the time.
    """
    if background is not None and not background.lasts:
        levels = np.where(np.arange(len(levels)) < background.stop // FRAME, LOWEST_DB, levels)
    floor_db = background.level_db if background is not None and background.lasts else LOWEST_DB
    smooth = without_clicks(levels)
    events = _events(smooth, levels, floor_db)
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
    # Without a background, a click or a faint sound at the very start of a clip is that of its key press, unless
    # silence follows it.
    apart = levels[clicks[-1] + 2 : start] if len(clicks) else levels[:0]
    apart_by = len(apart) / FRAMES_PER_SECOND if len(apart) and apart.max() <= LOWEST_DB else 0.0
    faint = all(event.level_db < loudest - _FAINT_DB for event in events[:first])
    own_start = background is None and (len(clicks) == 0 or (clicks[0] <= 1 and faint and apart_by < _SHORTEST_GAP))
    if own_start:
        start, first = 0, 0
    stop_sample = stop * FRAME if stop < len(levels) else n_samples
    return Choice(
        start=start * FRAME,
        end=stop_sample if floor_db == LOWEST_DB else min(end * FRAME, stop_sample),
        stop=stop_sample,
        others=tuple(_onset_seconds(audio, event) for event in (*events[:first], *events[last + 1 :])),
        echoes=tuple(_onset_seconds(audio, event) for event in echoes),
        clicks=first == 0 and not own_start and len(clicks) > 0,
    )


def _events(levels: Levels, with_clicks: Levels, floor_db: float) -> list[_Event]:
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
        level = float(with_clicks[start:stop].max())
        start += int(np.argmax(stretch > floor))
        if found and start - found[-1].stop < _SHORTEST_GAP * FRAMES_PER_SECOND:
            start, level = found[-1].start, max(level, found.pop().level_db)
        found.append(_Event(start, stop, level))
    longest = max((event.stop - event.start for event in found), default=0)
    return [event for event in found if event.stop - event.start >= min(_SHORTEST_EVENT, 0.25 * longest)]


def _last(audio: Audio, levels: Levels, events: list[_Event]) -> tuple[int, list[_Event]]:
    """Number of the last event that belongs to the first, and those that are its echoes."""
    used = events[0]
    if _is_chopped(levels, events):
        return len(events) - 1, []
    if _fades_steadily(events):
        return len(events) - 1, events[1:]
    echoes: list[_Event] = []
    for number, event in enumerate(events[1:], start=1):
        gap = (event.start - events[number - 1].stop) / FRAMES_PER_SECOND
        softer_db = used.level_db - event.level_db
        alike = softer_db >= _MUCH_SOFTER_DB or _alike(audio, used, event)
        loud = [one for one in (*echoes, event) if one.level_db > used.level_db - _FAINT_ECHO_DB]
        echo = softer_db >= _SOFTER_DB and alike and gap < _LONGEST_DELAY and _is_regular([used, *loud])
        swell = alike and gap < _SWELL_GAP and _attack_seconds(levels, event) > _SLOW_ATTACK
        if not (echo or swell):
            return number - 1, echoes
        if echo:
            echoes.append(event)
    return len(events) - 1, echoes


def _onset_seconds(audio: Audio, event: _Event) -> float:
    """Where an event becomes loud within its first frames, which begin before it."""
    first = event.start * FRAME
    beginning = np.abs(audio[:, first : first + 3 * FRAME]).max(axis=0)
    return (first + int(np.argmax(beginning > _LOUD_SHARE * beginning.max()))) / SAMPLE_RATE


def _is_regular(events: list[_Event]) -> bool:
    """Whether the events lie at multiples of their shortest distance."""
    distances = np.diff([event.start for event in events])
    if len(distances) < 2:
        return True
    shortest = float(distances.min())
    return bool(np.abs(distances - shortest * np.round(distances / shortest)).max() <= _tolerance(shortest))


def _tolerance(distance: float) -> float:
    return max(_REGULAR * distance, _UNSURE_FRAMES)


def _is_chopped(levels: Levels, events: list[_Event]) -> bool:
    """Whether at least three events at a steady distance are one sound that is switched on and off."""
    distances = np.diff([event.start for event in events])
    if len(distances) < 2 or np.ptp(distances) > _tolerance(float(distances.min())):
        return False
    ends = [float(np.median(levels[event.stop - 4 : event.stop - 1])) for event in events[:-1]]
    starts = [float(np.median(levels[event.start + 1 : event.start + 4])) for event in events[1:]]
    steps = [abs(end - start) for end, start in zip(ends, starts, strict=True)]
    return max(steps) <= _EDGE_DB


def _fades_steadily(events: list[_Event]) -> bool:
    """Whether at least three events at regular times are softer from one to the next by about the same."""
    steps_db = -np.diff([event.level_db for event in events])
    steady = len(steps_db) >= 2 and steps_db.min() >= _SMALLEST_STEP_DB and np.ptp(steps_db) <= _SAME_STEP_DB
    return bool(steady) and _is_regular(events)


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
