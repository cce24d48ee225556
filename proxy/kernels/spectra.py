"""The loops of the distance's fast path: frames of an STFT, and its cells compared with the target's in one pass.

``proxy/loss/fused.py`` puts them together. Each works on one render; in their docs ``channels`` is 1 or 3, and a
spectrum of complex numbers is an array of their real and imaginary parts, ``(cells, 2)``.

Logarithms are dear and mostly not needed: the slope of ``|ln x - ln t|`` has the sign of ``x - t``, and a sum of such
terms is the logarithm of the product of ``max(x, t) / min(x, t)``, which is taken once for many cells.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxy.kernels.compiled import compiled_fast

Array = NDArray[Any]

_CELLS = 1 << 4
"""Factors in a product before its logarithm is taken: 1e18 each would still not overflow."""


@compiled_fast
def frame(padded: Array, first: int, window: Array, frames: Array) -> None:
    """Cut a sound into windowed frames, with a hop of half a window.

    Args:
        padded: the sound with its reflected ends.
        first: sample at which the first frame begins.
        window: window of the STFT.
        frames: result.

    Shape:
        padded: ``(channels, samples)``.
        window: ``(window,)``.
        frames: ``(channels, frames, window)``.
    """
    n = len(window)
    for channel in range(frames.shape[0]):
        for number in range(frames.shape[1]):
            start = first + number * (n // 2)
            for k in range(n):
                frames[channel, number, k] = padded[channel, start + k] * window[k]


@compiled_fast
def add_frames(frames: Array, first: int, window: Array, padded: Array) -> None:
    """The transpose of ``frame``: adds windowed frames where they were cut from."""
    n = len(window)
    for channel in range(frames.shape[0]):
        for number in range(frames.shape[1]):
            start = first + number * (n // 2)
            for k in range(n):
                padded[channel, start + k] += frames[channel, number, k] * window[k]


@compiled_fast
def absolute(spectrum: Array, smallest: float, result: Array) -> None:
    """Magnitudes of a spectrum, floored.

    Shape:
        spectrum: ``(cells, 2)``.
        result: ``(cells,)``.
    """
    least = np.float32(smallest)
    for k in range(len(result)):
        real, imaginary = spectrum[k, 0], spectrum[k, 1]
        result[k] = max(np.sqrt(real * real + imaginary * imaginary), least)


@compiled_fast
def heard_ratios(magnitudes: Array, target: Array, gain: float, floor: float, ratios: Array) -> int:
    """Ratios of the target to a render, where both are above the floor; returns their number.

    Args:
        magnitudes: the render's magnitudes.
        target: the target's.
        gain: gain of the render, for the comparison with the floor only.
        floor: floor of both.
        ratios: result, filled from the beginning.

    Shape:
        magnitudes: ``(cells,)``.
        target: ``(cells,)``.
        ratios: ``(cells,)``.
    """
    count, level, least = 0, np.float32(gain), np.float32(floor)
    for k in range(len(magnitudes)):
        if magnitudes[k] * level > least and target[k] > least:
            ratios[count] = target[k] / magnitudes[k]
            count += 1
    return count


@compiled_fast
def lower_median(bits: Array) -> int:
    """The median of non-negative integers of 31 bits; of an even number the lower of the two in the middle.

    The bits of positive float32 numbers, read as integers, are in the order of the numbers. Digit by digit, beginning
    with the highest, the numbers are counted that share the digits found so far.

    Shape:
        bits: ``(numbers,)``, one or more, int32.
    """
    rank, found, known = (len(bits) - 1) // 2, 0, 31
    counts = np.empty(1 << 11, np.int64)
    for shift, size in ((20, 1 << 11), (9, 1 << 11), (0, 1 << 9)):
        counts[:] = 0
        for k in range(len(bits)):
            if bits[k] >> known == found >> known:
                counts[(bits[k] >> shift) & (size - 1)] += 1
        digit = 0
        while rank >= counts[digit]:
            rank -= counts[digit]
            digit += 1
        found, known = found | (digit << shift), shift
    return found


@compiled_fast
def nearness(ratios: Array, median: float) -> float:
    """The sum over all ratios of the fourth power of ``ratio / median``, or of its inverse, whichever is below 1."""
    total = 0.0
    for k in range(len(ratios)):
        share = min(ratios[k] / median, median / ratios[k])
        share *= share
        total += share * share
    return total


@compiled_fast
def compare(magnitudes: Array, target: Array, gain: float, floor: float) -> tuple[float, float, float, float]:
    """Sums over all cells of ``|ln x - ln t|`` and of ``|x - t|``, and their derivatives with respect to the gain.

    ``x`` is the render's magnitude after the gain, floored; ``t`` the target's.

    Shape:
        magnitudes: ``(cells,)``.
        target: ``(cells,)``.
    """
    logs, differences, above, weighted = 0.0, 0.0, 0.0, 0.0
    n, none, one = len(magnitudes), np.float32(0.0), np.float32(1.0)
    level, least = np.float32(gain), np.float32(floor)
    for first in range(0, n, _CELLS):
        product, part, sign_part, weighted_part = 1.0, none, none, none
        for k in range(first, min(first + _CELLS, n)):
            magnitude, there = magnitudes[k], target[k]
            at_gain = magnitude * level
            here = max(at_gain, least)
            product *= max(here, there) / min(here, there)
            part += abs(here - there)
            sign = one if here > there else (-one if here < there else none)
            sign = none if at_gain < least else sign
            sign_part += sign
            weighted_part += sign * magnitude
        logs += math.log(product)
        differences += float(part)
        above += float(sign_part)
        weighted += float(weighted_part)
    return logs, differences, above / gain, weighted


@compiled_fast
def steer(
    spectrum: Array, magnitudes: Array, target: Array, gain: float, limits: tuple[float, float], weights: Array
) -> None:
    """Replace a spectrum by the derivative of the loss with respect to it.

    Args:
        spectrum: the render's spectrum.
        magnitudes: its magnitudes, from ``absolute``.
        target: the target's magnitudes.
        gain: gain of the render.
        limits: floor of the distance, after the gain; and floor of ``absolute``, before it. At a floor there is no
            slope.
        weights: weight of a cell's ``|ln x - ln t|`` in the loss; weight of its ``|x - t|``; factor of the cell's share
            in the slope of the gain, 0 for none; the gain with which ``heard_ratios`` was called; the median ratio.

    Shape:
        spectrum: ``(cells, 2)``.
        magnitudes: ``(cells,)``.
        target: ``(cells,)``.
        weights: ``(5,)``.
    """
    # All in float32, of which a processor computes eight at once.
    none, level = np.float32(0.0), np.float32(gain)
    least, smallest = np.float32(limits[0]), np.float32(limits[1])
    by_log, by_difference = np.float32(weights[0]), np.float32(weights[1] * gain)
    pull, first_gain, per_median = np.float32(weights[2]), np.float32(weights[3]), np.float32(1.0 / weights[4])
    for k in range(len(magnitudes)):
        magnitude, there = magnitudes[k], target[k]
        here, inverse = magnitude * level, np.float32(1.0) / magnitude
        slope = by_log * inverse + by_difference
        slope = slope if here > there else (-slope if here < there else none)
        slope = none if here < least else slope
        if pull != none:
            share = there * inverse * per_median
            share = min(share, np.float32(1.0) / share)
            share *= share
            heard = magnitude * first_gain > least and there > least
            slope += pull * share * share * inverse if heard else none
        slope = none if magnitude <= smallest else slope * inverse
        spectrum[k, 0] *= slope
        spectrum[k, 1] *= slope


@compiled_fast
def window_powers(padded: Array, first: int, window: int, hop: int, powers: Array) -> None:
    """Mean squares of windows.

    Args:
        padded: the sound with its reflected ends.
        first: sample at which the first window begins.
        window: length of a window in samples.
        hop: distance of two windows in samples.
        powers: result.

    Shape:
        padded: ``(channels, samples)``.
        powers: ``(channels, windows)``.
    """
    for channel in range(powers.shape[0]):
        for number in range(powers.shape[1]):
            start, total = first + number * hop, 0.0
            for k in range(start, start + window):
                total += padded[channel, k] * padded[channel, k]
            powers[channel, number] = total / window


@compiled_fast
def add_power_slopes(padded: Array, first: int, window: int, hop: int, slopes: Array, result: Array) -> None:
    """The transpose of ``window_powers``: adds derivatives with respect to samples, from those of mean squares."""
    for channel in range(slopes.shape[0]):
        for number in range(slopes.shape[1]):
            start, slope = first + number * hop, 2.0 * slopes[channel, number] / window
            if slope != 0.0:
                for k in range(start, start + window):
                    result[channel, k] += slope * padded[channel, k]


@compiled_fast
def compare_levels(powers: Array, target_db: Array, gain: float, floor: float, slopes: Array) -> tuple[float, float]:
    """The sum of level differences in dB, and its derivative with respect to the gain.

    Args:
        powers: mean squares of the render.
        target_db: the target's levels.
        gain: gain of the render.
        floor: floor of the mean squares after the gain.
        slopes: result: the derivative with respect to each mean square.

    Shape:
        powers: ``(channels, windows)``.
        target_db: ``(channels, windows)``.
        slopes: ``(channels, windows)``.
    """
    total, by_gain, per_neper = 0.0, 0.0, 10.0 / math.log(10.0)
    for channel in range(powers.shape[0]):
        for number in range(powers.shape[1]):
            power = powers[channel, number] * gain * gain
            difference = per_neper * math.log(max(power, floor)) - target_db[channel, number]
            total += abs(difference)
            sign = 0.0 if power < floor else (1.0 if difference > 0.0 else -1.0)
            slopes[channel, number] = sign * per_neper / max(powers[channel, number], 1e-300)
            by_gain += 2.0 * sign * per_neper / gain
    return total, by_gain


@compiled_fast
def reflected(sound: Array, ends: int, width: float, padded: Array) -> None:
    """Pad a sound with its reflected ends.

    Args:
        sound: the sound.
        ends: samples by which both ends are extended.
        width: factor of the difference of both sides, which is the third channel.
        padded: the result: the mean of both sides, or both and their difference.

    Shape:
        sound: ``(2, samples)``.
        padded: ``(1 or 3, samples + 2 ends)``.
    """
    n = sound.shape[1]
    for channel in range(padded.shape[0]):
        row = padded[channel]
        if len(padded) == 1:
            for k in range(n):
                row[ends + k] = 0.5 * (sound[0, k] + sound[1, k])
        elif channel < 2:
            row[ends : ends + n] = sound[channel]
        else:
            for k in range(n):
                row[ends + k] = width * (sound[0, k] - sound[1, k])
        for k in range(1, ends + 1):
            row[ends - k] = row[ends + k]
            row[ends + n - 1 + k] = row[ends + n - 1 - k]


@compiled_fast
def folded(padded: Array, ends: int, width: float, sound: Array) -> None:
    """The transpose of ``reflected``; ``padded`` is overwritten."""
    n = sound.shape[1]
    for channel in range(padded.shape[0]):
        row = padded[channel]
        for k in range(1, ends + 1):
            row[ends + k] += row[ends - k]
            row[ends + n - 1 - k] += row[ends + n - 1 + k]
    for side in range(2):
        for k in range(n):
            if len(padded) == 1:
                sound[side, k] = 0.5 * padded[0, ends + k]
            else:
                apart = width * padded[2, ends + k]
                sound[side, k] = padded[side, ends + k] + (apart if side == 0 else -apart)
