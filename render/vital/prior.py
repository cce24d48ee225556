"""The prior over Vital's patches, designed from the meaning of the parameters alone.

A patch has few modules: one to three oscillators, mostly one filter, some modulations of modules in use, and an effect
or two. Most knobs of a module keep their initial values, and the others move by typical amounts. It is not fitted to
any published presets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.random import Generator

from render.instruments.draws import draw_note, generator, hash_of_draws
from render.instruments.patch import Patch
from render.note import Note
from render.vital.controls import CONTROLS
from render.vital.table import DESTINATIONS, SLOTS, SOURCES, TABLE

_KNOB_DECIMALS = 4

EFFECTS: Mapping[str, float] = {
    "reverb": 0.3, "delay": 0.22, "chorus": 0.18, "distortion": 0.15, "eq": 0.12, "compressor": 0.12, "phaser": 0.06,
    "flanger": 0.05, "filter_fx": 0.04,
}  # fmt: skip
"""Probability that an effect is on."""

_MOVED_SHARE, _MOVED_BY = 0.45, 0.18
"""Share of an effect's knobs that leave their initial values, and the standard deviation of the moves."""
_LOUDNESS_DB, _LOUDNESS_SPREAD_DB = -9.0, 3.0

Knobs = dict[str, float]


def draw(seed: int, index: int, attempt: int = 0) -> tuple[Patch, Note]:
    """Draw patch and note number ``index`` of a set; see ``render.instruments.draws.generator``.

    Example:
        >>> patch, note = draw(seed=0, index=7)
        >>> draw(seed=0, index=7) == (patch, note)
        True
    """
    rng = generator(seed, index, attempt)
    return draw_patch(rng), draw_note(rng)


@cache
def prior_hash() -> str:
    """Identifies the prior by its first draws."""
    return hash_of_draws(draw)


def draw_patch(rng: Generator) -> Patch:
    """Draw a patch."""
    knobs: Knobs = {}
    n_oscillators = int(rng.choice([1, 2, 3], p=[0.45, 0.38, 0.17]))
    for k in (1, 2, 3):
        knobs[f"osc_{k}_on"] = float(k <= n_oscillators)
        if k <= n_oscillators:
            _oscillator(knobs, k, rng, several=n_oscillators > 1)
    if rng.random() < 0.15:
        _set(knobs, "sample_on", 1.0)
        _set(knobs, "sample_level", float(rng.uniform(0.2, 0.6)))
        _set(knobs, "sample_destination", float(rng.choice([0, 3])))
    if rng.random() < 0.75:
        _filter(knobs, "1", rng)
    if rng.random() < 0.18:
        _filter(knobs, "2", rng)
        knobs["filter_2_filter_input"] = float(rng.random() < 0.5)
    _envelope(knobs, 1, rng)
    for name, probability in EFFECTS.items():
        if rng.random() < probability:
            _effect(knobs, name, rng)
    _modulations(knobs, rng)
    if rng.random() < 0.35:
        _set(knobs, "velocity_track", 1.0 if rng.random() < 0.5 else float(rng.uniform(0.2, 1.0)))
    level = _LOUDNESS_DB - 2.0 * (n_oscillators - 1) + _LOUDNESS_SPREAD_DB * float(rng.standard_normal())
    _set(knobs, "volume", (80.0 + min(max(level, -30.0), 0.0)) ** 2)
    for name, knob in knobs.items():
        row = TABLE.parameter(name)
        knobs[name] = row.snap(knob) if row.discrete else round(min(max(knob, 0.0), 1.0), _KNOB_DECIMALS)
    return TABLE.patch(knobs)


def _set(knobs: Knobs, name: str, value: float) -> None:
    """Set a control to a value of the engine."""
    knobs[name] = CONTROLS[name].knob(value)


def _choose(knobs: Knobs, name: str, weights: Mapping[str, float] | Sequence[float], rng: Generator) -> None:
    """Draw a choice of a row: weights by name, or in the order of the choices; the remaining ones share the rest."""
    row = TABLE.parameter(name)
    given = dict(zip(row.choices, weights, strict=False)) if not isinstance(weights, Mapping) else dict(weights)
    rest = max(1.0 - sum(given.values()), 0.0)
    others = [choice for choice in row.choices if choice not in given and choice != "own"]
    given |= {choice: rest / len(others) for choice in others}
    names = list(given)
    p = np.array([given[name] for name in names])
    knobs[name] = row.knob(str(rng.choice(names, p=p / p.sum())))


def _oscillator(knobs: Knobs, k: int, rng: Generator, *, several: bool) -> None:
    osc = f"osc_{k}"
    _choose(knobs, f"{osc}_wavetable", {"saw": 0.3, "basic shapes": 0.32, "pulse width": 0.12, "own": 0.0}, rng)
    frame = float(rng.choice([0, 64, 128, 192, 256])) if rng.random() < 0.5 else float(rng.uniform(0.0, 256.0))
    _set(knobs, f"{osc}_wave_frame", frame)
    _set(knobs, f"{osc}_level", 0.7071 if rng.random() < 0.4 else float(rng.uniform(0.3, 1.0)))
    if several and rng.random() < 0.15:
        _set(knobs, f"{osc}_pan", float(rng.normal(0.0, 0.4)))
    shifts = [0, -12, 12, -24, 24, 7, -5, 19]
    p = [0.72, 0.1, 0.08, 0.03, 0.02, 0.03, 0.01, 0.01] if k == 1 else [0.42, 0.2, 0.16, 0.05, 0.04, 0.06, 0.03, 0.04]
    _set(knobs, f"{osc}_transpose", float(rng.choice(shifts, p=p)))
    if rng.random() < 0.35:
        _set(knobs, f"{osc}_tune", float(rng.normal(0.0, 0.08)))
    _set(knobs, f"{osc}_phase", 0.5 if rng.random() < 0.6 else float(rng.random()))
    _set(knobs, f"{osc}_random_phase", float(rng.random() < 0.5))
    if rng.random() < 0.4:
        low, high = (2, 8) if rng.random() < 0.8 else (8, 17)
        _set(knobs, f"{osc}_unison_voices", float(rng.integers(low, high)))
        _set(knobs, f"{osc}_unison_detune", float(rng.uniform(1.0, 6.5)))
        _set(knobs, f"{osc}_stereo_spread", 1.0 if rng.random() < 0.6 else float(rng.random()))
        if rng.random() < 0.2:
            _set(knobs, f"{osc}_unison_blend", float(rng.uniform(0.3, 1.0)))
        _choose(knobs, f"{osc}_stack_style", [0.85], rng)
    if rng.random() < 0.25:
        # FM and RM need another oscillator, or the sample, to be audible.
        weights = [0.0, 0.2, 0.12, 0.12, 0.14, 0.14, 0.12] + ([0.08, 0.0, 0.0, 0.08] if several else [0.0] * 4)
        _choose(knobs, f"{osc}_distortion_type", [*weights, *([0.0] * (13 - len(weights)))], rng)
        _set(knobs, f"{osc}_distortion_amount", float(rng.uniform(0.1, 0.9)))
    if rng.random() < 0.22:
        _choose(knobs, f"{osc}_spectral_morph_type", [0.0], rng)
        _set(knobs, f"{osc}_spectral_morph_amount", float(rng.uniform(0.1, 0.9)))
    _choose(knobs, f"{osc}_destination", [0.62, 0.08, 0.08, 0.2, 0.02, *([0.0] * 9)], rng)


def _filter(knobs: Knobs, k: str, rng: Generator) -> None:
    name = f"filter_{k}"
    knobs[f"{name}_on"] = 1.0
    _choose(knobs, f"{name}_model", [0.45, 0.1, 0.14, 0.1, 0.08, 0.04, 0.06, 0.03], rng)
    _choose(knobs, f"{name}_style", [0.5, 0.3, 0.06, 0.06, 0.08, *([0.0] * 5)], rng)
    _set(knobs, f"{name}_cutoff", float(rng.normal(75.0, 22.0)))
    _set(knobs, f"{name}_resonance", 0.5 if rng.random() < 0.25 else float(rng.uniform(0.0, 0.75)))
    blend = float(rng.choice([0.0, 1.0, 2.0], p=[0.78, 0.1, 0.12])) if rng.random() < 0.85 else float(rng.uniform(0, 2))
    _set(knobs, f"{name}_blend", blend)
    if rng.random() < 0.3:
        _set(knobs, f"{name}_drive", float(rng.uniform(1.0, 14.0)))
    if rng.random() < 0.4:
        _set(knobs, f"{name}_keytrack", 1.0 if rng.random() < 0.5 else float(rng.uniform(-0.2, 1.0)))
    if rng.random() < 0.12:
        _set(knobs, f"{name}_mix", float(rng.uniform(0.3, 1.0)))
    if rng.random() < 0.5:
        _set(knobs, f"{name}_blend_transpose", float(rng.uniform(0.0, 84.0)))
        for part in ("x", "y"):
            _set(knobs, f"{name}_formant_{part}", float(rng.random()))


def _envelope(knobs: Knobs, k: int, rng: Generator) -> None:
    """Times are fourth powers of the values: 0.4 is 26 ms, 1 is 1 s."""
    name = f"env_{k}"
    attack = (
        0.1495
        if rng.random() < 0.35
        else float(rng.uniform(0.1, 0.5) if rng.random() < 0.65 else rng.uniform(0.5, 1.2))
    )
    _set(knobs, f"{name}_attack", attack)
    _set(knobs, f"{name}_decay", 1.0 if rng.random() < 0.2 else float(rng.uniform(0.35, 1.4)))
    sustain = float(rng.choice([0.0, 1.0])) if rng.random() < 0.5 else float(rng.random())
    _set(knobs, f"{name}_sustain", sustain)
    _set(knobs, f"{name}_release", 0.5476 if rng.random() < 0.25 else float(rng.uniform(0.25, 1.25)))
    if rng.random() < 0.08:
        _set(knobs, f"{name}_hold", float(rng.uniform(0.2, 0.8)))
    if rng.random() < 0.1:
        _set(knobs, f"{name}_attack_power", float(rng.normal(0.0, 4.0)))
        _set(knobs, f"{name}_decay_power", float(rng.normal(-2.0, 4.0)))


def _lfo(knobs: Knobs, k: int, rng: Generator) -> None:
    name = f"lfo_{k}"
    _choose(knobs, f"{name}_shape", {"triangle": 0.35, "sine": 0.25, "saw down": 0.12, "own": 0.0}, rng)
    _choose(knobs, f"{name}_sync", [0.35, 0.5, 0.08, 0.07, 0.0], rng)
    _set(knobs, f"{name}_tempo", float(rng.integers(6, 12)))
    _set(knobs, f"{name}_frequency", math.log2(float(0.3 * 30.0 ** rng.random())))
    _choose(knobs, f"{name}_sync_type", [0.78, 0.04, 0.12, 0.03, 0.015, 0.015], rng)
    if rng.random() < 0.2:
        _set(knobs, f"{name}_phase", float(rng.random()))
    if rng.random() < 0.1:
        _set(knobs, f"{name}_fade_time", float(rng.uniform(0.1, 1.5)))


def _modulations(knobs: Knobs, rng: Generator) -> None:
    """Modulations of what is in use, with their envelopes and LFOs."""
    count = int(rng.choice([0, 1, 2, 3, 4, 5], p=[0.16, 0.32, 0.25, 0.14, 0.08, 0.05]))
    weights = {name: _weight(name, knobs) for name in DESTINATIONS[1:]}
    p = np.array(list(weights.values()))
    sources = dict(zip(SOURCES, (0.0, 0.03, 0.38, 0.07, 0.24, 0.1, 0.03, 0.02, 0.09, 0.04), strict=True))
    used = set[str]()
    taken = set[tuple[str, str]]()
    for n in SLOTS[:count]:
        source = str(rng.choice(SOURCES, p=np.array(list(sources.values())) / sum(sources.values())))
        destination = str(rng.choice(list(weights), p=p / p.sum()))
        if (source, destination) in taken:
            continue
        taken.add((source, destination))
        slot = f"modulation_{n}"
        knobs[f"{slot}_source"] = TABLE.parameter(f"{slot}_source").knob(source)
        knobs[f"{slot}_destination"] = TABLE.parameter(f"{slot}_destination").knob(destination)
        size = float(rng.beta(1.6, 2.2))
        if destination.endswith(("_tune", "_transpose")):
            size *= 0.12 if rng.random() < 0.7 else 0.5
        sign = 1.0 if rng.random() < 0.78 else -1.0
        _set(knobs, f"{slot}_amount", sign * size)
        if source.startswith("lfo") and rng.random() < 0.35:
            knobs[f"{slot}_bipolar"] = 1.0
        if source not in used:
            used.add(source)
            if source.startswith("env") and source != "env_1":
                _envelope(knobs, int(source[-1]), rng)
            elif source.startswith("lfo"):
                _lfo(knobs, int(source[-1]), rng)


def _weight(destination: str, knobs: Knobs) -> float:
    """How likely a destination is; 0 if its module is not in use."""
    head, _, part = destination.partition("_")
    if head in ("osc", "filter"):
        number, _, part = part.partition("_")
        if not knobs.get(f"{head}_{number}_on"):
            return 0.0
        if head == "filter":
            return {"cutoff": 4.0, "resonance": 0.4, "drive": 0.3, "mix": 0.1}[part]
        needed = {"distortion_amount": "distortion_type", "spectral_morph_amount": "spectral_morph_type",
                  "unison_detune": "unison_voices", "wave_frame": "wavetable"}.get(part)  # fmt: skip
        if needed is not None and not knobs.get(f"{head}_{number}_{needed}"):
            return 0.0
        usual = {"wave_frame": 1.3, "level": 0.5, "tune": 0.3, "transpose": 0.2, "pan": 0.25, "unison_detune": 0.15}
        return usual.get(part, 1.0)
    if head == "lfo":
        return 0.05
    if head in ("voice", "volume"):
        return 0.2
    return 0.4 if knobs.get(f"{head}_on") else 0.0


def _effect(knobs: Knobs, name: str, rng: Generator) -> None:
    if name == "filter_fx":
        _filter(knobs, "fx", rng)
        return
    knobs[f"{name}_on"] = 1.0
    for row in TABLE.parameters:
        if not row.name.startswith(f"{name}_") or row.name == f"{name}_on" or rng.random() >= _MOVED_SHARE:
            continue
        if row.discrete:
            near = row.neighbours(row.index(row.default))
            knobs[row.name] = row.choice_knobs[int(rng.choice(near))] if near else row.default
        else:
            knobs[row.name] = row.default + _MOVED_BY * float(rng.standard_normal())
    if name == "eq" and rng.random() < 0.8:  # an equaliser with flat bands does nothing
        _set(knobs, f"eq_{rng.choice(['low', 'band', 'high'])}_gain", float(rng.normal(0.0, 7.0)))
    if name == "distortion":
        _set(knobs, "distortion_drive", float(rng.uniform(-4.0, 22.0)))
