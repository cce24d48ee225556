"""Values estimated from a clip that correspond to settings, for an instrument that proposes changes of a patch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HARMONICS = 6  # of the comb
_REMOVED_HARMONICS = 20
_REMOVED = 0.75  # semitones on both sides of a partial that is removed

Strengths = NDArray[Any]
"""Shape ``(sweeps, frames, bins)``, float32."""


@dataclass(frozen=True, eq=False)
class Partials:
    """The partials of a clip over time: the peaks of its spectra, on a logarithmic frequency axis.

    A partial whose pitch changes within a window is a peak only of a spectrum that follows the change, so there is one
    spectrum for each of several sweeps.

    Attributes:
        strengths: strength of a partial at each time and pitch, 0 to 1, ``(sweeps, frames, bins)``.
        sweeps: the sweeps in semitones per second, ascending, at equal distances around 0.
        hop_seconds: time between two frames.
        lowest: MIDI note number of the first bin.
        per_semitone: bins per semitone.
    """

    strengths: Strengths
    sweeps: tuple[float, ...]
    hop_seconds: float
    lowest: float
    per_semitone: int

    def bins(self, keys: Any) -> Any:
        """Positions of MIDI note numbers among the bins, not rounded."""
        return (keys - self.lowest) * self.per_semitone

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.strengths.shape[1])

    @property
    def times(self) -> NDArray[np.float64]:
        """Times of the frames in seconds, shape ``(frames,)``."""
        return np.arange(self.n_frames, dtype=np.float64) * self.hop_seconds

    @property
    def seconds(self) -> float:
        """Length of all frames."""
        return self.n_frames * self.hop_seconds

    def first(self, seconds: float) -> Partials:
        """The partials in the first seconds."""
        return replace(self, strengths=self.strengths[:, : max(round(seconds / self.hop_seconds), 1)])

    def combs(self) -> Strengths:
        """Strength of a whole harmonic series at each time and fundamental, in the shape of ``strengths``."""
        n_bins = self.strengths.shape[2]
        result, total = np.zeros_like(self.strengths), 0.0
        for harmonic in range(1, _HARMONICS + 1):
            shift, weight = round(12.0 * np.log2(harmonic) * self.per_semitone), harmonic**-0.5
            total += weight
            result[..., : n_bins - shift] += np.float32(weight) * self.strengths[..., shift:]
        return result / np.float32(total)

    def without(self, keys: Sequence[float] | NDArray[np.float64], *, harmonics: bool) -> Partials:
        """The remaining partials without those of a sound.

        Args:
            keys: pitch of the sound at each frame, as MIDI note numbers.
            harmonics: whether the sound has harmonics.

        Shape:
            keys: ``(frames,)``.
        """
        left = self.strengths.copy()
        reach = round(_REMOVED * self.per_semitone)
        positions = self.bins(np.asarray(keys, np.float64))
        for harmonic in range(1, (_REMOVED_HARMONICS if harmonics else 1) + 1):
            middles = np.round(positions + 12.0 * np.log2(harmonic) * self.per_semitone).astype(int)
            for frame, middle in enumerate(middles):
                left[:, frame, max(middle - reach, 0) : max(middle + reach + 1, 0)] = 0.0
        return replace(self, strengths=left)


@dataclass(frozen=True, slots=True)
class Hints:
    """Values estimated from a clip.

    Attributes:
        rates_hz: possible rates of a modulation, the most likely first.
        delays_seconds: possible delay times, the most likely first.
        seconds: length of the clip.
        brightness: brightness over time at even distances, 0 to 1.
        loudness: level over time as an amplitude, 0 to 1.
        balance: difference between the amplitudes of the left and the right side over time, relative to their sum;
            empty if it does not change.
        partials: the partials while the key is held.
        sweeps: the resemblance to tones with harmonics that sweep, and to pure ones, in place of partials where the
            pitch moves too fast for these.
    """

    rates_hz: tuple[float, ...] = ()
    delays_seconds: tuple[float, ...] = ()
    seconds: float = 0.0
    brightness: tuple[float, ...] = ()
    loudness: tuple[float, ...] = ()
    balance: tuple[float, ...] = ()
    partials: Partials | None = None
    sweeps: tuple[Partials, Partials] | None = None
