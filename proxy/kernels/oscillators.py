"""Loops over samples for the oscillators: waveforms with band-limited edges, FM, and the adjoints of both.

A waveform is its naive form plus one short residual per edge (the tables of ``render.noisemaker.engine.oscillators``,
so that the spectrum and its aliases are the instrument's). Where an edge falls between two samples depends smoothly on
the phase, so the derivative of the sum is exact: moving an edge changes what its residual adds.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from proxy.kernels.compiled import compiled
from render.noisemaker.engine.oscillators import OVERSAMPLING, STEP_SAMPLES, blamp_residuals, min_blep_residuals
from render.noisemaker.facts import MAX_HZ, TRIANGLE_DELAY
from render.note import SAMPLE_RATE

Array = NDArray[np.float64]

SAW, PULSE, TRIANGLE, SINE, NOISE = range(5)
"""Waveforms, in the order of oscillator 2's choices."""

MAX_STEP = MAX_HZ / SAMPLE_RATE
"""Cycles per sample at which frequencies are capped."""

DUTY_SHRINK = 2.5
"""How fast a pulse becomes square with its frequency (``docs/noisemaker.md``)."""

SINE_POINTS = 1024
"""Points of the sine's table over one cycle."""

TIE = 1e-6
"""Cycles, times two, by which a triangle may miss its middle or end at a restart and still have passed it: at whole
octaves above the sub it gets there in that very moment, but for rounding (golden ``sync``)."""


@cache
def sine_table() -> Array:
    """A cycle and a quarter, shape ``(SINE_POINTS + SINE_POINTS // 4 + 1,)``."""
    return np.sin(2.0 * np.pi * np.arange(SINE_POINTS + SINE_POINTS // 4 + 1) / SINE_POINTS)


@cache
def residual_tables() -> Array:
    """Residuals of steps and corners, shape ``(2, OVERSAMPLING + 1, STEP_SAMPLES)``."""
    return np.stack([min_blep_residuals(), blamp_residuals()])


@compiled
def _lookup(sines: Array, cycles: float) -> tuple[float, float]:
    """Sine of some cycles, 0 or more, and its derivative by the cycles: third-order Taylor around the nearest point."""
    place = (cycles - np.floor(cycles)) * SINE_POINTS + 0.5
    index = int(place)
    away = (place - 0.5 - index) * (2.0 * np.pi / SINE_POINTS)
    sine, cosine = sines[index], sines[index + SINE_POINTS // 4]
    half_square = 0.5 * away * away
    value = sine * (1.0 - half_square) + cosine * away * (1.0 - half_square / 3.0)
    slope = cosine * (1.0 - half_square) - sine * away * (1.0 - half_square / 3.0)
    return value, 2.0 * np.pi * slope


@compiled
def _add(output: Array, residuals: Array, t: int, late: float, height: float) -> None:
    """Add one edge's residual: the edge is ``late`` (0..1) samples before phase ``t``."""
    place = late * OVERSAMPLING
    row = min(int(place), OVERSAMPLING - 1)
    high = height * (place - row)
    low = height - high
    last = min(STEP_SAMPLES, len(output) - t + 1)
    for k in range(last):
        output[t - 1 + k] += low * residuals[row, k] + high * residuals[row + 1, k]


@compiled
def _add_back(grad: Array, residuals: Array, t: int, late: float) -> tuple[float, float]:
    """What the output's gradient makes of an edge of height 1: of its height and of its lateness."""
    place = late * OVERSAMPLING
    row = min(int(place), OVERSAMPLING - 1)
    low, high = 0.0, 0.0
    last = min(STEP_SAMPLES, len(grad) - t + 1)
    for k in range(last):
        low += grad[t - 1 + k] * residuals[row, k]
        high += grad[t - 1 + k] * residuals[row + 1, k]
    return low + (high - low) * (place - row), (high - low) * OVERSAMPLING


@compiled
def play(
    first: int,
    last: int,
    waveforms: NDArray[np.int64],
    step: Array,
    starts: Array,
    widths: Array,
    syncs: Array,
    residuals: Array,
    sines: Array,
    noises: Array,
    outputs: Array,
) -> None:
    """Waveforms of the items ``first`` to ``last``, added to zeros in ``outputs``; see ``oscillators.wave``."""
    n_samples = outputs.shape[1]
    moving, moving_width = int(step.shape[1] > 1), int(widths.shape[1] > 1)
    for item in range(first, last):
        waveform, output, sync = waveforms[item], outputs[item], float(syncs[item])
        phase = float(starts[item])
        if waveform == NOISE:
            output[:] = noises
            continue
        if waveform == SINE:
            for t in range(n_samples):
                output[t] = 0.5 * _lookup(sines, phase + 0.25)[0]
                phase += step[item, t * moving]
                phase -= np.floor(phase)
            continue
        low = 0  # 1 in the second part of a cycle: of a pulse where it is low, of a triangle where it rises
        next_restart = 1.0
        for t in range(n_samples + 1):
            rate = float(step[item, t * moving])
            shrink = 1.0 - DUTY_SHRINK * rate
            duty = 0.5 + (widths[item, t * moving_width] - 0.5) * shrink if waveform == PULSE else 0.5
            before, before_low = phase, low
            phase += rate
            if sync > 0.0 and (t + 1) * sync >= next_restart:
                late = min(((t + 1) * sync - next_restart) / sync, 1.0)
                next_restart += 1.0
                end = before + rate * (1.0 - late)
                half = 0.5 * (np.floor(2.0 * end + TIE) % 2.0) if waveform == TRIANGLE else 0.0
                phase = half + late * rate
                low = int(phase >= duty)
                if t > 0:
                    if waveform == SAW:
                        _add(output, residuals[0], t, late, end)
                    elif waveform == PULSE:
                        _add(output, residuals[0], t, late, float(before_low - low))
                    else:
                        height = 2.0 * (abs(half - 0.5) - abs(end - np.floor(end) - 0.5))
                        _add(output, residuals[0], t + TRIANGLE_DELAY, late, height)
            else:
                turn = np.floor(phase)
                phase -= turn
                low = int(phase >= duty)
                if t > 0:
                    if turn > 0.0:
                        late = min(phase / rate, 1.0)
                        if waveform == TRIANGLE:
                            _add(output, residuals[1], t, late, -4.0 * rate)
                        else:
                            _add(output, residuals[0], t, late, 1.0)
                    if waveform != SAW:
                        change = turn + low - before_low
                        if change != 0.0:
                            late = _low_late(phase, duty, turn, low, change, rate)
                            if waveform == TRIANGLE:
                                _add(output, residuals[1], t, late, 4.0 * rate * change)
                            else:
                                _add(output, residuals[0], t, late, -change)
            if waveform == SAW and t < n_samples:
                output[t] += 0.5 - phase
            elif waveform == PULSE and t < n_samples:
                output[t] += 0.5 - low
            elif waveform == TRIANGLE and t + TRIANGLE_DELAY < n_samples:
                output[t + TRIANGLE_DELAY] += 2.0 * abs(phase - 0.5) - 0.5


@compiled
def _low_late(phase: float, duty: float, turn: float, low: int, change: float, rate: float) -> float:
    """How many samples ago a cycle's second part began (or, for a backward change, ended: now)."""
    # In cycles since the beginning of the one before: the edge was where phase - duty passed a whole number.
    passed = phase - duty + (0.0 if low else 1.0)
    return min(max(passed / rate, 0.0), 1.0) if change > 0.0 else 0.0


@compiled
def play_back(
    first: int,
    last: int,
    waveforms: NDArray[np.int64],
    step: Array,
    starts: Array,
    widths: Array,
    syncs: Array,
    residuals: Array,
    sines: Array,
    grads: Array,
    grad_step: Array,
    grad_start: Array,
    grad_width: Array,
    grad_sync: Array,
) -> None:
    """What gradients of ``outputs`` make of steps, starts, widths and syncs, whose gradients come as zeros."""
    n_samples = grads.shape[1]
    moving, moving_width = int(step.shape[1] > 1), int(widths.shape[1] > 1)
    by_phase, by_step, lates = np.empty(n_samples + 1), np.empty(n_samples + 1), np.empty(n_samples + 1)
    for item in range(first, last):
        waveform, grad, sync = waveforms[item], grads[item], float(syncs[item])
        if waveform == NOISE or not np.any(grad):
            continue
        by_phase[:], by_step[:], lates[:] = 0.0, 0.0, -1.0
        phase = float(starts[item])
        if waveform == SINE:
            _sine_back(phase, step[item], moving, sines, grad, grad_step[item], grad_start[item : item + 1])
            continue
        # Once more forward, to where the edges are: what each owes to phase, step, width and restart in its sample.
        low, next_restart, by_sync = 0, 1.0, 0.0
        for t in range(n_samples + 1):
            rate = float(step[item, t * moving])
            shrink = 1.0 - DUTY_SHRINK * rate
            duty = 0.5 + (widths[item, t * moving_width] - 0.5) * shrink if waveform == PULSE else 0.5
            before, before_low = phase, low
            phase += rate
            if sync > 0.0 and (t + 1) * sync >= next_restart:
                late = min(((t + 1) * sync - next_restart) / sync, 1.0)
                next_restart += 1.0
                end = before + rate * (1.0 - late)
                half = 0.5 * (np.floor(2.0 * end + TIE) % 2.0) if waveform == TRIANGLE else 0.0
                phase = half + late * rate
                low = int(phase >= duty)
                lates[t] = late
                if t > 0:
                    by_end, by_late = 0.0, 0.0
                    if waveform == SAW:
                        by_end, by_late = _add_back(grad, residuals[0], t, late)
                        by_late *= end
                    elif waveform == PULSE:
                        if before_low != low:
                            by_late = (before_low - low) * _add_back(grad, residuals[0], t, late)[1]
                    else:
                        past = end - np.floor(end) - 0.5
                        by_end, by_late = _add_back(grad, residuals[0], t + TRIANGLE_DELAY, late)
                        by_late *= 2.0 * (abs(half - 0.5) - abs(past))
                        by_end *= -2.0 * np.sign(past)
                    by_phase[t - 1] += by_end
                    by_step[t] += by_end * (1.0 - late)
                    by_sync += (by_late - by_end * rate) * (t + 1 - late) / sync
            else:
                turn = np.floor(phase)
                phase -= turn
                low = int(phase >= duty)
                if t > 0:
                    by_late = 0.0
                    if turn > 0.0 and phase < rate:
                        late = phase / rate
                        if waveform == TRIANGLE:
                            by_height, by_late = _add_back(grad, residuals[1], t, late)
                            by_step[t] -= 4.0 * by_height
                            by_late *= -4.0 * rate
                        else:
                            by_late = _add_back(grad, residuals[0], t, late)[1]
                        by_phase[t] += by_late / rate
                        by_step[t] -= by_late * late / rate
                    change = turn + low - before_low if waveform != SAW else 0.0
                    if change != 0.0:
                        late = _low_late(phase, duty, turn, low, change, rate)
                        if waveform == TRIANGLE:
                            by_height, by_late = _add_back(grad, residuals[1], t, late)
                            by_step[t] += 4.0 * change * by_height
                            by_late *= 4.0 * rate * change
                        else:
                            by_late = -change * _add_back(grad, residuals[0], t, late)[1]
                        if 0.0 < late < 1.0:
                            by_phase[t] += by_late / rate
                            by_step[t] -= by_late * late / rate
                            if waveform == PULSE:
                                grad_width[item, t * moving_width] -= by_late / rate * shrink
                                by_step[t] += by_late / rate * DUTY_SHRINK * (widths[item, t * moving_width] - 0.5)
            if waveform == SAW and t < n_samples:
                by_phase[t] -= grad[t]
            elif waveform == TRIANGLE and t + TRIANGLE_DELAY < n_samples:
                by_phase[t] += 2.0 * np.sign(phase - 0.5) * grad[t + TRIANGLE_DELAY]
        # Back through the phase's sum: each phase is the one before plus a step, or begins anew.
        total, by_steps = 0.0, 0.0
        for t in range(n_samples, -1, -1):
            total += by_phase[t]
            if lates[t] >= 0.0:
                by_step[t] += total * lates[t]
                by_sync += total * step[item, t * moving] * (t + 1 - lates[t]) / sync
                total = 0.0
            else:
                by_step[t] += total
            by_steps += by_step[t]
        if moving:
            grad_step[item] = by_step
        else:
            grad_step[item, 0] = by_steps
        grad_start[item] = total
        grad_sync[item] = by_sync


@compiled
def _sine_back(
    start: float, step: Array, moving: int, sines: Array, grad: Array, grad_step: Array, grad_start: Array
) -> None:
    n_samples = len(grad)
    slopes, phase = np.empty(n_samples), start
    for t in range(n_samples):
        slopes[t] = 0.5 * _lookup(sines, phase + 0.25)[1]
        phase += step[t * moving]
        phase -= np.floor(phase)
    total, by_steps = 0.0, 0.0
    for t in range(n_samples - 1, 0, -1):
        total += grad[t] * slopes[t]
        by_steps += total
        if moving:
            grad_step[t - 1] = total
    if not moving:
        grad_step[0] = by_steps
    grad_start[0] = total + grad[0] * slopes[0]


@compiled
def modulate(
    first: int, last: int, steps1: Array, steps2: Array, amounts: Array, reach: float, sines: Array, outputs: Array
) -> None:
    """Steps of oscillator 2 under FM for the items ``first`` to ``last``; see ``oscillators.fm``."""
    moving1, moving2, moving = int(steps1.shape[1] > 1), int(steps2.shape[1] > 1), int(amounts.shape[1] > 1)
    for item in range(first, last):
        carrier = 0.0
        for t in range(outputs.shape[1]):
            rate = float(steps1[item, t * moving1])
            carrier += rate
            carrier -= np.floor(carrier)
            push = reach * amounts[item, t * moving] * rate * (1.0 + _lookup(sines, carrier)[0])
            outputs[item, t] = min(steps2[item, t * moving2] + push, MAX_STEP)


@compiled
def modulate_back(
    first: int,
    last: int,
    steps1: Array,
    steps2: Array,
    amounts: Array,
    reach: float,
    sines: Array,
    grads: Array,
    grad_steps1: Array,
    grad_steps2: Array,
    grad_amounts: Array,
) -> None:
    """What gradients of ``outputs`` make of both steps and the amounts, whose gradients come as zeros."""
    n = grads.shape[1]
    moving1, moving2, moving = int(steps1.shape[1] > 1), int(steps2.shape[1] > 1), int(amounts.shape[1] > 1)
    by_carrier, by_step1 = np.empty(n), np.empty(n)
    for item in range(first, last):
        carrier, sum1, sum2, sum_amount = 0.0, 0.0, 0.0, 0.0
        for t in range(n):
            rate, amount = float(steps1[item, t * moving1]), float(amounts[item, t * moving])
            carrier += rate
            carrier -= np.floor(carrier)
            sine, slope = _lookup(sines, carrier)
            capped = steps2[item, t * moving2] + reach * amount * rate * (1.0 + sine) >= MAX_STEP
            grad = 0.0 if capped else float(grads[item, t])
            by_amount = grad * reach * rate * (1.0 + sine)
            by_step1[t] = grad * reach * amount * (1.0 + sine)
            by_carrier[t] = grad * reach * amount * rate * slope
            sum2 += grad
            sum_amount += by_amount
            if moving2:
                grad_steps2[item, t] = grad
            if moving:
                grad_amounts[item, t] = by_amount
        total = 0.0
        for t in range(n - 1, -1, -1):
            total += by_carrier[t]
            sum1 += total + by_step1[t]
            if moving1:
                grad_steps1[item, t] = total + by_step1[t]
        if not moving1:
            grad_steps1[item, 0] = sum1
        if not moving2:
            grad_steps2[item, 0] = sum2
        if not moving:
            grad_amounts[item, 0] = sum_amount
