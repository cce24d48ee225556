"""The background of a recording: a constant offset, and hiss, hum or crackle that is present all the time."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.clip.levels import FRAME, FRAMES_PER_SECOND, LOWEST_DB, Levels, spans
from render.audio import Audio
from render.note import SAMPLE_RATE

_SHORTEST_LEAD = 0.1  # seconds of background before a sound that starts at once
_LONG_LEAD = 0.3  # before one that fades in, or where there is less to tell it by
_PLATEAU = 0.5  # elsewhere
_BEGINNING = 0.05  # of a sound that starts at once
_RISE_DB = 10.0  # by which a sound stands out
_ABOVE_DB = 15.0  # by which its loudest frame stands out
_ABOVE_PLATEAU_DB = 20.0  # the same where no background comes before the sound
_STEADY_DB = 4.0  # between the first and the last decile of background
_SLOW_FRAMES = 10
_DRIFT_DB, _PLATEAU_DRIFT_DB = 2.0, 0.5  # between its first and its second half
_BELOW_DB = 3.0  # background is always there: no frame is further below it,
_SHARE_BELOW = 0.01  # but for this share
_FAINT_DB = 80.0  # background this far below the loudest frame does not matter
_LOUD_DB = 20.0  # below the loudest frame: where the sound is heard best
_FAR_DB = 30.0  # noise this far below a sound that is noise too is not a part of it
_NOISE = 0.1  # flatness: 0.5 to 1 for noise, a few hundredths for tones
_MAINS_HZ = (50.0, 60.0)
_MAINS_MULTIPLES = 10
_MAINS_TOLERANCE_HZ = 0.7
_SMALLEST_OFFSET = 1e-4  # of the peak: what counts as silence after a sound
_SURE = 4.0  # times the spread of its means, of which there must be
_FEWEST_MEANS, _MOST_MEANS = 3, 500  # so many
_SHARE_OF_QUIET = 0.02
_DIGITAL_SILENCE = SAMPLE_RATE // 1000  # samples of 0 that are more than a crossing
_FFT = 4096  # samples: 93 ms
_BAND_BINS = 16
_RISES = 4.0  # in power, when the sound comes: what does not
_SHARE_THAT_STAYS = 0.3  # makes at least this share of a background's power


@dataclass(frozen=True)
class Background:
    """A background that is present all the time.

    Attributes:
        level_db: level of its frames.
        peak: largest sample of it, clicks aside.
        start: first sample of a stretch where nothing else sounds.
        stop: end of that stretch.
        lasts: whether it continues during the sound and after it.
    """

    level_db: float
    peak: float
    start: int
    stop: int
    lasts: bool


def without_offset(audio: Audio) -> tuple[Audio, float]:
    """Remove the constant offset of a recording, but not an offset that belongs to its sound.

    The offset is the median of the means over 100 ms, if they hardly differ: the offset of a sound comes and goes with
    it. Stretches of digital silence, which were added around the recording later, stay silent.

    Args:
        audio: shape ``(channels, samples)``.

    Returns:
        The same array where there is no offset, otherwise a new one; and the largest offset of a channel.
    """
    offsets = [_offset(channel) for channel in audio]
    if not any(offsets):
        return audio, 0.0
    centred = audio.copy()
    for channel, offset in zip(centred, offsets, strict=True):
        silence = [(first, last) for first, last in spans(channel == 0.0) if last - first > _DIGITAL_SILENCE]
        channel -= np.float32(offset)
        for first, last in silence:
            channel[first:last] = 0.0
    return centred, max(offsets, key=abs)


def _offset(channel: NDArray[np.float32]) -> float:
    length = SAMPLE_RATE // 10
    n_means = min(2 * len(channel) // length - 1, _MOST_MEANS)
    if n_means < _FEWEST_MEANS:
        return 0.0
    starts = np.linspace(0, len(channel) - length, n_means).astype(np.int64)
    pieces = channel[starts[:, None] + np.arange(length)]
    pieces = pieces[np.count_nonzero(pieces, axis=1) > 0.9 * length]
    if len(pieces) < _FEWEST_MEANS:
        return 0.0
    window = np.hanning(length + 2)[1:-1]
    means = pieces @ window / window.sum()
    middle = float(np.median(means))
    spread = float(np.quantile(means, 0.95) - np.quantile(means, 0.05))
    quiet = np.quantile(pieces.std(axis=1, dtype=np.float64), 0.25)  # noise has a mean too, far below its power
    smallest = max(_SURE * spread, _SMALLEST_OFFSET * float(np.abs(channel).max()), _SHARE_OF_QUIET * quiet)
    return middle if abs(middle) > smallest else 0.0


def find_background(audio: Audio, levels: Levels) -> Background | None:
    """The background of a recording, or None if it contains only the sound and silence.

    Background is steady, well below the sound and, but for noise before it, never interrupted. It is looked for before
    the sound, where a rise must end it, and elsewhere at the lowest level. A sustained or modulated sound can have such
    stretches too, so what is neither noise nor mains hum must not get louder with the sound. Of 4,452 draws of the
    prior, which have no background, none is taken to have one.

    Args:
        audio: shape ``(channels, samples)`` at ``SAMPLE_RATE``.
        levels: its ``frame_levels``, without clicks.
    """
    if len(levels) == 0 or levels.max() <= LOWEST_DB:
        return None
    for span, leads in ((_lead(levels), True), (_plateau(levels), False)):
        if span is None:
            continue
        level = float(np.median(levels[span[0] : span[1]]))
        lasts = _lasts(levels, level)
        if level > levels.max() - _FAINT_DB and _is_foreign(audio, levels, span, leads=leads, lasts=lasts):
            return Background(level, _peak(audio, span), span[0] * FRAME, span[1] * FRAME, lasts)
    return _moving(audio, levels)


def _lasts(levels: Levels, level_db: float) -> bool:
    """Whether hardly a frame is softer than a level."""
    return bool(np.mean(levels[levels > LOWEST_DB] < level_db - _BELOW_DB) <= _SHARE_BELOW)


def _peak(audio: Audio, span: tuple[int, int]) -> float:
    """Largest sample of some frames, clicks aside."""
    stretch = audio[:, span[0] * FRAME : span[1] * FRAME]
    return float(np.quantile(np.abs(stretch).max(axis=0).reshape(-1, FRAME).max(axis=1), 0.9))


def quietest(audio: Audio, levels: Levels, ignored: NDArray[np.bool_]) -> Background | None:
    """The softest stretch of a recording that is said to be noisy; None if no stretch is clearly softer than the rest.

    Args:
        audio: shape ``(channels, samples)`` at ``SAMPLE_RATE``.
        levels: its ``frame_levels``, without clicks.
        ignored: frames that are left out, shape ``(frames,)``.
    """
    usable = (levels > LOWEST_DB) & ~ignored
    length = round(_SHORTEST_LEAD * FRAMES_PER_SECOND)
    if len(levels) < length:
        return None
    means = np.convolve(np.where(usable, levels, np.inf), np.full(length, 1.0 / length), "valid")
    first = int(np.argmin(means))
    if not means[first] <= levels.max() - _RISE_DB:
        return None
    softest = usable & (np.abs(levels - means[first]) <= _BELOW_DB)
    softest[first : first + length] = True
    first, last = next(span for span in spans(softest) if span[0] <= first < span[1])
    level = float(np.median(levels[first:last]))
    return Background(level, _peak(audio, (first, last)), first * FRAME, last * FRAME, lasts=True)


def _lead(levels: Levels) -> tuple[int, int] | None:
    """Frames of steady background before the first rise."""
    first = int(np.argmax(levels > LOWEST_DB))
    shortest = round(_SHORTEST_LEAD * FRAMES_PER_SECOND)
    seen = sorted(levels[first : first + shortest])
    for frame in range(first + shortest, len(levels) - 2):
        middle = seen[len(seen) // 2]
        if levels[frame : frame + 3].min() > middle + _RISE_DB:
            break
        insort(seen, levels[frame])
    else:
        return None
    last = first + int(np.flatnonzero(levels[first:frame] <= middle + _BELOW_DB)[-1]) + 1
    at_once = frame - last <= _BEGINNING * FRAMES_PER_SECOND
    needed = shortest if at_once else round(_LONG_LEAD * FRAMES_PER_SECOND)
    steady = last - first >= needed and _is_steady(levels[first:last], _DRIFT_DB)
    return (first, last) if steady and levels.max() - middle >= _ABOVE_DB else None


def _moving(audio: Audio, levels: Levels) -> Background | None:
    """Hiss or hum that fades in or out before a sound that starts at once; its level is that of its loudest part."""
    at_once, short, long = (round(one * FRAMES_PER_SECOND) for one in (_BEGINNING, _SHORTEST_LEAD, _LONG_LEAD))
    first = int(np.argmax(levels > LOWEST_DB))
    loudest_so_far = np.maximum.accumulate(levels)
    for frame in range(first + at_once + long, len(levels) - 2):
        last = frame - at_once
        if levels[frame : frame + 3].min() > loudest_so_far[last - 1] + _RISE_DB:
            break
    else:
        return None
    loud, loudest = (
        first + int(np.argmax(np.convolve(levels[first:last], np.ones(length), "valid"))) for length in (long, short)
    )
    slope, spread = _line(levels[loud : loud + long])
    rise_db = max(slope, 0.0) * (frame - loudest)  # it goes on until the sound begins
    level = float(np.median(levels[loudest : loudest + short])) + rise_db
    if not levels.max() - _FAINT_DB < level <= levels.max() - _ABOVE_DB or spread > _STEADY_DB:
        return None
    stretch = audio[:, loud * FRAME : (loud + long) * FRAME]
    sound = _spectrum(audio[:, frame * FRAME : (frame + long) * FRAME])
    noise = _flatness(_spectrum(stretch)) > _NOISE
    if _flatness(sound) > _NOISE or not (noise or _is_mains(stretch)):
        return None
    peak = _peak(audio, (loudest, loudest + short)) * 10.0 ** (rise_db / 20.0)
    return Background(level, peak, first * FRAME, last * FRAME, _lasts(levels[frame:], level))


def _line(stretch: Levels) -> tuple[float, float]:
    """Slope of levels in dB per frame, and the distance between the first and last decile around the straight line."""
    times = np.arange(len(stretch))
    line = np.polyfit(times, stretch, 1)
    low, high = np.quantile(stretch - np.polyval(line, times), (0.1, 0.9))
    return float(line[0]), float(high - low)


def _plateau(levels: Levels) -> tuple[int, int] | None:
    """The longest stretch of steady frames at the lowest level."""
    length = round(_PLATEAU * FRAMES_PER_SECOND)
    lowest = float(np.quantile(levels[levels > LOWEST_DB], 0.02))
    first, last = max(spans(np.abs(levels - lowest) <= _STEADY_DB), key=lambda span: span[1] - span[0], default=(0, 0))
    steady = last - first >= length and _is_steady(levels[first:last], _PLATEAU_DRIFT_DB)
    return (first, last) if steady and levels.max() - lowest >= _ABOVE_PLATEAU_DB else None


def _is_steady(stretch: Levels, drift_db: float) -> bool:
    """Whether levels neither spread nor drift; of a long stretch those over 0.1 s, as rumble is slow."""
    if len(stretch) >= 5 * _SLOW_FRAMES:
        power = np.convolve(10.0 ** (stretch / 10.0), np.full(_SLOW_FRAMES, 1.0 / _SLOW_FRAMES), "valid")
        stretch = 10.0 * np.log10(power)
    low, high = np.quantile(stretch, (0.1, 0.9))
    half = len(stretch) // 2
    return bool(high - low <= _STEADY_DB and abs(np.median(stretch[:half]) - np.median(stretch[half:])) <= drift_db)


def _is_foreign(audio: Audio, levels: Levels, span: tuple[int, int], *, leads: bool, lasts: bool) -> bool:
    """Whether a steady stretch is no part of the sound.

    Args:
        audio: shape ``(channels, samples)``.
        levels: shape ``(frames,)``.
        span: frames of the stretch.
        leads: whether it comes before the sound.
        lasts: whether no frame of the recording is much softer.
    """
    long = span[1] - span[0] >= _LONG_LEAD * FRAMES_PER_SECOND
    level, loudest = float(np.median(levels[span[0] : span[1]])), float(levels.max())
    far = loudest - level >= _FAR_DB
    loud = spans(levels > max(loudest - _LOUD_DB, 0.5 * (loudest + level)))
    first, last = max(loud, key=lambda one: one[1] - one[0])
    stretch = audio[:, span[0] * FRAME : span[1] * FRAME]
    before, sound = _spectrum(stretch), _spectrum(audio[:, first * FRAME : last * FRAME])
    stays = float(before[sound < _RISES * before].sum() / before.sum()) >= _SHARE_THAT_STAYS
    if _flatness(before) > _NOISE:
        if _flatness(sound) > _NOISE:
            return leads and lasts and long and far
        return (lasts or long) if leads else (lasts and far and stays)
    if leads and long:
        return lasts and (stays or _is_mains(stretch))
    return lasts and stays and _is_mains(stretch)


def _spectrum(audio: Audio) -> NDArray[np.float64]:
    """Power per bin, all channels together, averaged over windows; shape ``(_FFT // 2 + 1,)``."""
    length = min(_FFT, audio.shape[1])
    window = np.hanning(length + 2)[1:-1]
    power = np.full(_FFT // 2 + 1, np.finfo(np.float64).tiny)
    starts = range(0, min(audio.shape[1] - length, SAMPLE_RATE) + 1, max(length // 2, 1))
    for start in starts:
        pieces = np.fft.rfft(audio[:, start : start + length] * window, _FFT)
        power += np.square(np.abs(pieces)).sum(axis=0) / (len(starts) * np.square(window).sum())
    return power


def _flatness(power: NDArray[np.float64]) -> float:
    """Geometric over arithmetic mean within bands of 170 Hz, averaged over the bands by their power."""
    bands = power[1 : 1 + (len(power) - 1) // _BAND_BINS * _BAND_BINS].reshape(-1, _BAND_BINS)
    return float(np.exp(np.log(bands).mean(axis=1)).sum() / bands.mean(axis=1).sum())


def _is_mains(audio: Audio) -> bool:
    """Whether the strongest tone is a low multiple of the mains frequency."""
    mono = audio[int(np.argmax(np.square(audio, dtype=np.float64).sum(axis=1)))][: 2 * SAMPLE_RATE]
    n_fft = 8 * SAMPLE_RATE
    spectrum = np.abs(np.fft.rfft(mono * np.hanning(len(mono)), n_fft))
    hertz = float(np.argmax(spectrum)) * SAMPLE_RATE / n_fft
    return any(
        0 < round(hertz / mains) <= _MAINS_MULTIPLES and abs(hertz - round(hertz / mains) * mains) < _MAINS_TOLERANCE_HZ
        for mains in _MAINS_HZ
    )
