"""The prior over Dexed's patches, designed from the meaning of the parameters alone.

Carriers are loud, modulators vary, ratios are mostly whole, and envelopes strike, swell or hold. It is not fitted to
any published voices.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.random import Generator

from render.dexed.algorithms import CARRIERS
from render.dexed.table import MOST, OPERATORS, TABLE
from render.instruments.draws import draw_note, generator, hash_of_draws
from render.instruments.patch import Patch
from render.note import Note

_RATIOS = {1: 0.42, 2: 0.16, 0: 0.08, 3: 0.09, 4: 0.06, 5: 0.04, 6: 0.03, 7: 0.03, 8: 0.02, 9: 0.02, 12: 0.02, 14: 0.03}
"""Probability of a coarse frequency (0 is a ratio of 0.5)."""

Knobs = dict[str, float]


def draw(seed: int, index: int, attempt: int = 0) -> tuple[Patch, Note]:
    """Draw patch and note number ``index`` of a set; see ``render.instruments.draws.generator``."""
    rng = generator(seed, index, attempt)
    return draw_patch(rng), draw_note(rng)


@cache
def prior_hash() -> str:
    """Identifies the prior by its first draws."""
    return hash_of_draws(draw)


def draw_patch(rng: Generator) -> Patch:
    """Draw a patch."""
    knobs: Knobs = {"algorithm": float(rng.integers(0, 32)) / 31.0}
    carriers = CARRIERS[round(31 * knobs["algorithm"])]
    knobs["feedback"] = (0 if rng.random() < 0.3 else int(rng.integers(1, 8))) / 7.0
    knobs["octave"] = float(rng.choice([0.25, 0.5, 0.75], p=[0.15, 0.75, 0.1]))
    knobs["output"] = float(rng.uniform(0.12, 0.3))
    kind = str(rng.choice(["strike", "swell", "hold"], p=[0.5, 0.2, 0.3]))
    for k in OPERATORS:
        carrier = k in carriers
        if rng.random() < (0.12 if carrier else 0.3) and k != min(carriers):
            continue
        _operator(knobs, k, rng, carrier=carrier, kind=kind if rng.random() < 0.75 else None)
    if rng.random() < 0.12:
        for n in range(1, 5):
            _set(knobs, f"pitch_rate{n}", rng.uniform(30.0, 99.0))
        _set(knobs, "pitch_level1", rng.normal(50.0, 12.0))
        _set(knobs, "pitch_level2", rng.normal(50.0, 6.0))
    if rng.random() < 0.3:
        knobs["lfo_wave"] = float(rng.choice([0.0, 0.8, *np.arange(6) / 5.0]))
        _set(knobs, "lfo_speed", rng.uniform(20.0, 60.0))
        _set(knobs, "lfo_delay", 0.0 if rng.random() < 0.6 else rng.uniform(0.0, 70.0))
        knobs["lfo_sync"] = float(rng.random() < 0.5)
        if rng.random() < 0.7:
            _set(knobs, "lfo_pitch_depth", rng.uniform(2.0, 35.0))
        else:
            _set(knobs, "lfo_amp_depth", rng.uniform(10.0, 80.0))
    for name, knob in knobs.items():
        row = TABLE.parameter(name)
        value = min(max(knob, 0.0), 1.0)
        knobs[name] = row.snap(value) if row.discrete else round(MOST * value) / MOST
    return TABLE.patch(knobs)


def _set(knobs: Knobs, name: str, value: float) -> None:
    knobs[name] = float(value) / MOST


def _operator(knobs: Knobs, k: int, rng: Generator, *, carrier: bool, kind: str | None) -> None:
    op = f"op{k}"
    _set(knobs, f"{op}_level", rng.uniform(84.0, 99.0) if carrier else rng.uniform(40.0, 92.0))
    ratios = np.array(list(_RATIOS.values()))
    coarse = int(rng.choice(list(_RATIOS), p=ratios / ratios.sum()))
    knobs[f"{op}_coarse"] = coarse / 31.0
    if rng.random() < 0.15:
        _set(knobs, f"{op}_fine", rng.uniform(0.0, 99.0))
    if not carrier and rng.random() < 0.04:
        knobs[f"{op}_mode"] = 1.0
    knobs[f"{op}_detune"] = (7 if rng.random() < 0.5 else int(rng.integers(3, 12))) / 14.0
    rates, levels = _envelope(rng, kind or str(rng.choice(["strike", "swell", "hold"])), carrier=carrier)
    for n in range(4):
        _set(knobs, f"{op}_rate{n + 1}", rates[n])
        _set(knobs, f"{op}_level{n + 1}", levels[n])
    knobs[f"{op}_velocity"] = (0 if rng.random() < 0.5 else int(rng.integers(1, 6))) / 7.0
    if rng.random() < 0.3:
        knobs[f"{op}_rate_scaling"] = int(rng.integers(1, 5)) / 7.0
    if rng.random() < 0.2:
        knobs[f"{op}_lfo"] = int(rng.integers(1, 4)) / 3.0


def _envelope(rng: Generator, kind: str, *, carrier: bool) -> tuple[list[float], list[float]]:
    """Rates and levels of an envelope."""
    rates = [float(v) for v in (rng.uniform(75, 99), rng.uniform(25, 75), rng.uniform(15, 60), rng.uniform(30, 80))]
    if kind == "strike":
        levels = [99.0, float(rng.uniform(50, 95)), 0.0 if rng.random() < 0.7 else float(rng.uniform(0, 60)), 0.0]
    elif kind == "swell":
        rates[0] = float(rng.uniform(30, 65))
        levels = [99.0, float(rng.uniform(80, 99)), float(rng.uniform(70, 99)), 0.0]
    else:
        levels = [99.0, float(rng.uniform(85, 99)), float(rng.uniform(75, 99)), 0.0]
    if not carrier and rng.random() < 0.1:
        levels[3] = float(rng.uniform(0, 60))
        levels[0] = float(rng.uniform(60, 99))
    return rates, levels
