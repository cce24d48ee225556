"""Vital as an instrument."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from render.instruments.instrument import Instrument, Prior
from render.instruments.patch import Patch
from render.vital import hosts, presets, prior, state
from render.vital.drawn import drawn_patches
from render.vital.table import DESTINATIONS, EFFECT_SWITCHES, FILTERS, OSCILLATORS, SOURCES, TABLE

_LEVEL = TABLE.parameter("osc_1_level").default


def _slot(n: int, source: str, destination: str, amount: float) -> dict[str, float]:
    return {
        f"modulation_{n}_source": SOURCES.index(source) / (len(SOURCES) - 1),
        f"modulation_{n}_destination": DESTINATIONS.index(destination) / (len(DESTINATIONS) - 1),
        f"modulation_{n}_amount": 0.5 + 0.5 * amount,
    }


MOVES: tuple[Mapping[str, float], ...] = (
    *({f"osc_{k}_on": 1.0, f"osc_{k}_level": _LEVEL, f"osc_{k}_random_phase": 0.0} for k in OSCILLATORS),
    *({f"osc_{k}_on": 0.0} for k in OSCILLATORS),
    *({f"osc_{k}_unison_voices": (v - 1) / 15.0} for k in OSCILLATORS for v in (1, 2, 5, 8)),
    *({"sample_on": 1.0, "sample_level": level} for level in (0.2, 0.5)),
    *({f"filter_{k}_on": 1.0, f"filter_{k}_cutoff": cutoff} for k in FILTERS for cutoff in (0.3, 0.5, 0.7)),
    *({f"filter_{k}_on": 0.0} for k in FILTERS),
    *({name: value} for name in EFFECT_SWITCHES for value in (0.0, 1.0)),
    *(_slot(n, "env_2", "filter_1_cutoff", a) | {"filter_1_on": 1.0} for n in (1, 2) for a in (-0.4, 0.3, 0.6)),
    *(_slot(n, "lfo_1", d, a) for n in (2, 3) for d in ("osc_1_tune", "osc_1_level", "volume") for a in (0.1, 0.4)),
    *(_slot(3, "env_2", f"osc_{k}_wave_frame", a) for k in OSCILLATORS for a in (-0.5, 0.5)),
    *(_slot(4, "env_3", f"osc_{k}_transpose", a) for k in OSCILLATORS for a in (-0.12, 0.12, 0.5)),
)
"""Parts of the panel switched on, at values where they are clearly audible, and off."""

_RICH = TABLE.patch(
    dict.fromkeys(("osc_2_on", "filter_1_on", "chorus_on", "delay_on", "reverb_on", "distortion_on"), 1.0)
    | _slot(1, "lfo_1", "filter_1_cutoff", 0.4)
)
_ENDLESS = _RICH.with_knobs({"delay_feedback": 1.0, "delay_dry_wet": 1.0, "reverb_decay_time": 1.0})


def settled(patch: Patch) -> Patch:
    """The patch with fixed instead of random oscillator phases."""
    return patch.with_knobs({f"osc_{k}_random_phase": 0.0 for k in OSCILLATORS})


def _part(name: str) -> Callable[[Patch], bool]:
    return lambda patch: patch.choice(f"{name}_on") == "on"


_PARTS = ("osc_1", "osc_2", "osc_3", "sample", "filter_1", "filter_2", *prior.EFFECTS)

VITAL = Instrument(
    name="vital",
    table=TABLE,
    presets=presets,
    hosts=hosts,
    extra=state,
    moves=MOVES,
    prior=Prior(prior.draw, prior.prior_hash),
    library=Path(__file__).with_name("library.npz"),
    library_draws={48: 3099, 72: 3099},
    starts=drawn_patches,
    settle=settled,
    auditions=(_RICH, _ENDLESS),
    parts={name: _part(name) for name in _PARTS},
)
