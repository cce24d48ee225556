"""Rules of ``canonical`` for the envelopes: a stage that the note does not reach is inaudible."""

from __future__ import annotations

import math

from inference.network.coding.draft import Draft
from render.noisemaker.curves import ATTACK, DECAY, LEVEL
from render.noisemaker.facts import ENVELOPE_STEP
from render.noisemaker.table import TABLE

SILENT_LEVEL = 1e-4
"""Level of an envelope relative to its peak that counts as silent: 80 dB below."""
_FALLEN = 0.001
"""Level at which the time of ``DECAY`` ends."""


def fold_envelopes(draft: Draft) -> None:
    """Replace sustain levels by those at the release of the key, and remove stages after the end of the sound.

    A sustain level that the decay has not reached at the release becomes the level that it has reached, which sounds
    the same. Where the amplitude has decayed before, the gate ends there and the release is inaudible.
    """
    hold = draft.held_seconds
    level = _sustain(draft, "amp", draft["ampsustain"], hold)
    if level < SILENT_LEVEL:
        level = 0.0
        hold = min(hold, death_seconds(draft["ampattack"], draft["ampdecay"]))
        draft.gate_seconds = hold
    draft["ampsustain"] = level
    contour = _sustain(draft, "filter", LEVEL.setting(draft["filtersustain"]), hold)
    contour = contour if contour >= SILENT_LEVEL else 0.0
    draft["filtersustain"] = LEVEL.knob(contour)
    released = draft.gate_seconds < draft.note.seconds
    if level == 0.0 or not released:
        draft["amprelease"] = TABLE.parameter("amprelease").default
    if level == 0.0 or contour == 0.0 or not released:
        draft["filterrelease"] = TABLE.parameter("filterrelease").default
    if ATTACK.setting(draft["freeadattack"]) >= draft.note.seconds:
        draft["freeaddecay"] = TABLE.parameter("freeaddecay").default
    _one_shot(draft)


def death_seconds(attack: float, decay: float) -> float:
    """Seconds from the key press to the end of an envelope with sustain level 0, from its knobs."""
    return ATTACK.setting(attack) + DECAY.setting(decay) * math.log(1.0 / _DEAD_SHARE) / _PER_DECAY


def _sustain(draft: Draft, name: str, sustain: float, hold: float) -> float:
    """Set the sustain to the level after ``hold`` seconds; stages that are not reached go to their defaults."""
    fallen = hold - ATTACK.setting(draft[f"{name}attack"])
    if fallen <= 0.0:
        level = 1.0
    else:
        steps = _PER_DECAY * fallen / DECAY.setting(draft[f"{name}decay"])
        level = max(sustain, (1.0 + ENVELOPE_STEP) * math.exp(-steps) - ENVELOPE_STEP)
    if level > 1.0 - SILENT_LEVEL:
        draft[f"{name}decay"], level = TABLE.parameter(f"{name}decay").default, 1.0
    return level


_PER_DECAY = math.log((1.0 + ENVELOPE_STEP) / (_FALLEN + ENVELOPE_STEP))
"""Number of time constants in the time of ``DECAY``."""
_DEAD_SHARE = (0.99 * SILENT_LEVEL + ENVELOPE_STEP) / (1.0 + ENVELOPE_STEP)
"""Fraction of an envelope's distance to its asymptote that is left when it falls below ``SILENT_LEVEL``."""


def _one_shot(draft: Draft) -> None:
    """Switch one-shot off if the note is too short for a second loop of the curve."""
    seconds = 8.0 / 2.0 ** TABLE.parameter("envelopeeditorspeed").index(draft["envelopeeditorspeed"])
    if seconds >= draft.note.seconds:
        draft["envelopeoneshot"] = 0.0
