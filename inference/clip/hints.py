"""Estimates from a clip: rates of modulation, delay times, brightness and level over time, partials and sweeps.

All but the last two come from log-mel bands every 5 ms. A modulation of any kind (level, filter, pulse width, pitch)
changes the bands periodically, which gives a line in the spectra of the bands over time (the *modulation spectrum*). An
echo repeats the onsets, which gives a peak in the autocorrelation of the bands' increases.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from inference.clip.partials import find_partials
from inference.clip.sweeps import find_sweeps
from render.audio import Audio
from render.instruments.hints import Hints
from render.measures.spectra import MelScale, decibels, floor_of, mel_power
from render.note import SAMPLE_RATE

_SCALE = MelScale(23, 5, 40)
_FRAMES_PER_SECOND = 200.0
_FLOOR_DB = 50.0  # below the loudest band: what is quieter moves by chance
_QUIET_DB = 30.0  # below the loudest frame: the balance of what is quieter is not used
_LEAST_BALANCE = 0.01  # standard deviation of a balance that changes
_SLOWEST_CYCLES = 1.5  # per clip: a slower line cannot be told from a trend
_FASTEST_HZ = 30.0
_BINS_PER_LINE = 8  # of the zero-padded spectrum
_BACKGROUND_LINES = 4  # lines on each side over which a line must stand out
_SHORTEST_ECHO, _LONGEST_ECHO = 0.03, 1.5  # seconds
_REMOVED = 1.5  # factor of the power of a sound that is removed
_N_RATES, _N_DELAYS = 4, 3
_SAME_RATE = 0.08  # relative

Bands = NDArray[np.float64]


def estimate_hints(audio: Audio, gate_seconds: float) -> Hints:
    """Estimate the hints from a clip.

    Args:
        audio: the clip.
        gate_seconds: length of the key press; modulation is estimated before its end, if that is long enough, because a
            release hides it.

    Shape:
        audio: ``(channels, samples)``.
    """
    power = _power(audio)
    levels = _levels(power, power)
    return Hints(
        _rates(_held(levels, gate_seconds)),
        _delays(levels),
        audio.shape[1] / SAMPLE_RATE,
        *_curves_over_time(power),
        _balance(power) if len(audio) > 1 else (),
        find_partials(audio, gate_seconds),
        find_sweeps(audio, gate_seconds),
    )


def estimate_left_hints(audio: Audio, gate_seconds: float, others: Audio) -> Hints:
    """Estimate rates, brightness, loudness and sweeps of what is left of a clip without a part of its sound.

    Args:
        audio: the clip.
        gate_seconds: length of the key press.
        others: the part, as loud as it is in the clip.

    Shape:
        audio: ``(channels, samples)``.
        others: ``(channels, samples)``, as long as ``audio``.
    """
    whole = _power(audio)
    part = _power(others).reshape(len(whole), len(others), -1).mean(axis=1)
    left = np.maximum(whole - _REMOVED * np.tile(part, len(audio)), 0.0)
    return Hints(
        _rates(_held(_levels(left, whole), gate_seconds)),
        (),
        audio.shape[1] / SAMPLE_RATE,
        *_curves_over_time(left),
        sweeps=find_sweeps(audio, gate_seconds, others),
    )


def _power(audio: Audio) -> Bands:
    """Power of the bands of all channels side by side."""
    return np.concatenate([mel_power(one.astype(np.float64), _SCALE, SAMPLE_RATE) for one in audio], axis=1)


def _levels(power: Bands, whole: Bands) -> Bands:
    """Levels of bands in dB above a floor that depends on the loudest band of the clip."""
    lowest = max(floor_of(whole), float(whole.max()) * 10.0 ** (-_FLOOR_DB / 10.0))
    return decibels(power, lowest).astype(np.float64)


def _held(levels: Bands, gate_seconds: float) -> Bands:
    """The frames before the end of the key press, or the first half of the clip."""
    return levels[: max(int(gate_seconds * _FRAMES_PER_SECOND), len(levels) // 2)]


def _rates(levels: Bands) -> tuple[float, ...]:
    """The strongest lines of the modulation spectrum in Hz, and after them slower rates, which have no line."""
    n = len(levels)
    seconds = n / _FRAMES_PER_SECOND
    slow = tuple(cycles / seconds for cycles in (1.0, 0.5))
    if n < 16:
        return slow
    spectrum = _modulation_spectrum(levels)
    hz = np.arange(len(spectrum)) / (_BINS_PER_LINE * seconds)
    around = scipy.ndimage.median_filter(spectrum, 2 * _BACKGROUND_LINES * _BINS_PER_LINE + 1, mode="nearest")
    prominence = spectrum / (around + 1e-3 * spectrum.max() + 1e-12)
    usable = (hz >= _SLOWEST_CYCLES / seconds) & (hz <= _FASTEST_HZ)
    peaks = [k for k in range(1, len(hz) - 1) if usable[k] and spectrum[k - 1] <= spectrum[k] > spectrum[k + 1]]
    # A line's strength alone prefers slow rates, its prominence alone prefers faint ones.
    peaks.sort(key=lambda k: -float(np.sqrt(spectrum[k]) * np.log1p(prominence[k])))
    rates = [float(hz[k]) for k in peaks[:_N_RATES]]
    if rates:  # what goes up and down around a symmetrical point sounds the same twice in a cycle
        half = 0.5 * rates[0]
        rates = [rates[0], half, *(rate for rate in rates[1:] if abs(rate / half - 1.0) > _SAME_RATE)]
    return (*rates, *slow)


def _modulation_spectrum(levels: Bands) -> Bands:
    """Power over the modulation rate, summed over the bands, after a parabola is subtracted from each band."""
    n = len(levels)
    time = np.linspace(-1.0, 1.0, n)
    trend = np.polynomial.polynomial.polyvander(time, 2)
    rest = levels - trend @ np.linalg.lstsq(trend, levels, rcond=None)[0]
    window = np.hanning(n + 2)[1:-1, None]
    power = np.square(np.abs(scipy.fft.rfft(rest * window, _BINS_PER_LINE * n, axis=0)))
    return np.asarray(power.sum(axis=1))


def _delays(levels: Bands) -> tuple[float, ...]:
    """The strongest peaks of the autocorrelation of the bands' increases, in seconds."""
    rises = np.maximum(np.diff(levels, axis=0), 0.0)
    rises -= rises.mean(axis=0)
    n = len(rises)
    first, last = int(_SHORTEST_ECHO * _FRAMES_PER_SECOND), min(int(_LONGEST_ECHO * _FRAMES_PER_SECOND), n - 2)
    if last <= first + 2:
        return ()
    power = np.square(np.abs(scipy.fft.rfft(rises, 2 * n, axis=0))).sum(axis=1)
    correlation = scipy.fft.irfft(power, 2 * n)[: last + 2]
    peaks = [k for k in range(first, last) if correlation[k - 1] <= correlation[k] > correlation[k + 1]]
    peaks.sort(key=lambda k: -float(correlation[k]))
    return tuple(k / _FRAMES_PER_SECOND for k in peaks[:_N_DELAYS])


def _curves_over_time(power: Bands) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Brightness and loudness over the clip, each between 0 and 1."""
    total = power.sum(axis=1) + 1e-30
    sounding = total > float(total.max()) * 10.0 ** (-_FLOOR_DB / 10.0)
    bands = np.arange(power.shape[1]) % _SCALE.n_mels
    centre = power @ bands / total  # mean band number, which is about logarithmic in frequency
    centre = np.interp(np.arange(len(centre)), np.flatnonzero(sounding), centre[sounding])
    low, high = np.percentile(centre, [5.0, 95.0])
    brightness = np.clip((centre - low) / max(float(high - low), 1e-6), 0.0, 1.0)
    loudness = np.sqrt(total / total.max())
    return tuple(brightness.tolist()), tuple(loudness.tolist())


def _balance(power: Bands) -> tuple[float, ...]:
    """Balance of two sides over time, if it changes; where the sound is too quiet it is interpolated."""
    left, right = (np.sqrt(side.sum(axis=1)) for side in np.split(power, 2, axis=1))
    total = left + right + 1e-15
    sounding = np.flatnonzero(total > float(total.max()) * 10.0 ** (-_QUIET_DB / 20.0))
    balance = np.interp(np.arange(len(total)), sounding, ((left - right) / total)[sounding])
    return tuple(balance.tolist()) if float(np.std(balance)) > _LEAST_BALANCE else ()
