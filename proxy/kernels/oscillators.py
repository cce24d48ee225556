"""Loops over samples for the oscillators: band-limited waveforms, FM, and the adjoints of both.

A waveform is its naive form plus one short residual per edge: a minBLEP (minimum-phase band-limited step) where it
jumps, a BLAMP (band-limited ramp, linear phase) where its slope changes. The tables are those of
``render.noisemaker.engine.oscillators``, so that the spectrum and its aliases are the instrument's. Where an edge falls
between two samples depends smoothly on the phase, so the derivative of the sum is exact: moving an edge changes what
its residual adds.

Naive waveforms by phase ``p``, 0 to 1 (``docs/noisemaker.md``, "Oscillators"): saw ``0.5 - p``; pulse 0.5 while ``p``
is below its duty, then -0.5; triangle ``2 |p - 0.5| - 0.5``; sine ``0.5 cos(2 pi p)``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from proxy.kernels.compiled import compiled
from render.noisemaker.engine.oscillators import OVERSAMPLING, STEP_SAMPLES, blamp_residuals, min_blep_residuals
from render.noisemaker.facts import DUTY_SHRINK, MAX_HZ, TRIANGLE_DELAY
from render.note import SAMPLE_RATE

Array = NDArray[np.float64]

SAW, PULSE, TRIANGLE, SINE, NOISE = range(5)
"""Waveforms, in the order of oscillator 2's choices."""

MAX_INCREMENT = MAX_HZ / SAMPLE_RATE
"""Largest phase increment, in cycles per sample."""

SINE_POINTS = 1024
"""Points of the sine table over one cycle."""

MIN_BLEP, BLAMP = 0, 1
"""Rows of ``blep_tables``."""

TIE = 1e-6
"""Half cycles by which a triangle may miss its middle or its end at a restart and still count as having passed it.

At whole octaves above the sub it arrives there in that very moment, except for rounding (measured on the golden
``sync`` renders)."""


@cache
def sine_table() -> Array:
    """A sine over a cycle and a quarter, so that it contains the cosine.

    Shape:
        Returns: ``(SINE_POINTS + SINE_POINTS // 4 + 1,)``.
    """
    return np.sin(2.0 * np.pi * np.arange(SINE_POINTS + SINE_POINTS // 4 + 1) / SINE_POINTS)


@cache
def blep_tables() -> Array:
    """Residuals of the minBLEP and the BLAMP by fractional offset and sample.

    Shape:
        Returns: ``(2, OVERSAMPLING + 1, STEP_SAMPLES)``.
    """
    return np.stack([min_blep_residuals(), blamp_residuals()])


def whole(number: float) -> float:
    """The whole part of a number that is 0 or more, as a function that every target compiles in its own way."""
    return float(np.floor(number))


@overload(whole)
def _whole(number: Any) -> Any:
    def compute(number: Any) -> Any:
        return np.floor(number)

    return compute


@compiled
def _lookup(sines: Array, cycles: float) -> tuple[float, float]:
    """Sine of a phase in cycles, 0 or more, and its derivative by the phase.

    A Taylor polynomial of third order around the nearest point of the table, ``d`` radians away:
    ``sin(a + d) = sin a (1 - d^2 / 2) + cos a (d - d^3 / 6)``.
    """
    place = (cycles - whole(cycles)) * SINE_POINTS + 0.5
    index = int(place)
    away = (place - 0.5 - index) * (2.0 * np.pi / SINE_POINTS)
    sine, cosine = sines[index], sines[index + SINE_POINTS // 4]
    half_square = 0.5 * away * away
    value = sine * (1.0 - half_square) + cosine * away * (1.0 - half_square / 3.0)
    slope = cosine * (1.0 - half_square) - sine * away * (1.0 - half_square / 3.0)
    return value, 2.0 * np.pi * slope


@compiled
def _add_edge(output: Array, table: Array, t: int, offset: float, height: float) -> None:
    """Add the residual of one edge: ``output[t - 1 + k] += height r(k, offset)``.

    The edge is ``offset`` samples (the fractional offset, 0 to 1) before the phase of sample ``t``. The residual ``r``
    is interpolated linearly between the two rows of the table that are nearest to the offset.
    """
    place = offset * OVERSAMPLING
    row = min(int(place), OVERSAMPLING - 1)
    high = height * (place - row)
    low = height - high
    last = min(STEP_SAMPLES, len(output) - t + 1)
    for k in range(last):
        output[t - 1 + k] += low * table[row, k] + high * table[row + 1, k]


@compiled
def _edge_backward(grad: Array, table: Array, t: int, offset: float) -> tuple[float, float]:
    """Derivatives of the loss by the height of an edge, and by its fractional offset if its height is 1.

    ``dheight = sum grad[t - 1 + k] r(k, offset)`` and ``doffset = sum grad[t - 1 + k] r'(k, offset)``.
    """
    place = offset * OVERSAMPLING
    row = min(int(place), OVERSAMPLING - 1)
    low, high = 0.0, 0.0
    last = min(STEP_SAMPLES, len(grad) - t + 1)
    for k in range(last):
        low += grad[t - 1 + k] * table[row, k]
        high += grad[t - 1 + k] * table[row + 1, k]
    return low + (high - low) * (place - row), (high - low) * OVERSAMPLING


@compiled
def wave_forward(
    first: int,
    last: int,
    waveforms: NDArray[np.int64],
    increments: Array,
    starts: Array,
    widths: Array,
    syncs: Array,
    tables: Array,
    sines: Array,
    noises: Array,
    outputs: Array,
) -> None:
    """Add the waveforms of the items from ``first`` to before ``last`` to zeros; see ``proxy.synth.oscillators.wave``.

    Shape:
        waveforms: ``(items,)``.
        increments: ``(items, 1 or samples + 1)``.
        starts: ``(items,)``.
        widths: ``(items, 1 or samples + 1)``.
        syncs: ``(items,)``; phase increments of the oscillator that restarts this one, 0 for none.
        tables: as ``blep_tables`` makes them.
        sines: as ``sine_table`` makes it.
        noises: ``(samples,)``.
        outputs: ``(items, samples)``.
    """
    n_samples = outputs.shape[1]
    moving, moving_width = int(increments.shape[1] > 1), int(widths.shape[1] > 1)
    for item in range(first, last):
        waveform, output, sync = waveforms[item], outputs[item], float(syncs[item])
        phase = float(starts[item])
        if waveform == NOISE:
            for t in range(n_samples):
                output[t] = noises[t]
            continue
        if waveform == SINE:
            for t in range(n_samples):
                output[t] = 0.5 * _lookup(sines, phase + 0.25)[0]
                phase += increments[item, t * moving]
                phase -= whole(phase)
            continue
        low = 0  # 1 in the second part of a cycle: where a pulse is low, where a triangle rises
        next_restart = 1.0
        for t in range(n_samples + 1):
            increment = float(increments[item, t * moving])
            shrink = 1.0 - DUTY_SHRINK * increment
            duty = 0.5 + (widths[item, t * moving_width] - 0.5) * shrink if waveform == PULSE else 0.5
            before, before_low = phase, low
            phase += increment
            if sync > 0.0 and (t + 1) * sync >= next_restart:
                offset = min(((t + 1) * sync - next_restart) / sync, 1.0)
                next_restart += 1.0
                end = before + increment * (1.0 - offset)
                half = 0.5 * (whole(2.0 * end + TIE) % 2.0) if waveform == TRIANGLE else 0.0
                phase = half + offset * increment
                low = int(phase >= duty)
                if t > 0:
                    if waveform == SAW:
                        _add_edge(output, tables[MIN_BLEP], t, offset, end)
                    elif waveform == PULSE:
                        _add_edge(output, tables[MIN_BLEP], t, offset, float(before_low - low))
                    else:
                        height = 2.0 * (abs(half - 0.5) - abs(end - whole(end) - 0.5))
                        _add_edge(output, tables[MIN_BLEP], t + TRIANGLE_DELAY, offset, height)
            else:
                turn = whole(phase)
                phase -= turn
                low = int(phase >= duty)
                if t > 0:
                    if turn > 0.0:
                        offset = min(phase / increment, 1.0)
                        if waveform == TRIANGLE:
                            _add_edge(output, tables[BLAMP], t, offset, -4.0 * increment)
                        else:
                            _add_edge(output, tables[MIN_BLEP], t, offset, 1.0)
                    if waveform != SAW:
                        change = turn + low - before_low
                        if change != 0.0:
                            offset = _low_offset(phase, duty, turn, low, change, increment)
                            if waveform == TRIANGLE:
                                _add_edge(output, tables[BLAMP], t, offset, 4.0 * increment * change)
                            else:
                                _add_edge(output, tables[MIN_BLEP], t, offset, -change)
            if waveform == SAW and t < n_samples:
                output[t] += 0.5 - phase
            elif waveform == PULSE and t < n_samples:
                output[t] += 0.5 - low
            elif waveform == TRIANGLE and t + TRIANGLE_DELAY < n_samples:
                output[t + TRIANGLE_DELAY] += 2.0 * abs(phase - 0.5) - 0.5


@compiled
def _low_offset(phase: float, duty: float, turn: float, low: int, change: float, increment: float) -> float:
    """Fractional offset of the edge that begins the second part of a cycle; 0 where a moving duty takes it back."""
    # The edge is where phase - duty passes a whole number of cycles.
    passed = phase - duty + (0.0 if low else 1.0)
    return min(max(passed / increment, 0.0), 1.0) if change > 0.0 else 0.0


@compiled
def wave_backward(
    first: int,
    last: int,
    waveforms: NDArray[np.int64],
    increments: Array,
    starts: Array,
    widths: Array,
    syncs: Array,
    tables: Array,
    sines: Array,
    grads: Array,
    grad_increments: Array,
    grad_start: Array,
    grad_width: Array,
    grad_sync: Array,
) -> None:
    """Gradients of ``wave_forward``, written into zeros.

    Shape:
        grads: ``(items, samples)``; the gradient of the outputs.
        grad_increments: as increments.
        grad_start: as starts.
        grad_width: as widths.
        grad_sync: as syncs.
    """
    n_samples = grads.shape[1]
    moving, moving_width = int(increments.shape[1] > 1), int(widths.shape[1] > 1)
    by_phase, by_increment, offsets = np.empty(n_samples + 1), np.empty(n_samples + 1), np.empty(n_samples + 1)
    for item in range(first, last):
        waveform, grad, sync = waveforms[item], grads[item], float(syncs[item])
        if waveform == NOISE or not np.any(grad):
            continue
        by_phase[:], by_increment[:], offsets[:] = 0.0, 0.0, -1.0
        phase = float(starts[item])
        if waveform == SINE:
            _sine_backward(
                phase, increments[item], moving, sines, grad, grad_increments[item], grad_start[item : item + 1]
            )
            continue
        # The forward loop again, to find the edges. Each adds the derivatives of the loss by the phase, increment,
        # width and restart of its own sample. With offset = (phase - edge) / increment:
        # doffset / dphase = 1 / increment;  doffset / dincrement = -offset / increment.
        low, next_restart, by_sync = 0, 1.0, 0.0
        for t in range(n_samples + 1):
            increment = float(increments[item, t * moving])
            shrink = 1.0 - DUTY_SHRINK * increment
            duty = 0.5 + (widths[item, t * moving_width] - 0.5) * shrink if waveform == PULSE else 0.5
            before, before_low = phase, low
            phase += increment
            if sync > 0.0 and (t + 1) * sync >= next_restart:
                offset = min(((t + 1) * sync - next_restart) / sync, 1.0)
                next_restart += 1.0
                end = before + increment * (1.0 - offset)
                half = 0.5 * (whole(2.0 * end + TIE) % 2.0) if waveform == TRIANGLE else 0.0
                phase = half + offset * increment
                low = int(phase >= duty)
                offsets[t] = offset
                if t > 0:
                    by_end, by_offset = 0.0, 0.0
                    if waveform == SAW:
                        by_end, by_offset = _edge_backward(grad, tables[MIN_BLEP], t, offset)
                        by_offset *= end
                    elif waveform == PULSE:
                        if before_low != low:
                            by_offset = (before_low - low) * _edge_backward(grad, tables[MIN_BLEP], t, offset)[1]
                    else:
                        past = end - whole(end) - 0.5
                        by_end, by_offset = _edge_backward(grad, tables[MIN_BLEP], t + TRIANGLE_DELAY, offset)
                        by_offset *= 2.0 * (abs(half - 0.5) - abs(past))
                        by_end *= -2.0 * np.sign(past)
                    by_phase[t - 1] += by_end
                    by_increment[t] += by_end * (1.0 - offset)
                    by_sync += (by_offset - by_end * increment) * (t + 1 - offset) / sync
            else:
                turn = whole(phase)
                phase -= turn
                low = int(phase >= duty)
                if t > 0:
                    by_offset = 0.0
                    if turn > 0.0 and phase < increment:
                        offset = phase / increment
                        if waveform == TRIANGLE:
                            by_height, by_offset = _edge_backward(grad, tables[BLAMP], t, offset)
                            by_increment[t] -= 4.0 * by_height
                            by_offset *= -4.0 * increment
                        else:
                            by_offset = _edge_backward(grad, tables[MIN_BLEP], t, offset)[1]
                        by_phase[t] += by_offset / increment
                        by_increment[t] -= by_offset * offset / increment
                    change = turn + low - before_low if waveform != SAW else 0.0
                    if change != 0.0:
                        offset = _low_offset(phase, duty, turn, low, change, increment)
                        if waveform == TRIANGLE:
                            by_height, by_offset = _edge_backward(grad, tables[BLAMP], t, offset)
                            by_increment[t] += 4.0 * change * by_height
                            by_offset *= 4.0 * increment * change
                        else:
                            by_offset = -change * _edge_backward(grad, tables[MIN_BLEP], t, offset)[1]
                        if 0.0 < offset < 1.0:
                            by_phase[t] += by_offset / increment
                            by_increment[t] -= by_offset * offset / increment
                            if waveform == PULSE:  # offset = (phase - duty) / increment
                                by_moving = by_offset / increment
                                grad_width[item, t * moving_width] -= by_moving * shrink
                                by_increment[t] += by_moving * DUTY_SHRINK * (widths[item, t * moving_width] - 0.5)
            if waveform == SAW and t < n_samples:
                by_phase[t] -= grad[t]
            elif waveform == TRIANGLE and t + TRIANGLE_DELAY < n_samples:
                by_phase[t] += 2.0 * np.sign(phase - 0.5) * grad[t + TRIANGLE_DELAY]
        # The transpose of phase[t] = phase[t-1] + increment[t], or after a restart phase[t] = offset[t] increment[t].
        total, increment_sum = 0.0, 0.0
        for t in range(n_samples, -1, -1):
            total += by_phase[t]
            if offsets[t] >= 0.0:
                by_increment[t] += total * offsets[t]
                by_sync += total * increments[item, t * moving] * (t + 1 - offsets[t]) / sync
                total = 0.0
            else:
                by_increment[t] += total
            increment_sum += by_increment[t]
        if moving:
            grad_increments[item] = by_increment
        else:
            grad_increments[item, 0] = increment_sum
        grad_start[item] = total
        grad_sync[item] = by_sync


@compiled
def _sine_backward(
    start: float, increments: Array, moving: int, sines: Array, grad: Array, grad_increments: Array, grad_start: Array
) -> None:
    n_samples = len(grad)
    slopes, phase = np.empty(n_samples), start
    for t in range(n_samples):
        slopes[t] = 0.5 * _lookup(sines, phase + 0.25)[1]
        phase += increments[t * moving]
        phase -= whole(phase)
    total, increment_sum = 0.0, 0.0
    for t in range(n_samples - 1, 0, -1):
        total += grad[t] * slopes[t]
        increment_sum += total
        if moving:
            grad_increments[t - 1] = total
    if not moving:
        grad_increments[0] = increment_sum
    grad_start[0] = total + grad[0] * slopes[0]


@compiled
def fm_forward(
    first: int,
    last: int,
    increments1: Array,
    increments2: Array,
    amounts: Array,
    reach: float,
    sines: Array,
    outputs: Array,
) -> None:
    """Phase increments of oscillator 2 under FM for the items from ``first`` to before ``last``.

    ``i[t] = min(i2[t] + reach amount[t] i1[t] (1 + sin(2 pi c[t])), MAX_INCREMENT)`` with the carrier's phase
    ``c[t] = c[t-1] + i1[t]``.

    Shape:
        increments1: ``(items, 1 or samples + 1)``.
        increments2: ``(items, 1 or samples + 1)``.
        amounts: ``(items, 1 or samples + 1)``.
        sines: as ``sine_table`` makes it.
        outputs: ``(items, samples + 1)``.
    """
    moving1, moving2, moving = int(increments1.shape[1] > 1), int(increments2.shape[1] > 1), int(amounts.shape[1] > 1)
    for item in range(first, last):
        carrier = 0.0
        for t in range(outputs.shape[1]):
            increment = float(increments1[item, t * moving1])
            carrier += increment
            carrier -= whole(carrier)
            push = reach * amounts[item, t * moving] * increment * (1.0 + _lookup(sines, carrier)[0])
            outputs[item, t] = min(increments2[item, t * moving2] + push, MAX_INCREMENT)


@compiled
def fm_backward(
    first: int,
    last: int,
    increments1: Array,
    increments2: Array,
    amounts: Array,
    reach: float,
    sines: Array,
    grads: Array,
    grad_increments1: Array,
    grad_increments2: Array,
    grad_amounts: Array,
) -> None:
    """Gradients of ``fm_forward``, written into zeros.

    Shape:
        grads: ``(items, samples + 1)``; the gradient of the outputs.
        grad_increments1: as increments1.
        grad_increments2: as increments2.
        grad_amounts: as amounts.
    """
    n = grads.shape[1]
    moving1, moving2, moving = int(increments1.shape[1] > 1), int(increments2.shape[1] > 1), int(amounts.shape[1] > 1)
    by_carrier, by_increment1 = np.empty(n), np.empty(n)
    for item in range(first, last):
        carrier, sum1, sum2, sum_amount = 0.0, 0.0, 0.0, 0.0
        for t in range(n):
            increment, amount = float(increments1[item, t * moving1]), float(amounts[item, t * moving])
            carrier += increment
            carrier -= whole(carrier)
            sine, slope = _lookup(sines, carrier)
            capped = increments2[item, t * moving2] + reach * amount * increment * (1.0 + sine) >= MAX_INCREMENT
            grad = 0.0 if capped else float(grads[item, t])
            by_amount = grad * reach * increment * (1.0 + sine)
            by_increment1[t] = grad * reach * amount * (1.0 + sine)
            by_carrier[t] = grad * reach * amount * increment * slope
            sum2 += grad
            sum_amount += by_amount
            if moving2:
                grad_increments2[item, t] = grad
            if moving:
                grad_amounts[item, t] = by_amount
        total = 0.0
        for t in range(n - 1, -1, -1):
            total += by_carrier[t]
            sum1 += total + by_increment1[t]
            if moving1:
                grad_increments1[item, t] = total + by_increment1[t]
        if not moving1:
            grad_increments1[item, 0] = sum1
        if not moving2:
            grad_increments2[item, 0] = sum2
        if not moving:
            grad_amounts[item, 0] = sum_amount
