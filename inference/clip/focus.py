"""The part of a clip that is compared, as the user states it: a range of time with ignored intervals, and a band."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from inference.clip.levels import FRAME
from render.audio import Audio, rms
from render.errors import OutOfRange
from render.measures.mask import HIGHEST_HZ, Mask
from render.note import SAMPLE_RATE

Span = tuple[float, float]

_FILTER_ORDER = 8
_LOWEST_EDGE_HZ, _HIGHEST_EDGE = 5.0, 0.98
"""Edges beyond these, in hertz and as a share of the highest frequency, restrict nothing."""


@dataclass(frozen=True)
class Focus:
    """The part of a clip that is compared. Times are in seconds of the file.

    Attributes:
        span_seconds: range of the file that is used, begin and end; everything else is treated as absent.
        ignored_seconds: intervals of it that are not compared, such as a cough or a drum.
        band_hz: lowest and highest frequency that are compared.
        noise: whether the recording is noisy, and the part below its noise is not compared.

    Raises:
        OutOfRange: for a range that is empty, not finite, or begins below 0, and for a band beyond the audible range.
    """

    span_seconds: Span | None = None
    ignored_seconds: tuple[Span, ...] = ()
    band_hz: Span | None = None
    noise: bool = False

    def __post_init__(self) -> None:
        for span in (self.span_seconds,) if self.span_seconds is not None else ():
            _check("range", span, "FROM:TO in seconds, 0 or more, FROM before TO")
        for span in self.ignored_seconds:
            _check("ignore", span, "FROM:TO in seconds, 0 or more, FROM before TO")
        if self.band_hz is not None:
            allowed = f"LOW:HIGH in Hz, LOW at least 0 and below HIGH and {HIGHEST_HZ:g}"
            _check("band", self.band_hz, allowed, HIGHEST_HZ)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of ``as_data``; what is missing is not restricted."""
        span, band = data.get("span_seconds"), data.get("band_hz")
        return cls(
            None if span is None else (span[0], span[1]),
            tuple((begin, end) for begin, end in data.get("ignored_seconds", ())),
            None if band is None else (band[0], band[1]),
            data.get("noise", False),
        )

    def as_data(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {
            "span_seconds": self.span_seconds,
            "ignored_seconds": [list(span) for span in self.ignored_seconds],
            "band_hz": self.band_hz,
            "noise": self.noise,
        }

    def mask(self, from_seconds: float) -> Mask:
        """The mask of a piece of the file.

        Args:
            from_seconds: where the piece begins in the file.
        """
        ignored = ((begin - from_seconds, end - from_seconds) for begin, end in self.ignored_seconds)
        return Mask(tuple(ignored), self.band_hz)

    def sentence(self) -> str:
        """The ignored part as a sentence; empty if nothing is ignored."""
        left_out = self.left_out()
        return f"not compared: {left_out}" if left_out else ""

    def left_out(self) -> str:
        """The ignored part in words; empty if nothing is ignored."""
        left_out = [f"{begin:g} to {end:g} s" for begin, end in self.ignored_seconds]
        if self.band_hz is not None:
            low_hz, high_hz = self.band_hz
            left_out += [f"below {low_hz:g} Hz"] * (low_hz > 0.0) + [f"above {high_hz:g} Hz"] * (high_hz < HIGHEST_HZ)
        return ", ".join(left_out + ["what lies below the noise"] * self.noise)


EVERYTHING = Focus()
"""The default, which compares everything."""


def softened(audio: Audio, mask: Mask) -> Audio:
    """A recording for the search of its sound, in which an ignored part neither begins nor ends a sound.

    An ignored part is made as soft as what follows it (at the end of the recording: as what comes before), so it looks
    like a part of the sound if the sound continues after it, and like silence otherwise.

    Args:
        audio: shape ``(channels, samples)`` at ``SAMPLE_RATE``.
        mask: mask with the ignored parts.

    Returns:
        The same array if nothing is ignored.
    """
    n_samples = audio.shape[1]
    if mask.ignored_seconds:
        audio = audio.copy()
    for begin, end in sorted(mask.ignored_seconds, reverse=True):  # what follows one may be ignored itself
        first, last = (min(max(round(seconds * SAMPLE_RATE), 0), n_samples) for seconds in (begin, end))
        if first == last:
            continue
        beside = audio[:, last : last + 2 * FRAME] if last < n_samples else audio[:, max(first - 2 * FRAME, 0) : first]
        level = rms(beside)
        for start in range(first, last, FRAME):
            frame = audio[:, start : min(start + FRAME, last)]
            frame *= min(1.0, level / max(rms(frame), 1e-30))
    return audio


def in_band(audio: Audio, band_hz: Span | None) -> Audio:
    """A band of a recording, without the pre-ringing of a linear-phase filter before its beginning.

    Args:
        audio: shape ``(channels, samples)`` at ``SAMPLE_RATE``.
        band_hz: lowest and highest frequency; None for all of them, which is the same array.
    """
    if band_hz is None:
        return audio
    from scipy.signal import butter, sosfilt

    low_hz, high_hz = band_hz
    for edge_hz, kind in ((low_hz, "high"), (high_hz, "lowpass")):
        if _LOWEST_EDGE_HZ < edge_hz < _HIGHEST_EDGE * HIGHEST_HZ:
            audio = sosfilt(butter(_FILTER_ORDER, edge_hz, kind, fs=SAMPLE_RATE, output="sos"), audio)
    return audio.astype(np.float32)


def _check(name: str, span: Sequence[float], allowed: str, most: float = math.inf) -> None:
    begin, end = span
    if not (math.isfinite(begin) and math.isfinite(end) and 0.0 <= begin < min(end, most)):
        raise OutOfRange(name, f"{begin:g}:{end:g}", allowed)
