"""The formulas of the instrument that knobs go through, and their inverses.

A ``Formula`` is written with operators only, so one function serves numbers, numpy arrays and torch tensors: the table,
the engine and the differentiable synthesizer read their knobs with the same ones. A ``Curve`` is a formula of one knob
with a name, a unit and an inverse. Every curve rises strictly (one of them only almost to the end), so one bisection
inverts them all. Figures and sources are in ``render.noisemaker.facts``, explanations in ``docs/noisemaker.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from render.instruments.curve import PLAIN, Curve
from render.noisemaker import facts
from render.note import SAMPLE_RATE

_INAUDIBLE = 0.001  # -60 dB, where decay and release count as over

Value = TypeVar("Value")


class Formula(Protocol):
    """Numbers, numpy arrays or torch tensors in, one of the same kind out."""

    def __call__(self, *values: Value) -> Value:
        """The value, element by element."""


def _formula(function: Callable[..., Any]) -> Formula:
    return function


# Knobs


@_formula
def log20(knob: Any) -> Any:
    """``(20^v - 1) / 19``: 0 to 1."""
    return (facts.LEVEL_BASE**knob - 1.0) / (facts.LEVEL_BASE - 1.0)


@_formula
def log8(knob: Any) -> Any:
    """``(8^v - 1) / 7``: 0 to 1."""
    return (facts.CUTOFF_BASE**knob - 1.0) / (facts.CUTOFF_BASE - 1.0)


@_formula
def cube(knob: Any) -> Any:
    """``(2v - 1)^3``: -1 to 1, flat around the middle."""
    return bipolar(knob) ** 3


@_formula
def bipolar(knob: Any) -> Any:
    """``2v - 1``: -1 to 1."""
    return 2.0 * knob - 1.0


@_formula
def square(knob: Any) -> Any:
    """``v^2``: 0 to 1."""
    return knob**2


@_formula
def volume_gain(knob: Any) -> Any:
    """Gain of the master volume, ``(400^v - 1) / 19``: 0 to 21."""
    return (facts.VOLUME_BASE**knob - 1.0) / (facts.LEVEL_BASE - 1.0)


@_formula
def lfo_hz(knob: Any) -> Any:
    """Cycles per second of an LFO that is not tempo-synced."""
    grown = math.exp(facts.LFO_RATE_OFFSET) * facts.LEVEL_BASE ** (facts.LFO_RATE_POWER * knob)
    return (grown - 1.0) / (facts.LEVEL_BASE - 1.0)


@_formula
def delay_seconds(knob: Any) -> Any:
    """Time of a delay that is not tempo-synced."""
    return facts.MAX_DELAY_SECONDS * (facts.DELAY_SHORTEST + (1.0 - facts.DELAY_SHORTEST) * log20(knob))


@_formula
def delay_feedback(knob: Any) -> Any:
    """Feedback of the delay: 0 to 2."""
    return 1.0 + cube(knob)


@_formula
def reverb_size(knob: Any) -> Any:
    """What the combs' lengths and feedback are multiplied by, from the decay knob: 0 to 1."""
    return 1.0 - log20(1.0 - knob)


def _volume_knob(gain: float) -> float:
    return math.log(1.0 + (facts.LEVEL_BASE - 1.0) * gain) / math.log(facts.VOLUME_BASE)


# Pitch and loudness of a note


@_formula
def frequency_hz(number: Any) -> Any:
    """Frequency of a note number in equal temperament."""
    return facts.A4_HZ * 2.0 ** ((number - facts.A4_NUMBER) / 12.0)


@_formula
def velocity_gain(knob: Any, velocity: Any) -> Any:
    """Gain of a note, where the velocity is 0 to 1."""
    return 1.0 - knob * (1.0 - velocity)


# The cutoff control, 0 to 1 of about Nyquist: the square of a sum


@_formula
def still_cutoff(cutoff: Any, velocity_cutoff: Any, key_follow: Any, number: Any, velocity: Any) -> Any:
    """The part of the sum that stands still during a note.

    Args:
        cutoff: knob.
        velocity_cutoff: knob.
        key_follow: knob.
        number: note number.
        velocity: 0 to 1.
    """
    follow = key_follow**2 * (number - facts.KEY_FOLLOW_CENTRE) / facts.KEY_FOLLOW_NOTES
    return log8(cutoff) + log8(velocity_cutoff) * velocity + follow


@_formula
def contour_amount(filter_contour: Any, velocity_contour: Any, velocity: Any) -> Any:
    """What the filter's ADSR is multiplied by before it is added; knobs and a velocity of 0 to 1."""
    return cube(filter_contour) + log8(velocity_contour) * velocity


# Envelopes: per sample an attack adds `rate (top - x)`, decay and release take `rate (x + ENVELOPE_STEP)`


@_formula
def attack_rate(knob: Any) -> Any:
    """Rate of an attack."""
    rate = _stage_rate(knob, facts.ATTACK_FASTEST, facts.ATTACK_POWER)
    return rate * facts.ATTACK_GAIN * facts.ENVELOPE_STEP


@_formula
def attack_top(knob: Any) -> Any:
    """Level that an attack heads for; it ends at 1."""
    return facts.ATTACK_TOP + facts.ATTACK_TOP_SLOPE * knob


@_formula
def decay_rate(knob: Any) -> Any:
    """Rate of a decay."""
    return _stage_rate(knob, facts.DECAY_FASTEST, facts.DECAY_POWER)


@_formula
def release_rate(knob: Any) -> Any:
    """Rate of a release, once it is at full speed."""
    return facts.RELEASE_GAIN * _stage_rate(knob, facts.RELEASE_FASTEST, facts.RELEASE_POWER)


def _stage_rate(knob: Any, fastest: float, power: int) -> Any:
    slowest = facts.ENVELOPE_SLOWEST * facts.ENVELOPE_STEP
    return slowest + fastest * facts.ENVELOPE_STEP * (1.0 - 0.5 * knob) ** power


def _attack_seconds(knob: float) -> float:
    top = attack_top(knob)
    return math.log(top / (top - 1.0)) / attack_rate(knob) / SAMPLE_RATE


def _fall_seconds(rate: float) -> float:
    return math.log((1.0 + facts.ENVELOPE_STEP) / (_INAUDIBLE + facts.ENVELOPE_STEP)) / rate / SAMPLE_RATE


AMOUNT = PLAIN
BIPOLAR = Curve("bipolar", "", cube)
LEVEL = Curve("log20", "", log20)
LOG8 = Curve("log8", "", log8)
SQUARE = Curve("square", "", square)
VOLUME = Curve("volume", "", volume_gain, inverse=_volume_knob)
CUTOFF = Curve("cutoff", "Hz", lambda v: 0.5 * SAMPLE_RATE * log8(v) ** 2)
SEMITONE = Curve("semitone", "semitones", bipolar)
ATTACK = Curve("attack", "s", _attack_seconds, rises_until=0.8619)
"""Time until 1 is reached. Slower knobs overshoot more: beyond the last one an attack gets a little shorter again."""
DECAY = Curve("decay", "s", lambda v: _fall_seconds(decay_rate(v)))
"""Time from 1 down to -60 dB."""
RELEASE = Curve("release", "s", lambda v: _fall_seconds(release_rate(v)))
LFO_RATE = Curve("lfo rate", "Hz", lfo_hz)
PREDELAY = Curve("predelay", "s", log20)
DELAY_TIME = Curve("delay time", "s", delay_seconds)
DRIVE = Curve("drive", "", lambda v: facts.DRIVE_INPUT * v + 1.0)
HIGHPASS = Curve("high-pass", "", lambda v: facts.HIGHPASS_LEAK + facts.HIGHPASS_SPAN * log20(v))
FEEDBACK = Curve("feedback", "", delay_feedback)
REVERB_DECAY = Curve("reverb decay", "", lambda v: facts.REVERB_FEEDBACK * reverb_size(v))
