"""NoiseMaker as an instrument."""

from __future__ import annotations

from pathlib import Path

from render.instruments.instrument import Instrument, Prior
from render.noisemaker import editor_curves, hosts, presets, prior
from render.noisemaker.moves import MOVES
from render.noisemaker.pitches import sounding_pitches
from render.noisemaker.plugin import plugin_state
from render.noisemaker.table import TABLE

NOISEMAKER = Instrument(
    name="noisemaker",
    table=TABLE,
    presets=presets,
    hosts=hosts,
    extra=editor_curves,
    moves=MOVES,
    pitches=sounding_pitches,
    plugin_state=plugin_state,
    prior=Prior(prior.draw, prior.prior_hash),
    library=Path(__file__).with_name("library.npz"),
)
