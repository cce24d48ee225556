"""Curves from the knobs of Vital's continuous controls to human units."""

from __future__ import annotations

import math

from render.instruments.curve import Curve
from render.vital.controls import Control

_SECONDS = ("reverb_decay_time", "_smooth_time", "portamento_time")
"""Exponential controls whose displayed seconds grow with the value; the others are frequencies in hertz."""

_GAIN_AT_0 = -80.0
_A4_NOTE, _A4_HZ = 69.0, 440.0


def curve_of(control: Control) -> Curve:
    """The curve of a continuous control: knob to hertz, seconds, decibels, percent or a bare number."""
    low, span, factor = control.low, control.high - control.low, control.factor
    name = f"{control.scale} {low:g} {control.high:g} {factor:g}"

    def value(knob: float) -> float:
        return low + knob * span

    if control.name == "volume":
        return Curve("volume", "gain", lambda v: _gain(value(v)), inverse=lambda gain: (_volume(gain) - low) / span)
    if "cutoff" in control.name or control.name.endswith("_center"):
        return Curve(f"note {name}", "Hz", lambda v: _A4_HZ * 2.0 ** ((value(v) - _A4_NOTE) / 12.0))
    if control.scale == "Exponential":
        if control.unit == "ms":
            return Curve(name, "s", lambda v: 2.0 ** value(v))
        unit = "s" if any(part in control.name for part in _SECONDS) else "Hz"
        return Curve(name, unit, lambda v: 2.0 ** value(v))
    unit = {"secs": "s", "%": "%", "dB": "dB", "semitones": "semitones", "cents": "cents"}.get(control.unit, "")
    power = {"Quadratic": 2, "Cubic": 3, "Quartic": 4}.get(control.scale, 1)
    return Curve(name, unit, lambda v: factor * value(v) ** power)


def _gain(value: float) -> float:
    """Linear gain of the master volume: the square root of its value is a level in decibels, from -80 dB."""
    return float(10.0 ** ((math.sqrt(max(value, 0.0)) + _GAIN_AT_0) / 20.0))


def _volume(gain: float) -> float:
    level = 20.0 * math.log10(max(gain, 1e-4)) - _GAIN_AT_0
    return max(level, 0.0) ** 2
