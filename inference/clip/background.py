"""What a recording holds beside its sound: a constant offset, and hiss, hum or crackle that was there all the time."""

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
_ABOVE_PLATEAU_DB = 30.0  # the same where no background comes before the sound
_STEADY_DB = 4.0  # between the first and the last decile of background
_DRIFT_DB = 2.0  # between its first and its second half
_BELOW_DB = 3.0  # background is always there: no frame is further below it,
_SHARE_BELOW = 0.01  # but for this share
_FAINT_DB = 80.0  # background this far below the loudest frame does not matter
_LOUD_DB = 20.0  # below the loudest frame: where the sound is heard best
_FAR_DB = 30.0  # noise this far below a sound that is noise too is not a part of it
_NOISE = 0.1  # flatness: 0.5 to 1 for noise, a few hundredths for tones
_MAINS_HZ = (50.0, 60.0)
_MAINS_MULTIPLES = 10
_MAINS_TOLERANCE_HZ = 0.7
_SMALLEST_OFFSET = 5e-5  # of the peak: half of what counts as silence after a sound
_FFT = 4096  # samples: 93 ms
_BAND_BINS = 16
_PEAK_BINS = 3


@dataclass(frozen=True)
class Background:
    """What sounds all the time.

    Attributes:
        level_db: level of its frames.
        peak: largest sample of it, clicks aside.
        start: first sample of a stretch where nothing else sounds.
        stop: end of that stretch.
        lasts: whether it goes on during the sound and after it.
    """

    level_db: float
    peak: float
    start: int
    stop: int
    lasts: bool


def constant_offset(audio: Audio) -> NDArray[np.float32]:
    """The constant part of each channel that does not belong to its sound, shape ``(channels, 1)``; mostly 0.

    It is the median of the means over 100 ms, where they hardly differ: the part that a sound brings along comes and
    goes with it.
    """
    length = min(SAMPLE_RATE // 10, audio.shape[1])
    hop = max(length // 2, 1)
    window = np.hanning(length + 2)[1:-1]
    offsets = np.zeros((len(audio), 1), np.float32)
    for channel, offset in zip(audio, offsets, strict=True):
        pieces = np.lib.stride_tricks.sliding_window_view(channel, length)[::hop]
        pieces = pieces[pieces.any(axis=1)]
        if len(pieces) == 0:
            continue
        means = pieces @ window / window.sum()
        middle = float(np.median(means))
        spread = float(np.quantile(means, 0.95) - np.quantile(means, 0.05))
        if abs(middle) > max(2.0 * spread, _SMALLEST_OFFSET * float(np.abs(channel - middle).max())):
            offset[:] = middle
    return offsets


def find_background(audio: Audio, levels: Levels) -> Background | None:
    """The background of a recording, or None where nothing but the sound, or silence, is heard.

    Background is steady, well below the sound and, but for noise before it, never interrupted. It is looked for before
    the sound, where a rise must end it, and elsewhere at the lowest level. A sustained or modulated sound can have such
    stretches too, so what is neither noise nor mains hum must not get louder with the sound. Of 4,500 draws of the
    prior, which have no background, FIXME are taken to have one.

    Args:
        audio: shape ``(channels, samples)`` at ``SAMPLE_RATE``.
        levels: its ``frame_levels``, without clicks.
    """
    if len(levels) == 0 or levels.max() <= LOWEST_DB:
        return None
    for find in (_lead, _plateau):
        span = find(levels)
        if span is None:
            continue
        level = float(np.median(levels[span[0] : span[1]]))
        if level < levels.max() - _FAINT_DB:
            continue
        lasts = bool(np.mean(levels[levels > LOWEST_DB] < level - _BELOW_DB) <= _SHARE_BELOW)
        long = span[1] - span[0] >= _LONG_LEAD * FRAMES_PER_SECOND
        kind = _Kind.of(audio, levels, span)
        if (kind.foreign and (lasts or (long and find is _lead))) or (
            kind.perhaps_foreign and lasts and long and find is _lead
        ):
            start, stop = span[0] * FRAME, span[1] * FRAME
            peaks = np.abs(audio[:, start:stop]).max(axis=0).reshape(-1, FRAME).max(axis=1)
            return Background(level, float(np.quantile(peaks, 0.9)), start, stop, lasts)
    return None


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
    steady = last - first >= needed and _is_steady(levels[first:last])
    return (first, last) if steady and levels.max() - middle >= _ABOVE_DB else None


def _plateau(levels: Levels) -> tuple[int, int] | None:
    """The longest stretch of steady frames at the lowest level."""
    length = round(_PLATEAU * FRAMES_PER_SECOND)
    lowest = float(np.quantile(levels[levels > LOWEST_DB], 0.02))
    first, last = max(
        spans(np.abs(levels - lowest) <= _STEADY_DB), key=lambda span: span[1] - span[0], default=(0, 0)
    )
    steady = last - first >= length and _is_steady(levels[first:last])
    return (first, last) if steady and levels.max() - lowest >= _ABOVE_PLATEAU_DB else None


def _is_steady(stretch: Levels) -> bool:
    low, high = np.quantile(stretch, (0.1, 0.9))
    half = len(stretch) // 2
    return bool(high - low <= _STEADY_DB and abs(np.median(stretch[:half]) - np.median(stretch[half:])) <= _DRIFT_DB)


@dataclass(frozen=True)
class _Kind:
    """What a steady stretch may be, besides a part of the sound.

    Attributes:
        foreign: noise where the sound is none, or mains hum that does not rise with the sound.
        perhaps_foreign: also noise far below a noisy sound, and any tone that does not rise with the sound.
    """

    foreign: bool
    perhaps_foreign: bool

    @classmethod
    def of(cls, audio: Audio, levels: Levels, span: tuple[int, int]) -> _Kind:
        first, last = max(spans(levels > levels.max() - _LOUD_DB), key=lambda loud: loud[1] - loud[0])
        stretch = audio[:, span[0] * FRAME : span[1] * FRAME]
        before, sound = _spectrum(stretch), _spectrum(audio[:, first * FRAME : last * FRAME])
        if _flatness(before) > _NOISE:
            tonal = _flatness(sound) <= _NOISE
            far = levels.max() - float(np.median(levels[span[0] : span[1]])) >= _FAR_DB
            return cls(tonal, tonal or far)
        peaks = np.argsort(before)[-_PEAK_BINS:]
        rises = float(np.median(10.0 * np.log10(sound[peaks] / before[peaks]))) > _BELOW_DB
        return cls(not rises and _is_mains(stretch), not rises or _is_mains(stretch))


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
