"""The part of a sound that is compared: everything except some intervals of time, within one frequency band.

A mask is applied to audio: to a clip once, and to every render before it is compared with the clip. All measures
therefore agree, and none of them has to know the mask. It is linear and does not depend on the level. The ignored part
is silence in both sounds. ``proxy/loss/heard.py`` does the same in torch.

    >>> mask = Mask(ignored_seconds=((0.1, 0.2),))
    >>> masked = mask.apply(np.ones((1, 22050), np.float32))
    >>> float(masked[0, 4000]), float(masked[0, 6000]), mask.plain
    (1.0, 0.0, False)
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from render.audio import Audio
from render.measures.mss import mss
from render.note import SAMPLE_RATE

HIGHEST_HZ = SAMPLE_RATE / 2.0

FADE_SECONDS = 0.005
"""Length of the fades before and after an ignored interval; they lie outside of it."""
FILTER_TAPS = 4095
"""Length of the band's filter in samples (93 ms): its edges are 70 Hz wide."""
_LOUDER_DB = 10.0
_SMALLEST_SHARE = 1e-3
_KAISER_BETA = 10.06  # 100 dB below the band, which is below the floor of every measure


@dataclass(frozen=True)
class Mask:
    """The part of a sound that is compared.

    Attributes:
        ignored_seconds: ignored intervals, begin and end in seconds from the first sample.
        band_hz: lowest and highest frequency that are compared; None for all frequencies.
    """

    ignored_seconds: tuple[tuple[float, float], ...] = ()
    band_hz: tuple[float, float] | None = None

    @property
    def plain(self) -> bool:
        """Whether everything is compared."""
        return not self.ignored_seconds and self.band_hz is None

    def apply(self, audio: Audio) -> Audio:
        """A sound with silence in place of its ignored part; the same array if nothing is ignored.

        Shape:
            audio: ``(channels, samples)``, from the key press on.
        """
        if self.ignored_seconds:
            audio = audio * fades(self.ignored_seconds, audio.shape[1])
        if self.band_hz is not None:
            n_samples = audio.shape[1]
            n_fft, response = band_response(self.band_hz, n_samples)
            delayed = scipy.fft.irfft(scipy.fft.rfft(audio, n_fft) * response, n_fft)
            audio = np.ascontiguousarray(delayed[:, FILTER_TAPS // 2 : FILTER_TAPS // 2 + n_samples])
        return audio

    def share(self, n_samples: int) -> float:
        """Share of MSS's frames and bands that is compared; see ``_share``.

        Args:
            n_samples: length of the sound.
        """
        return 1.0 if self.plain else _share(self, n_samples)


PLAIN = Mask()
"""A mask that ignores nothing."""


@functools.lru_cache(maxsize=32)
def _share(mask: Mask, n_samples: int) -> float:
    """MSS between white noise and louder noise through a mask, relative to MSS without it.

    MSS is a mean over all frames and bands, and the ignored ones are equal in both sounds.
    """
    noise = np.random.default_rng(0).standard_normal((1, n_samples)).astype(np.float32)
    masked = mask.apply(noise)
    louder = masked * np.float32(10.0 ** (_LOUDER_DB / 20.0))
    return max(mss(masked, louder, SAMPLE_RATE) / _LOUDER_DB, _SMALLEST_SHARE) if masked.any() else _SMALLEST_SHARE


@functools.lru_cache(maxsize=32)
def fades(ignored_seconds: tuple[tuple[float, float], ...], n_samples: int) -> NDArray[np.float32]:
    """The factor of each sample: 0 in what is ignored, 1 elsewhere, with fades between; shape ``(samples,)``."""
    length = FADE_SECONDS * SAMPLE_RATE
    samples = np.arange(n_samples)
    factors = np.ones(n_samples)
    for begin, end in ignored_seconds:
        away = np.maximum(begin * SAMPLE_RATE - samples, samples - end * SAMPLE_RATE) / length
        factors = np.minimum(factors, 0.5 - 0.5 * np.cos(np.pi * np.clip(away, 0.0, 1.0)))
    result = factors.astype(np.float32)
    result.setflags(write=False)
    return result


@functools.lru_cache(maxsize=32)
def band_response(band_hz: tuple[float, float], n_samples: int) -> tuple[int, NDArray[np.complex64]]:
    """A linear-phase band-pass filter, which delays by ``FILTER_TAPS // 2`` samples.

    Args:
        band_hz: lowest and highest frequency.
        n_samples: length of the sounds that are filtered.

    Returns:
        The size of the transform in which a sound does not meet its own end, and the response in each of its bins.
    """
    low_hz, high_hz = band_hz
    time = np.arange(FILTER_TAPS) - FILTER_TAPS // 2
    taps = np.zeros(FILTER_TAPS)
    for edge_hz, sign in ((min(high_hz, HIGHEST_HZ), 1.0), (low_hz, -1.0)):
        relative = 2.0 * edge_hz / SAMPLE_RATE
        taps += sign * relative * np.sinc(relative * time)
    taps *= np.kaiser(FILTER_TAPS, _KAISER_BETA)
    n_fft = scipy.fft.next_fast_len(n_samples + FILTER_TAPS - 1, real=True)
    response = scipy.fft.rfft(taps, n_fft).astype(np.complex64)
    response.setflags(write=False)
    return n_fft, response
