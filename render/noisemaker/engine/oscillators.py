"""The oscillators in numpy: phases, hard sync, FM and minimum-phase band-limited steps.

Every edge of a waveform is known to a fraction of a sample, so a waveform is its naive form plus one short residual
per edge: a table lookup. That is exact, vectorised over edges, and costs less than a sample loop.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from render.note import SAMPLE_RATE

Array = NDArray[np.float64]

MAX_HZ = 22000.0
"""Frequencies are capped here (``docs/noisemaker.md``)."""

CROSSINGS = 16
"""Zero crossings on each side of the windowed sinc: a step settles within 32 samples (golden ``filter`` type 11)."""

OVERSAMPLING = 64
"""Table points per sample; measured with the golden step, which lies within 0.0004 of this table."""

STEP_SAMPLES = 2 * CROSSINGS + 1


@cache
def step_table() -> Array:
    """The minimum-phase band-limited step: a Blackman-windowed sinc, folded cepstrum, integral.

    Returns:
        Values at ``t / OVERSAMPLING`` samples, from 0 to 1, shape ``(2 CROSSINGS OVERSAMPLING + 1,)``.
    """
    length = 2 * CROSSINGS * OVERSAMPLING + 1
    impulse = np.sinc(np.linspace(-CROSSINGS, CROSSINGS, length)) * np.blackman(length)
    size = 1 << 17  # far longer than the impulse, so that the cepstrum does not wrap
    cepstrum = np.fft.irfft(np.log(np.maximum(np.abs(np.fft.rfft(impulse, size)), 1e-9)))
    cepstrum[1 : size // 2] *= 2.0
    cepstrum[size // 2 + 1 :] = 0.0
    minimum_phase = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)))[:length]
    step = np.cumsum(minimum_phase)
    table: Array = step / step[-1]
    return table


@cache
def _step_residuals() -> Array:
    """Residual of a step by fraction and sample, shape ``(OVERSAMPLING + 1, STEP_SAMPLES)``.

    The naive step comes one sample after the band-limited one has begun (golden ``filter`` type 11).
    """
    table = np.append(step_table(), np.ones(2 * OVERSAMPLING))
    times = np.arange(STEP_SAMPLES)[None, :] * OVERSAMPLING + np.arange(OVERSAMPLING + 1)[:, None]
    residuals: Array = table[times] - (np.arange(STEP_SAMPLES) >= 1)
    return residuals


TRIANGLE_DELAY = 15
"""Samples by which a triangle is late, for its corners' residuals reach ahead (golden ``osc2``)."""


@cache
def _corner_residuals() -> Array:
    """Residual of a change of slope by 1 per sample, linear phase; shape as the steps' residuals."""
    half_width = TRIANGLE_DELAY - 1
    times = np.arange(-half_width * OVERSAMPLING, half_width * OVERSAMPLING + 1) / OVERSAMPLING
    impulse = np.sinc(times) * np.blackman(len(times))
    step = np.cumsum(impulse) - 0.5 * impulse
    corner = (np.cumsum(step) - 0.5 * step) / step[-1] / OVERSAMPLING
    residual = corner - np.maximum(times, 0.0)
    wanted = np.arange(STEP_SAMPLES)[None, :] - TRIANGLE_DELAY - 1 + np.arange(OVERSAMPLING + 1)[:, None] / OVERSAMPLING
    residuals: Array = np.interp(wanted.ravel(), times, residual, left=0.0, right=0.0).reshape(wanted.shape)
    return residuals


@dataclass
class Edges:
    """Edges of a waveform, collected in parts.

    Attributes:
        n_samples: length of the waveform.
    """

    n_samples: int
    _parts: list[tuple[NDArray[np.int64], Array, Array]] = field(default_factory=list)

    def add(self, samples: NDArray[np.int64], late: Array, heights: Array) -> None:
        """Edges before ``samples``, by ``late`` samples (0 to 1), of the given heights; same shape each."""
        if len(samples):
            self._parts.append((samples, late, heights))

    def residual(self, residuals: Array) -> Array:
        """Sum of all edges' residuals, shape ``(n_samples,)``."""
        if not self._parts:
            return np.zeros(self.n_samples)
        samples, late, heights = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        position = np.clip(late, 0.0, 1.0) * OVERSAMPLING
        row = np.minimum(position.astype(np.int64), OVERSAMPLING - 1)
        fraction = (position - row)[:, None]
        values = residuals[row] * (1.0 - fraction) + residuals[row + 1] * fraction
        values *= heights[:, None]
        targets = samples[:, None] + np.arange(STEP_SAMPLES)
        return np.bincount(targets.ravel(), values.ravel(), self.n_samples)[: self.n_samples].astype(np.float64)


@dataclass(frozen=True)
class Phase:
    """The phase of one oscillator, unwrapped, in cycles.

    Attributes:
        cycles: phase at each sample and one more, shape ``(samples + 1,)``; restarts drop it.
        increments: cycles per sample, a number or shape ``(samples + 1,)``.
        restarts: indices into ``cycles`` of the first value after each restart.
        late: how many samples before that value each restart was, 0 to 1.
        ends: the phase at the moment of each restart, had there been none.
    """

    cycles: Array
    increments: Array | float
    restarts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    late: Array = field(default_factory=lambda: np.zeros(0))
    ends: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def n_samples(self) -> int:
        """Length of the waveform."""
        return len(self.cycles) - 1

    def increment(self, index: NDArray[np.int64]) -> Array:
        """Cycles per sample at some indices."""
        if isinstance(self.increments, float):
            return np.full(len(index), self.increments)
        return self.increments[index]


def increments(hz: Array | float) -> Array | float:
    """Frequency to cycles per sample, capped."""
    if isinstance(hz, float):
        return min(hz, MAX_HZ) / SAMPLE_RATE
    return np.minimum(hz, MAX_HZ) / SAMPLE_RATE


def phase(
    step: Array | float, start: float, n_samples: int, sync: Phase | None = None, *, keep_half: bool = False
) -> Phase:
    """Run an oscillator's phase.

    Args:
        step: cycles per sample, a number or shape ``(n_samples + 1,)``.
        start: phase before the first sample, in cycles.
        n_samples: length of the waveform.
        sync: the oscillator whose cycles restart this one.
        keep_half: a restart goes to the beginning of the half cycle, not of the cycle (golden ``sync``, triangle).
    """
    if isinstance(step, float):
        cycles = np.arange(1.0, n_samples + 2.0)
        cycles *= step
        cycles += start
    else:
        cycles = start + np.cumsum(step)
    if sync is None:
        return Phase(cycles, step)
    restarts, late = wraps(sync)
    if not len(restarts):
        return Phase(cycles, step)
    steps = Phase(cycles, step).increment(restarts)
    firsts = cycles[restarts] - late * steps  # where the phase is at the moment of each restart, unwrapped
    floors = firsts.copy()
    ends = np.diff(firsts, prepend=0.0)
    if keep_half:
        halves = np.cumsum(np.floor(2.0 * ends)) / 2.0 % 1.0
        floors -= halves
        ends[1:] += halves[:-1]
    cycles[restarts[0] :] -= np.repeat(floors, np.diff(np.append(restarts, n_samples + 1)))
    return Phase(cycles, step, restarts, late, ends)


def wraps(of: Phase) -> tuple[NDArray[np.int64], Array]:
    """Indices into ``cycles`` right after each whole cycle, and how many samples ago that was."""
    turns = np.floor(of.cycles)
    index = np.flatnonzero(np.diff(turns) > 0) + 1
    late = (of.cycles[index] - turns[index]) / np.maximum(of.increment(index), 1e-12)
    return index, late


def _add_turns(edges: Edges, of: Phase, turns: Array, shifted: Array, height: float, *, by_slope: bool = False) -> None:
    """Edges of ``height`` (times the slope of the phase) where ``turns = floor(shifted)`` changes, restarts apart."""
    change = np.diff(turns)
    if len(of.restarts):
        change[of.restarts - 1] = 0.0
    index = np.flatnonzero(change) + 1
    step = of.increment(index)
    late = np.where(step > 0.0, (shifted[index] - np.maximum(turns[index], turns[index - 1])) / step, 0.0)
    heights = height * change[index - 1]
    edges.add(index - 1, late, heights * step if by_slope else heights)


def saw(of: Phase) -> Array:
    """A band-limited falling saw, -0.5..0.5, shape ``(samples,)``."""
    turns = np.floor(of.cycles)
    edges = Edges(of.n_samples)
    _add_turns(edges, of, turns, of.cycles, 1.0)
    if len(of.restarts):
        # A cycle that ends in the very sample of the restart is one edge with it.
        edges.add(of.restarts - 1, of.late, of.ends - turns[of.restarts - 1])
    wave = 0.5 - (of.cycles - turns)[:-1]
    wave += edges.residual(_step_residuals())
    return wave


def pulse(of: Phase, duty: Array | float) -> Array:
    """A band-limited pulse, -0.5..0.5, high for ``duty`` of a cycle; shape ``(samples,)``.

    Args:
        of: its phase.
        duty: 0 to 1, a number or shape ``(samples + 1,)``.
    """
    turns = np.floor(of.cycles)
    shifted = of.cycles - duty
    lows = np.floor(shifted)
    edges = Edges(of.n_samples)
    _add_turns(edges, of, turns, of.cycles, 1.0)
    _add_turns(edges, of, lows, shifted, -1.0)
    wave = (turns - lows)[:-1] - 0.5
    if len(of.restarts):
        at = of.restarts
        height = (turns - lows)[at] - (turns - lows)[at - 1]
        edges.add(at - 1, of.late, height)
    wave += edges.residual(_step_residuals())
    return wave


def triangle(of: Phase) -> Array:
    """A band-limited triangle, -0.5..0.5, high at phase 0, ``TRIANGLE_DELAY`` samples late; shape ``(samples,)``."""
    turns = np.floor(of.cycles)
    shifted = of.cycles - 0.5
    halves = np.floor(shifted)
    corners = Edges(of.n_samples)
    _add_turns(corners, of, turns, of.cycles, -4.0, by_slope=True)
    _add_turns(corners, of, halves, shifted, 4.0, by_slope=True)
    wave = 2.0 * np.abs(of.cycles[:-1] - turns[:-1] - 0.5) - 0.5
    # The residual reaches as far ahead of a corner as behind it: everything else waits for it.
    late = np.concatenate([np.zeros(TRIANGLE_DELAY), wave])[: of.n_samples]
    late += corners.residual(_corner_residuals())
    if len(of.restarts):
        steps = Edges(of.n_samples)
        end, begin = of.ends, of.cycles[of.restarts] - of.late * of.increment(of.restarts)
        height = 2.0 * (np.abs(begin % 1.0 - 0.5) - np.abs(end % 1.0 - 0.5))
        steps.add(of.restarts - 1 + TRIANGLE_DELAY, of.late, height)
        late += steps.residual(_step_residuals())
    return late


def sine(of: Phase) -> Array:
    """A sine, -0.5..0.5, high at phase 0, without the other waveforms' delay of a sample; shape ``(samples,)``."""
    first = of.cycles[0] - (of.increments if isinstance(of.increments, float) else of.increments[0])
    return 0.5 * np.cos(2.0 * np.pi * np.concatenate([[first], of.cycles[:-2]]))


NOISE_FACTOR = 16807
"""Multiplier of the noise generator, modulo 2^32 (golden ``filter_noise`` type 11, sample by sample)."""

FRESH_NOISE = 1
"""State of every noise generator in a freshly opened plug-in (as above)."""


@cache
def _noise_powers(n_samples: int) -> NDArray[np.uint32]:
    return np.multiply.accumulate(np.full(n_samples, NOISE_FACTOR, np.uint32), dtype=np.uint32)


def noise(n_samples: int, state: int) -> Array:
    """White noise, -1..1, of a multiplicative congruential generator.

    Args:
        n_samples: length.
        state: of the generator before the first sample, odd.
    """
    # The cache keeps powers of two: with every length there is, it would grow with the renders.
    powers = _noise_powers(1 << (n_samples - 1).bit_length())[:n_samples]
    states = (powers * np.uint32(state)).view(np.int32)
    return states.astype(np.float64) * (-1.0 / 2.0**31)


CLICK_THRESHOLD = 0.95
"""Only noise beyond it clicks (``docs/noisemaker.md``)."""

CLICK_GAIN, CLICK_POLES = 0.0499, (0.75, 0.47)
"""Height and the two poles of a click's low-pass, fitted to golden ``vintage``."""


def clicks(n_samples: int, state: int) -> Array:
    """The vintage noise at its full amount: sparse low-passed clicks, shape ``(n_samples,)``."""
    white = noise(n_samples, state)
    sparse = np.where(np.abs(white) > CLICK_THRESHOLD, white, 0.0)
    first, second = CLICK_POLES
    return np.asarray(lfilter([-CLICK_GAIN], [1.0, -first - second, first * second], sparse), np.float64)
