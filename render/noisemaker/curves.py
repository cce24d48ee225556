"""Curves between a knob (0..1) and a setting in human units, from the published facts of the instrument.

Every curve rises strictly (one of them only almost to the end), so one bisection inverts them all. The envelope times
are those of the per-sample recursions at 44.1 kHz (increment ``A`` or ``D`` per sample; see ``docs/noisemaker.md``),
solved for the time that the stage takes: attack until 1 is reached, decay and release until -60 dB.
"""

from __future__ import annotations

import math

from render.instruments.curve import PLAIN, Curve
from render.note import SAMPLE_RATE

ENVELOPE_STEP = 0.004
"""The ``s`` of the envelope formulas at 44.1 kHz."""


def log20(knob: float) -> float:
    """``(20^v - 1) / 19``: 0 to 1."""
    return float((20.0**knob - 1.0) / 19.0)


def log8(knob: float) -> float:
    """``(8^v - 1) / 7``: 0 to 1."""
    return float((8.0**knob - 1.0) / 7.0)


def cube(knob: float) -> float:
    """``(2v - 1)^3``: -1 to 1, flat around the middle."""
    return (2.0 * knob - 1.0) ** 3


def _attack_seconds(knob: float) -> float:
    rate = 0.0003 * ENVELOPE_STEP + 7.0 * ENVELOPE_STEP * (1.0 - 0.5 * knob) ** 24
    overshoot = 1.04 + 0.5 * knob
    return math.log(overshoot / (overshoot - 1.0)) / (rate * 200.0 * ENVELOPE_STEP) / SAMPLE_RATE


def _decay_seconds(knob: float) -> float:
    rate = 0.0003 * ENVELOPE_STEP + 7.0 * ENVELOPE_STEP * (1.0 - 0.5 * knob) ** 23
    return _fall_seconds(rate)


def _release_seconds(knob: float) -> float:
    rate = 8.0 * (0.0003 * ENVELOPE_STEP + 2.0 * ENVELOPE_STEP * (1.0 - 0.5 * knob) ** 22)
    return _fall_seconds(rate)


def _fall_seconds(rate: float) -> float:
    """Time from 1 to 0.001 (-60 dB) of ``x -= rate (x + s)`` per sample."""
    return math.log((1.0 + ENVELOPE_STEP) / (0.001 + ENVELOPE_STEP)) / rate / SAMPLE_RATE


def _lfo_hz(knob: float) -> float:
    return float((math.exp(0.2) * 20.0 ** (3.0 * knob) - 1.0) / 19.0)


AMOUNT = PLAIN
BIPOLAR = Curve("bipolar", "", cube)
LEVEL = Curve("log20", "", log20)
LOG8 = Curve("log8", "", log8)
SQUARE = Curve("square", "", lambda v: v * v)
VOLUME = Curve(
    "volume", "", lambda v: (400.0**v - 1.0) / 19.0, inverse=lambda gain: math.log(1.0 + 19.0 * gain) / math.log(400.0)
)
CUTOFF = Curve("cutoff", "Hz", lambda v: 0.5 * SAMPLE_RATE * log8(v) ** 2)
SEMITONE = Curve("semitone", "semitones", lambda v: 2.0 * v - 1.0)
ATTACK = Curve("attack", "s", _attack_seconds, rises_until=0.8619)
"""Slower knobs overshoot more: beyond this one the attack gets a little shorter again."""
DECAY = Curve("decay", "s", _decay_seconds)
RELEASE = Curve("release", "s", _release_seconds)
LFO_RATE = Curve("lfo rate", "Hz", _lfo_hz)
PREDELAY = Curve("predelay", "s", log20)
DELAY_TIME = Curve("delay time", "s", lambda v: 4.0 * (0.01 + 0.99 * log20(v)))
DRIVE = Curve("drive", "", lambda v: 10.0 * v + 1.0)
HIGHPASS = Curve("high-pass", "", lambda v: 0.001 + 0.4 * log20(v))
FEEDBACK = Curve("feedback", "", lambda v: 1.0 + cube(v))
REVERB_DECAY = Curve("reverb decay", "", lambda v: 0.99 * (1.0 - log20(1.0 - v)))
