"""Dexed as an instrument."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from render.dexed import host, presets, prior
from render.dexed.table import MOST, OPERATORS, TABLE
from render.instruments.instrument import Bank, Instrument, Prior

MOVES: tuple[Mapping[str, float], ...] = (
    *({f"op{k}_level": level / MOST} for k in OPERATORS for level in (0, 60, 78, 92)),
    *({"lfo_pitch_depth": depth / MOST} for depth in (0, 15)),
    *({"lfo_amp_depth": depth / MOST} for depth in (0, 50)),
)
"""Operators at clearly audible levels, the LFO, and both switched off."""

_RICH = TABLE.patch({f"op{k}_level": 0.8 for k in OPERATORS} | {"feedback": 1.0, "lfo_pitch_depth": 0.3})

DEXED = Instrument(
    name="dexed",
    table=TABLE,
    presets=presets,
    hosts=host,
    moves=MOVES,
    prior=Prior(prior.draw, prior.prior_hash),
    library=Path(__file__).with_name("library.npz"),
    library_draws={48: 3018, 72: 3018},
    bank=Bank(presets.BANK_SUFFIX, presets.write_bank),
    auditions=(_RICH, _RICH.with_knobs({"op1_rate4": 0.0})),
)
