"""The oscillators in numpy: phases, hard sync and band-limited waveforms.

Every edge of a waveform is known to a fraction of a sample, so a waveform is its naive form plus one short residual per
edge, read from a table: that of a minBLEP (minimum-phase band-limited step) where the waveform jumps, that of a BLAMP
(band-limited ramp, linear phase) where its slope changes. That is exact, vectorised over the edges, and costs less than
a loop over samples.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from render.noisemaker import facts
from render.noisemaker.facts import BLEP_ZERO_CROSSINGS, TRIANGLE_DELAY
from render.note import SAMPLE_RATE

Array = NDArray[np.float64]

OVERSAMPLING = 64
"""Table points per sample: a golden step lies within 0.0004 of this table."""

STEP_SAMPLES = 2 * BLEP_ZERO_CROSSINGS + 1
"""Length of a residual."""


@cache
def min_blep() -> Array:
    """The minBLEP: the integral of a Blackman-windowed sinc that was made minimum phase by folding its cepstrum.

    Returns:
        Values at ``t / OVERSAMPLING`` samples, from 0 to 1, shape ``(2 BLEP_ZERO_CROSSINGS OVERSAMPLING + 1,)``.
    """
    length = 2 * BLEP_ZERO_CROSSINGS * OVERSAMPLING + 1
    impulse = np.sinc(np.linspace(-BLEP_ZERO_CROSSINGS, BLEP_ZERO_CROSSINGS, length)) * np.blackman(length)
    size = 1 << 17  # far longer than the impulse, so that the cepstrum does not wrap
    cepstrum = np.fft.irfft(np.log(np.maximum(np.abs(np.fft.rfft(impulse, size)), 1e-9)))
    cepstrum[1 : size // 2] *= 2.0
    cepstrum[size // 2 + 1 :] = 0.0
    minimum_phase = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)))[:length]
    step = np.cumsum(minimum_phase)
    table: Array = step / step[-1]
    return table


@cache
def min_blep_residuals() -> Array:
    """The minBLEP less a naive step, by fractional offset and sample; shape ``(OVERSAMPLING + 1, STEP_SAMPLES)``.

    The naive step comes one sample after the band-limited one has begun (golden ``filter`` type 11).
    """
    table = np.append(min_blep(), np.ones(2 * OVERSAMPLING))
    times = np.arange(STEP_SAMPLES)[None, :] * OVERSAMPLING + np.arange(OVERSAMPLING + 1)[:, None]
    residuals: Array = table[times] - (np.arange(STEP_SAMPLES) >= 1)
    return residuals


@cache
def blamp_residuals() -> Array:
    """The BLAMP less a naive ramp for a change of slope by 1 per sample; shape as the minBLEP's residuals."""
    half_width = TRIANGLE_DELAY - 1
    times = np.arange(-half_width * OVERSAMPLING, half_width * OVERSAMPLING + 1) / OVERSAMPLING
    impulse = np.sinc(times) * np.blackman(len(times))
    step = np.cumsum(impulse) - 0.5 * impulse
    ramp = (np.cumsum(step) - 0.5 * step) / step[-1] / OVERSAMPLING
    residual = ramp - np.maximum(times, 0.0)
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

    def add(self, samples: NDArray[np.int64], offsets: Array, heights: Array) -> None:
        """Add edges that lie ``offsets`` (0 to 1) samples before ``samples``; all three of the same shape."""
        if len(samples):
            self._parts.append((samples, offsets, heights))

    def residual(self, residuals: Array) -> Array:
        """Sum of the residuals of all edges, shape ``(n_samples,)``."""
        if not self._parts:
            return np.zeros(self.n_samples)
        samples, offsets, heights = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        position = np.clip(offsets, 0.0, 1.0) * OVERSAMPLING
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
        offsets: how many samples before that value each restart was, 0 to 1.
        ends: the phase at the moment of each restart, had there been none.
    """

    cycles: Array
    increments: Array | float
    restarts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    offsets: Array = field(default_factory=lambda: np.zeros(0))
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
    """Phase increments of frequencies, in cycles per sample, capped."""
    if isinstance(hz, float):
        return min(hz, facts.MAX_HZ) / SAMPLE_RATE
    return np.minimum(hz, facts.MAX_HZ) / SAMPLE_RATE


def phase(
    increment: Array | float, start: float, n_samples: int, sync: Phase | None = None, *, keep_half: bool = False
) -> Phase:
    """Run the phase of an oscillator.

    Args:
        increment: cycles per sample, a number or shape ``(n_samples + 1,)``.
        start: phase before the first sample, in cycles.
        n_samples: length of the waveform.
        sync: the oscillator whose cycles restart this one.
        keep_half: a restart goes to the beginning of the half cycle, not of the cycle (golden ``sync``, triangle).
    """
    if isinstance(increment, float):
        cycles = np.arange(1.0, n_samples + 2.0)
        cycles *= increment
        cycles += start
    else:
        cycles = start + np.cumsum(increment)
    if sync is None:
        return Phase(cycles, increment)
    restarts, offsets = wraps(sync)
    if not len(restarts):
        return Phase(cycles, increment)
    at_restarts = Phase(cycles, increment).increment(restarts)
    firsts = cycles[restarts] - offsets * at_restarts  # where the phase is at the moment of each restart, unwrapped
    floors = firsts.copy()
    ends = np.diff(firsts, prepend=0.0)
    if keep_half:
        halves = np.cumsum(np.floor(2.0 * ends)) / 2.0 % 1.0
        floors -= halves
        ends[1:] += halves[:-1]
    cycles[restarts[0] :] -= np.repeat(floors, np.diff(np.append(restarts, n_samples + 1)))
    return Phase(cycles, increment, restarts, offsets, ends)


def wraps(of: Phase) -> tuple[NDArray[np.int64], Array]:
    """Indices into ``cycles`` right after each whole cycle, and how many samples before them it ended."""
    turns = np.floor(of.cycles)
    index = np.flatnonzero(np.diff(turns) > 0) + 1
    offsets = (of.cycles[index] - turns[index]) / np.maximum(of.increment(index), 1e-12)
    return index, offsets


def _add_turns(edges: Edges, of: Phase, turns: Array, shifted: Array, height: float, *, by_slope: bool = False) -> None:
    """Add edges where ``turns = floor(shifted)`` changes, except at restarts.

    Args:
        edges: where they are added.
        of: the phase that the waveform is made from.
        turns: whole cycles of ``shifted``.
        shifted: the phase, less what it passes at the edges.
        height: height of an edge where ``turns`` changes by 1.
        by_slope: multiply heights by the phase increment, as corners need it.
    """
    change = np.diff(turns)
    if len(of.restarts):
        change[of.restarts - 1] = 0.0
    index = np.flatnonzero(change) + 1
    increment = of.increment(index)
    offsets = np.where(increment > 0.0, (shifted[index] - np.maximum(turns[index], turns[index - 1])) / increment, 0.0)
    heights = height * change[index - 1]
    edges.add(index - 1, offsets, heights * increment if by_slope else heights)


def saw(of: Phase) -> Array:
    """A band-limited falling saw, -0.5..0.5, shape ``(samples,)``."""
    turns = np.floor(of.cycles)
    edges = Edges(of.n_samples)
    _add_turns(edges, of, turns, of.cycles, 1.0)
    if len(of.restarts):
        # A cycle that ends in the very sample of the restart is one edge with it.
        edges.add(of.restarts - 1, of.offsets, of.ends - turns[of.restarts - 1])
    wave = 0.5 - (of.cycles - turns)[:-1]
    wave += edges.residual(min_blep_residuals())
    return wave


def duty(width: Array | float, increment: Array | float) -> Array | float:
    """Share of a cycle for which a pulse is high: the faster it is, the closer to a half."""
    return 0.5 + (width - 0.5) * (1.0 - facts.DUTY_SHRINK * increment)


def pulse(of: Phase, high: Array | float) -> Array:
    """A band-limited pulse, -0.5..0.5.

    Args:
        of: its phase.
        high: share of a cycle for which it is high, 0 to 1, a number or shape ``(samples + 1,)``.

    Returns:
        Shape ``(samples,)``.
    """
    turns = np.floor(of.cycles)
    shifted = of.cycles - high
    lows = np.floor(shifted)
    edges = Edges(of.n_samples)
    _add_turns(edges, of, turns, of.cycles, 1.0)
    _add_turns(edges, of, lows, shifted, -1.0)
    wave = (turns - lows)[:-1] - 0.5
    if len(of.restarts):
        high_before, high_after = (turns - lows)[of.restarts - 1], (turns - lows)[of.restarts]
        edges.add(of.restarts - 1, of.offsets, high_after - high_before)
    wave += edges.residual(min_blep_residuals())
    return wave


def triangle(of: Phase) -> Array:
    """A band-limited triangle, -0.5..0.5, high at phase 0, ``TRIANGLE_DELAY`` samples late; shape ``(samples,)``."""
    turns = np.floor(of.cycles)
    shifted = of.cycles - 0.5
    halves = np.floor(shifted)
    corners = Edges(of.n_samples)
    _add_turns(corners, of, turns, of.cycles, -4.0, by_slope=True)
    _add_turns(corners, of, halves, shifted, 4.0, by_slope=True)
    naive = 2.0 * np.abs(of.cycles[:-1] - turns[:-1] - 0.5) - 0.5
    # A BLAMP reaches as far ahead of its corner as behind it: everything else waits for it.
    wave = np.concatenate([np.zeros(TRIANGLE_DELAY), naive])[: of.n_samples]
    wave += corners.residual(blamp_residuals())
    if len(of.restarts):
        jumps = Edges(of.n_samples)
        end, begin = of.ends, of.cycles[of.restarts] - of.offsets * of.increment(of.restarts)
        height = 2.0 * (np.abs(begin % 1.0 - 0.5) - np.abs(end % 1.0 - 0.5))
        jumps.add(of.restarts - 1 + TRIANGLE_DELAY, of.offsets, height)
        wave += jumps.residual(min_blep_residuals())
    return wave


def sine(of: Phase) -> Array:
    """A sine, -0.5..0.5, high at phase 0, without the other waveforms' delay of a sample; shape ``(samples,)``."""
    first = of.cycles[0] - (of.increments if isinstance(of.increments, float) else of.increments[0])
    return 0.5 * np.cos(2.0 * np.pi * np.concatenate([[first], of.cycles[:-2]]))
