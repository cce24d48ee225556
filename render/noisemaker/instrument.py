"""NoiseMaker as an instrument."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from render.instruments.instrument import Instrument, Prior
from render.noisemaker import editor_curves, hosts, presets, prior
from render.noisemaker.changes import explained, followed, pairings, structure, templates
from render.noisemaker.panel.drawings import drawn_curves
from render.noisemaker.pitches import sounding_pitches, transposed
from render.noisemaker.plugin import CLASS_IDS, VST2_ID, plugin_state, preset_folders
from render.noisemaker.table import TABLE
from render.noisemaker.trials.auditions import ENDLESS, PARTS, RICH

MOVES: tuple[Mapping[str, float], ...] = (
    *({name: level} for name in ("osc1volume", "osc2volume", "osc3volume") for level in (0.0, 0.7)),
    *({name: level} for name in ("osc2fm", "ringmodulation", "reverbwet", "delaywet") for level in (0.0, 0.35)),
    *({"filtercontour": level} for level in (0.25, 0.5, 0.75)),
    *({"oscbitcrusher": level} for level in (0.6, 1.0)),
    *({"vintagenoise": level} for level in (0.0, 0.4)),
    *({"filterdrive": level} for level in (0.0, 0.4)),
    *({"lfo1destination": 1.0 / 7.0, "lfo1amount": level} for level in (0.25, 0.75)),
    *({"freeaddestination": 0.2, "freeadamount": level, "freeaddecay": 0.4} for level in (0.2, 0.8)),
)
"""Parts of the panel switched on, at values where they are clearly audible, and off."""

NOISEMAKER = Instrument(
    name="noisemaker",
    table=TABLE,
    presets=presets,
    hosts=hosts,
    chords=True,
    extra=editor_curves,
    moves=MOVES,
    plain=structure.plain,
    extras=structure.EXTRAS,
    structure=structure.changes,
    explained=explained.explained,
    from_hints=pairings.plain_patches,
    followed=followed.followed,
    templated=templates.templated,
    pitches=sounding_pitches,
    transposed=transposed,
    plugin_state=plugin_state,
    class_ids=CLASS_IDS,
    vst2_id=VST2_ID,
    preset_folders=preset_folders,
    curves=drawn_curves,
    prior=Prior(prior.draw, prior.prior_hash),
    library=Path(__file__).with_name("library.npz"),
    library_draws={36: 8500, 60: 110_000},
    auditions=(RICH, ENDLESS),
    parts=PARTS,
    installed=hosts.installed_plugins,
)
