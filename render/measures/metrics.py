"""The distances between two sounds that the field reports, in numpy, checked against published reference values.

These are for *reporting* a match; what the search minimises is ``render/measures/distance.py``. Definitions: the
project's evidence notes, section "Metrics that the field uses". Where those leave a choice open, the choice here is the
one that reproduces the reference table beside the golden renders of the real plug-in to its printed third decimal:

* **Ends**: half a window of zeros before and after, then zeros until the last frame is whole (the convention of
  ``scipy.signal.stft``). On the reference table reflected ends move MSS by up to 0.74 dB, no padding by up
  to 0.93 dB, dropping the partial last frame by up to 0.30 dB.
* **Windows and hops** in milliseconds are rounded down to whole samples (220.5 becomes 220); Hann windows are periodic.
* **FFT** of the log-mel bands: the next power of two of the window, at least 1024 (window at its start).
* **Mel bands**: HTK scale, corners linear in Hz, triangles of area 1 (height ``2 / width_hz``).
* **Floor**: 80 dB below the target's largest band *of that resolution*, applied to both sounds. A target whose largest
  squared FFT magnitude (or band) is below ``SILENT_POWER`` is silent, and is floored as if it were that large. A
  distance from a silent target is finite, but says little beyond "not silent".

Every function takes ``(target, other, sample_rate)``: floating-point arrays of shape ``(channels, samples)``, with one
or two channels, or ``(samples,)``, full scale at 1. Except in ``side_mss`` a sound is the mean of its sides. Levels are
not matched. The shorter sound is continued with silence to the length of the longer. 0 means equal, and all of them are
finite for any input that is accepted.

Raises, all of them:
    InvalidAudio: for no samples, a wrong shape or type, NaN, infinity or samples beyond ``LARGEST_SAMPLE``.
    OutOfRange: for a sample rate below ``LOWEST_SAMPLE_RATE``.
"""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from render.errors import InvalidAudio, OutOfRange

FloatArray = NDArray[np.floating[Any]]

AnyAudio = FloatArray
"""Shape ``(channels, samples)`` or ``(samples,)``."""

Mono = NDArray[np.float64]
"""Shape ``(samples,)``."""

FLOOR_DB = 80.0
SILENT_POWER = 1e-8
"""About a sine of peak 1e-5 in the 10 ms window, of 2e-6 in the 25 ms one, of 4e-7 in the 100 ms one and in LSD."""
LARGEST_SAMPLE = 1e6
"""+120 dB of full scale: beyond is a broken render; squares would leave float32 some way above."""
LOWEST_SAMPLE_RATE = 8000
LOWEST_MEL_HZ = 20.0
SMALLEST_MEL_FFT = 1024

LSD_FFT, LSD_HOP = 1024, 256
SOT_WINDOW_MS, SOT_HOP_MS = 50, 20
SOT_GATE = 1e-4
RMS_WINDOW_MS, RMS_HOP_MS = 50, 25
WMFCC_COEFFICIENTS = 20
MRSTFT_FFTS = (1024, 2048, 512)
MRSTFT_SMALLEST_POWER = 1e-8
"""``eps`` of auraloss 0.4's ``STFTLoss``."""


@dataclass(frozen=True, slots=True)
class MelScale:
    """One log-mel resolution."""

    window_ms: int
    hop_ms: int
    n_mels: int


MSS_SCALES = (MelScale(10, 5, 32), MelScale(25, 10, 64), MelScale(100, 50, 128))
"""The evidence notes; hops are half, about 0.4 and half a window."""
WMFCC_SCALE = MelScale(50, 10, 128)


@dataclass(frozen=True, slots=True)
class Distances:
    """All metrics of one pair.

    Attributes:
        mss: log-mel difference in dB, mean of three resolutions.
        lsd: log-spectral distance in dB.
        sot: spectral optimal transport in kHz.
        wmfcc: warped cepstral distance, mean over coefficients, in dB of the orthonormal DCT.
        rms_cosine: 1 minus the cosine between the RMS envelopes, 0 to 1.
        mrstft: auraloss's multi-resolution STFT loss.
        side_mss: ``mss`` of left minus right; None if the target's sides are equal.
    """

    mss: float
    lsd: float
    sot: float
    wmfcc: float
    rms_cosine: float
    mrstft: float
    side_mss: float | None

    def as_dict(self) -> dict[str, float | None]:
        """Name to value, in the order of the fields."""
        return asdict(self)


def distances(target: AnyAudio, other: AnyAudio, sample_rate: int) -> Distances:
    """Every metric of one pair; see the module for what is accepted and raised."""
    return Distances(
        mss=mss(target, other, sample_rate),
        lsd=lsd(target, other, sample_rate),
        sot=sot(target, other, sample_rate),
        wmfcc=wmfcc(target, other, sample_rate),
        rms_cosine=rms_cosine(target, other, sample_rate),
        mrstft=mrstft(target, other, sample_rate),
        side_mss=side_mss(target, other, sample_rate),
    )


class MssTarget:
    """A target with its log-mel bands computed once, for the MSS of many candidates.

    Cheapest when candidates are no longer than the target: a longer one has the target's bands computed anew.

    Args:
        target: shape ``(channels, samples)`` or ``(samples,)``.
        sample_rate: in Hz, of target and candidates.

    Raises:
        InvalidAudio: see the module.
        OutOfRange: see the module.
    """

    def __init__(self, target: AnyAudio, sample_rate: int) -> None:
        self.sample_rate = _checked_rate(sample_rate)
        self._mono = _mono(target, "target")
        self._bands = self._bands_at(self._mono.size)

    @property
    def n_samples(self) -> int:
        """Length of the target."""
        return self._mono.size

    def distance(self, other: AnyAudio) -> float:
        """MSS in dB from the target to ``other``, of shape ``(channels, samples)`` or ``(samples,)``."""
        mono = _mono(other, "other")
        n_samples = max(mono.size, self.n_samples)
        bands = self._bands if n_samples == self.n_samples else self._bands_at(n_samples)
        mono = _padded(mono, n_samples)
        total = 0.0
        for scale, (target_db, floor) in zip(MSS_SCALES, bands, strict=True):
            other_db = _decibels(_mel_power(mono, scale, self.sample_rate), floor)
            total += float(np.abs(other_db - target_db).mean(dtype=np.float64))
        return total / len(MSS_SCALES)

    def _bands_at(self, n_samples: int) -> list[tuple[FloatArray, float]]:
        """Per resolution the target's bands in dB, ``(frames, mels)``, and the floor as a power."""
        mono = _padded(self._mono, n_samples)
        powers = [_mel_power(mono, scale, self.sample_rate) for scale in MSS_SCALES]
        return [(_decibels(power, _floor(power)), _floor(power)) for power in powers]


def mss(target: AnyAudio, other: AnyAudio, sample_rate: int) -> float:
    """Multi-scale log-mel difference in dB.

    Mean over all frames and bands of the absolute difference, then over ``MSS_SCALES``. Not symmetric only in that the
    floor is the target's.
    """
    return MssTarget(target, sample_rate).distance(other)


def side_mss(target: AnyAudio, other: AnyAudio, sample_rate: int) -> float | None:
    """MSS in dB of the side signals, left minus right.

    Returns:
        None if the target is mono: one channel, or a side more than ``FLOOR_DB`` below the sum of the channels' energy
        (a stereo file of a mono sound). A mono ``other`` has a silent side.
    """
    _checked_rate(sample_rate)
    target, other = _checked(target, "target"), _checked(other, "other")
    side = _side(target)
    if np.square(side).sum() <= 10.0 ** (-FLOOR_DB / 10.0) * np.square(target).sum():
        return None
    return MssTarget(side, sample_rate).distance(_side(other))


def lsd(target: AnyAudio, other: AnyAudio, sample_rate: int) -> float:
    """Log-spectral distance in dB: root mean square over the bins of a frame, mean over frames.

    FFT and hop are in samples (1024, 256) at any rate; the floor is 80 dB below the target's largest bin.
    """
    a, b = _mono_pair(target, other, sample_rate)
    power_a, power_b = (np.square(_magnitudes(_zero_ended(x, LSD_FFT, LSD_HOP), LSD_FFT)) for x in (a, b))
    floor = _floor(power_a)
    difference = _decibels(power_a, floor) - _decibels(power_b, floor)
    return float(np.sqrt(np.square(difference).mean(axis=1)).mean())


def sot(target: AnyAudio, other: AnyAudio, sample_rate: int) -> float:
    """Spectral optimal transport in kHz: mean over frames of the 1-D Wasserstein distance of normalised magnitudes.

    The FFT is exactly one window long. The integral over frequency is the mean over all bins, the last included, times
    half the sample rate. A frame counts if the summed magnitude of the louder of its two spectra is above ``SOT_GATE``
    of the largest such sum. In it, a sound that is exactly silent has no mass anywhere, so its distance is as if its
    mass were at half the sample rate: arbitrary, but large, finite and what the reference does. 0 if no frame counts.
    """
    a, b = _mono_pair(target, other, sample_rate)
    window, hop = _samples(SOT_WINDOW_MS, sample_rate), _samples(SOT_HOP_MS, sample_rate)
    spectra_a, spectra_b = (_magnitudes(_zero_ended(x, window, hop), window) for x in (a, b))
    sums_a, sums_b = spectra_a.sum(axis=1), spectra_b.sum(axis=1)
    louder = np.maximum(sums_a, sums_b)
    counts = louder > SOT_GATE * louder.max()
    if not counts.any():
        return 0.0
    smallest = np.finfo(np.float64).tiny  # of a silent frame: 0 / smallest is 0
    mass_a = spectra_a[counts] / np.maximum(sums_a[counts], smallest)[:, None]
    mass_b = spectra_b[counts] / np.maximum(sums_b[counts], smallest)[:, None]
    return float(np.abs(np.cumsum(mass_a - mass_b, axis=1)).mean() * sample_rate / 2.0 / 1000.0)


def wmfcc(target: AnyAudio, other: AnyAudio, sample_rate: int) -> float:
    """Time-warped cepstral distance: the mean cost per step of the cheapest path of dynamic time warping.

    The cost of two frames is the *mean* absolute difference of their ``WMFCC_COEFFICIENTS`` coefficients (orthonormal
    DCT-II of the log-mel bands in dB, floored as in MSS); steps go down, right or both, each costs the cell it reaches,
    the first cell included. Takes memory and time of the square of the length: 10 s are 10^6 cells.
    """
    a, b = _mono_pair(target, other, sample_rate)
    power_a, power_b = (_mel_power(x, WMFCC_SCALE, sample_rate) for x in (a, b))
    floor = _floor(power_a)
    return _warped_mean(_frame_costs(_cepstrum(power_a, floor), _cepstrum(power_b, floor)))


def rms_cosine(target: AnyAudio, other: AnyAudio, sample_rate: int) -> float:
    """1 minus the cosine between the RMS envelopes (50 ms windows every 25 ms): 0 for equal shapes at any level.

    Windows start at the first sample; the last is completed with zeros. 0 for two silent sounds, 1 if one is.
    """
    a, b = _mono_pair(target, other, sample_rate)
    window, hop = _samples(RMS_WINDOW_MS, sample_rate), _samples(RMS_HOP_MS, sample_rate)
    envelope_a, envelope_b = (np.sqrt(np.square(_frames(x, window, hop)).mean(axis=1)) for x in (a, b))
    largest_a, largest_b = envelope_a.max(), envelope_b.max()
    if largest_a == 0.0 or largest_b == 0.0:
        return 0.0 if largest_a == largest_b else 1.0
    # Scaled to 1 first: squares of the faintest envelopes would vanish.
    envelope_a, envelope_b = envelope_a / largest_a, envelope_b / largest_b
    cosine = envelope_a @ envelope_b / (np.linalg.norm(envelope_a) * np.linalg.norm(envelope_b))
    return float(max(0.0, 1.0 - cosine))


def mrstft(
    target: AnyAudio, other: AnyAudio, sample_rate: int, *, ends: Literal["reflected", "zeros"] = "reflected"
) -> float:
    """Multi-resolution STFT loss: spectral convergence plus mean absolute difference of natural log magnitudes.

    Equals auraloss 0.4's ``MultiResolutionSTFTLoss(fft_sizes=[1024, 2048, 512], hop_sizes=[256, 512, 128],
    win_lengths=[1024, 2048, 512])(other, target)``; in that order, as convergence is relative to the second argument.
    Sizes are in samples at any rate. Powers are floored at the absolute ``MRSTFT_SMALLEST_POWER``, so unlike the other
    metrics this one is not indifferent to the level of both.

    Args:
        target: shape ``(channels, samples)`` or ``(samples,)``.
        other: likewise.
        sample_rate: in Hz; only checked.
        ends: ``reflected`` is auraloss's (``torch.stft``, no partial frame at the end; sounds of 1024 samples or fewer,
            which it refuses, are continued with silence to 1025); ``zeros`` treats the ends as the other metrics do,
            which is how the golden reference table was made (they differ by less than 0.05 on it).
    """
    a, b = _mono_pair(target, other, sample_rate)
    if ends == "reflected":
        n_samples = max(a.size, max(MRSTFT_FFTS) // 2 + 1)
        a, b = _padded(a, n_samples), _padded(b, n_samples)
    framed = _reflect_ended if ends == "reflected" else _zero_ended
    total = 0.0
    for n_fft in MRSTFT_FFTS:
        spectra_a, spectra_b = (_magnitudes(framed(x, n_fft, n_fft // 4), n_fft) for x in (a, b))
        smallest = MRSTFT_SMALLEST_POWER**0.5
        spectra_a, spectra_b = np.maximum(spectra_a, smallest), np.maximum(spectra_b, smallest)
        convergence = np.linalg.norm(spectra_a - spectra_b) / np.linalg.norm(spectra_a)
        total += float(convergence + np.abs(np.log(spectra_a / spectra_b)).mean())
    return total / len(MRSTFT_FFTS)


# Input


def _checked_rate(sample_rate: int) -> int:
    if sample_rate < LOWEST_SAMPLE_RATE:
        raise OutOfRange("sample rate", sample_rate, f"{LOWEST_SAMPLE_RATE} Hz or more")
    return sample_rate


def _checked(audio: AnyAudio, name: str) -> NDArray[np.float64]:
    """Shape ``(channels, samples)``, checked."""
    if not isinstance(audio, np.ndarray) or not np.issubdtype(audio.dtype, np.floating):
        kind = audio.dtype if isinstance(audio, np.ndarray) else type(audio).__name__
        raise InvalidAudio(f"{name} is {kind}; allowed: an array of floating-point samples")
    if audio.ndim not in (1, 2) or (audio.ndim == 2 and audio.shape[0] not in (1, 2)) or audio.size == 0:
        raise InvalidAudio(f"{name} has shape {audio.shape}; allowed: (samples,) or (1 or 2, samples), not empty")
    checked = np.atleast_2d(audio).astype(np.float64)
    largest = np.abs(checked).max()
    if not largest <= LARGEST_SAMPLE:  # so written, NaN fails too
        raise InvalidAudio(f"{name} has samples up to {largest}; allowed: finite, up to {LARGEST_SAMPLE:g}")
    return checked


def _mono(audio: AnyAudio, name: str) -> Mono:
    mono: Mono = _checked(audio, name).mean(axis=0)
    return mono


def _mono_pair(target: AnyAudio, other: AnyAudio, sample_rate: int) -> tuple[Mono, Mono]:
    _checked_rate(sample_rate)
    a, b = _mono(target, "target"), _mono(other, "other")
    n_samples = max(a.size, b.size)
    return _padded(a, n_samples), _padded(b, n_samples)


def _side(audio: NDArray[np.float64]) -> Mono:
    """Left minus right of ``(channels, samples)``; zeros for one channel."""
    return np.asarray(audio[0] - audio[-1])


# Frames and spectra


def _samples(milliseconds: int, sample_rate: int) -> int:
    return milliseconds * sample_rate // 1000


def _padded(mono: Mono, n_samples: int) -> Mono:
    return np.pad(mono, (0, n_samples - mono.size))


def _frames(signal: Mono, window: int, hop: int) -> Mono:
    """A view of shape ``(frames, window)``; the last frame is completed with zeros."""
    missing = window - signal.size if signal.size < window else (window - signal.size) % hop
    return np.lib.stride_tricks.sliding_window_view(np.pad(signal, (0, missing)), window)[::hop]


def _zero_ended(mono: Mono, window: int, hop: int) -> Mono:
    """Centred frames, zeros beyond the ends: ``(frames, window)``."""
    return _frames(np.pad(mono, window // 2), window, hop)


def _reflect_ended(mono: Mono, window: int, hop: int) -> Mono:
    """Centred frames, mirrored at the ends, as ``torch.stft`` has them: ``(frames, window)``."""
    padded = np.pad(mono, window // 2, mode="reflect")
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]


def _magnitudes(frames: Mono, n_fft: int) -> Mono:
    """Hann-windowed magnitudes: ``(frames, window)`` to ``(frames, n_fft // 2 + 1)``."""
    spectrum = scipy.fft.rfft(frames * _hann(frames.shape[1]), n_fft, axis=1)
    return np.asarray(np.abs(spectrum))


def _mel_power(mono: Mono, scale: MelScale, sample_rate: int) -> NDArray[np.float32]:
    """Power in mel bands, ``(frames, mels)``.

    In float32: rounding in the FFT is some 1e-7 of a frame's amplitude, so 1e-14 of its power; the floor is at 1e-8.
    """
    window, hop = _samples(scale.window_ms, sample_rate), _samples(scale.hop_ms, sample_rate)
    n_fft = max(SMALLEST_MEL_FFT, 1 << (window - 1).bit_length())
    frames = _zero_ended(mono, window, hop).astype(np.float32) * _hann(window).astype(np.float32)
    spectrum = scipy.fft.rfft(frames, n_fft, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    return np.asarray(power @ _mel_matrix(n_fft, scale.n_mels, sample_rate))


@functools.lru_cache(maxsize=32)
def _hann(window: int) -> Mono:
    """Periodic Hann window."""
    hann: Mono = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(window) / window)
    hann.setflags(write=False)
    return hann


@functools.lru_cache(maxsize=32)
def _mel_matrix(n_fft: int, n_mels: int, sample_rate: int) -> NDArray[np.float32]:
    """Triangles of area 1 in Hz between HTK mel points from 20 Hz to half the sample rate: ``(bins, mels)``."""
    lowest, highest = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (LOWEST_MEL_HZ, sample_rate / 2.0))
    corners_hz = 700.0 * (10.0 ** (np.linspace(lowest, highest, n_mels + 2) / 2595.0) - 1.0)
    left, centre, right = corners_hz[:-2], corners_hz[1:-1], corners_hz[2:]
    bins_hz = np.arange(n_fft // 2 + 1)[:, None] * (sample_rate / n_fft)
    rise, fall = (bins_hz - left) / (centre - left), (right - bins_hz) / (right - centre)
    matrix = (np.maximum(0.0, np.minimum(rise, fall)) * 2.0 / (right - left)).astype(np.float32)
    matrix.setflags(write=False)
    return matrix


def _floor(power: FloatArray) -> float:
    floor: float = max(float(power.max()), SILENT_POWER) * 10.0 ** (-FLOOR_DB / 10.0)
    return floor


def _decibels(power: FloatArray, floor: float) -> FloatArray:
    """Of the same type: float32 stays float32."""
    return np.asarray(10.0 * np.log10(np.maximum(power, floor)))


# Cepstra and warping


def _cepstrum(power: NDArray[np.float32], floor: float) -> Mono:
    """Mel powers ``(frames, mels)`` to coefficients ``(frames, WMFCC_COEFFICIENTS)``."""
    decibels = _decibels(power, floor).astype(np.float64)
    return np.asarray(scipy.fft.dct(decibels, type=2, norm="ortho", axis=1)[:, :WMFCC_COEFFICIENTS])


def _frame_costs(a: Mono, b: Mono) -> Mono:
    """Mean absolute difference of every two frames: ``(n, coefficients)`` and ``(m, coefficients)`` to ``(n, m)``."""
    costs = np.zeros((len(a), len(b)))
    for x, y in zip(a.T, b.T, strict=True):  # coefficient by coefficient: never holds (n, m, coefficients)
        costs += np.abs(x[:, None] - y[None, :])
    return np.asarray(costs / a.shape[1])


def _warped_mean(costs: Mono) -> float:
    """Mean cost of the cells on the cheapest monotone path through ``(n, m)`` costs, corner to corner.

    The sums of one anti-diagonal depend on the two before only, so each is one vector operation. Row ``k`` of ``best``
    holds the cells (i, j) with i + j = k, counted from 1; column 0 and what is outside the matrix stay infinite. Of
    equally cheap steps the diagonal is taken, then down.
    """
    n, m = costs.shape
    flat = costs.ravel()
    stride = max(1, m - 1)
    best = np.full((n + m + 1, n + 1), np.inf)
    best[0, 0] = 0.0
    for k in range(2, n + m + 1):
        first, last = max(1, k - m), min(n, k - 1)
        start = (first - 1) * m + (k - first - 1)
        here = flat[start : start + (last - first) * stride + 1 : stride]
        diagonal, down = best[k - 2, first - 1 : last], best[k - 1, first - 1 : last]
        right = best[k - 1, first : last + 1]
        best[k, first : last + 1] = here + np.minimum(np.minimum(diagonal, down), right)
    n_steps, i, k = 1, n, n + m
    while k > 2:
        diagonal, down, right = best[k - 2, i - 1], best[k - 1, i - 1], best[k - 1, i]
        if diagonal <= down and diagonal <= right:
            i, k = i - 1, k - 2
        elif down <= right:
            i, k = i - 1, k - 1
        else:
            k -= 1
        n_steps += 1
    return float(best[n + m, n] / n_steps)
