"""Dexed's parameter table: the voice parameters of a DX7, and the output level of the plug-in, which no voice stores.

Most parameters of a voice are whole numbers from 0 to 99. Their knobs are continuous here, for the search, and rounded
when a voice is made (``render/dexed/voice.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from render.instruments.curve import Curve
from render.instruments.parameter import OFF_ON, Clause, Condition, Kind, Parameter, Role
from render.instruments.table import Table

OPERATORS = (1, 2, 3, 4, 5, 6)
MOST = 99
"""Largest value of a continuous parameter of a voice."""

OCTAVES = ("-24", "-12", "0", "+12", "+24")
SEMITONES = tuple(f"{k:+d}" if k else "0" for k in range(-6, 6))
"""The transposition of a voice is that of the octave plus these."""

SCALING_CURVES = ("-linear", "-exponential", "+exponential", "+linear")
LFO_WAVES = ("triangle", "saw down", "saw up", "square", "sine", "sample & hold")
COARSE = ("0.5", *(f"{k}" for k in range(1, 32)))
"""Frequency ratios; in fixed mode the remainder by 4 is the power of ten in hertz."""
DETUNE = tuple(f"{k:+d}" if k else "0" for k in range(-7, 8))
CENTRE = 50.0 / MOST
"""Knob of a pitch envelope's level that leaves the pitch alone."""

_LEVEL_RANGE = 4.0  # six carriers at full level reach a peak of 6
_VALUE = Curve("value", "", lambda v: MOST * v)
_OUTPUT = Curve("output", "gain", lambda v: _LEVEL_RANGE * v * v, inverse=lambda gain: (gain / _LEVEL_RANGE) ** 0.5)


def _value(name: str, label: str, group: str, default: float, *needs: Clause, **columns: Any) -> Parameter:
    """A continuous row with a default in units of the voice."""
    return Parameter(name, label, group, Kind.CONTINUOUS, default / MOST, curve=_VALUE, needs=needs, **columns)


def _choice(
    name: str, label: str, group: str, choices: tuple[str, ...], default: int, *needs: Clause, **columns: Any
) -> Parameter:
    kind = Kind.SWITCH if choices == OFF_ON else Kind.CHOICE
    return Parameter(name, label, group, kind, default / (len(choices) - 1), choices, needs=needs, **columns)


def _operator(k: int) -> Iterator[Parameter]:
    group, op = f"operator {k}", f"op{k}"
    heard = (Condition(f"{op}_level"),)
    scaled = (Condition(f"{op}_left_depth"), Condition(f"{op}_right_depth"))
    yield _value(f"{op}_level", f"Operator {k} output level", group, MOST if k == 1 else 0)
    yield _choice(f"{op}_mode", f"Operator {k} frequency mode", group, ("ratio", "fixed"), 0, heard)
    yield _choice(f"{op}_coarse", f"Operator {k} coarse", group, COARSE, 1, heard, steps=(-4, -2, -1, 1, 2, 4))
    yield _value(f"{op}_fine", f"Operator {k} fine", group, 0, heard)
    yield _choice(f"{op}_detune", f"Operator {k} detune", group, DETUNE, 7, heard, steps=(-3, -1, 1, 3))
    for n, (rate, level) in enumerate(zip((99, 99, 99, 99), (99, 99, 99, 0), strict=True), start=1):
        yield _value(f"{op}_rate{n}", f"Operator {k} rate {n}", group, rate, heard)
        yield _value(f"{op}_level{n}", f"Operator {k} level {n}", group, level, heard)
    numbers = tuple(map(str, range(8)))
    yield _choice(f"{op}_velocity", f"Operator {k} velocity sensitivity", group, numbers, 0, heard)
    yield _choice(f"{op}_lfo", f"Operator {k} LFO sensitivity", group, numbers[:4], 0, heard,
                  (Condition("lfo_amp_depth"),))  # fmt: skip
    yield _choice(f"{op}_rate_scaling", f"Operator {k} rate scaling", group, numbers, 0, heard)
    yield _value(f"{op}_breakpoint", f"Operator {k} breakpoint", group, 39, heard, scaled)
    for side in ("left", "right"):
        depth = f"{op}_{side}_depth"
        yield _value(depth, f"Operator {k} {side} depth", group, 0, heard)
        label = f"Operator {k} {side} curve"
        yield _choice(f"{op}_{side}_curve", label, group, SCALING_CURVES, 0, heard, (Condition(depth),))


def _rows() -> Iterator[Parameter]:
    yield Parameter("output", "Output", "master", Kind.CONTINUOUS, 0.25, curve=_OUTPUT, role=Role.LEVEL)
    yield _choice("octave", "Octave", "voice", OCTAVES, 2, role=Role.TRANSPOSE)
    yield _choice("semitone", "Semitone", "voice", SEMITONES, 6, steps=(-5, -1, 1, 5))
    yield _choice("algorithm", "Algorithm", "voice", tuple(map(str, range(1, 33))), 0)
    yield _choice("feedback", "Feedback", "voice", tuple(map(str, range(8))), 0)
    yield _choice("key_sync", "Oscillator key sync", "voice", OFF_ON, 1)
    for k in OPERATORS:
        yield from _operator(k)
    moves = tuple(Condition(f"pitch_level{n}", inert=CENTRE) for n in range(1, 5))
    for n in range(1, 5):
        yield _value(f"pitch_rate{n}", f"Pitch rate {n}", "pitch envelope", MOST, moves)
        yield _value(f"pitch_level{n}", f"Pitch level {n}", "pitch envelope", 50)
    used = (Condition("lfo_pitch_depth"), Condition("lfo_amp_depth"))
    yield _choice("lfo_wave", "LFO wave", "LFO", LFO_WAVES, 4, used)
    yield _value("lfo_speed", "LFO speed", "LFO", 35, used)
    yield _value("lfo_delay", "LFO delay", "LFO", 0, used)
    yield _value("lfo_pitch_depth", "LFO pitch depth", "LFO", 0)
    yield _value("lfo_amp_depth", "LFO amplitude depth", "LFO", 0)
    yield _choice("lfo_sync", "LFO key sync", "LFO", OFF_ON, 0, used)
    sensitivity = tuple(map(str, range(8)))
    yield _choice("lfo_pitch", "Pitch modulation sensitivity", "LFO", sensitivity, 3, (Condition("lfo_pitch_depth"),))


TABLE = Table("Dexed", "render.dexed.table:TABLE", tuple(_rows()))
"""Dexed's parameters."""
