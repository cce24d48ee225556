"""A canonical form for patches that sound the same, so that the network is trained on audible properties only.

``canonical`` rewrites a patch and its note by rules, each of which preserves the sound of a single note played from
silence. Properties that can be expressed in several ways (key, transposition and tunings; velocity and its knobs; the
two oscillators; the two LFOs) are then expressed in one, and inaudible parameters are at their defaults. The rules are
based on the formulas of the engine (``docs/noisemaker.md``).

Constant gains go into the volume knob. Random detuning, a random error of a note's pitch, is removed. Random LFO
waveforms keep their statistics but not their samples.
"""

from __future__ import annotations

import math

from inference.network.coding import canonical_envelopes, canonical_modulators, canonical_oscillators
from inference.network.coding.draft import Draft
from render.instruments.patch import Patch
from render.noisemaker.curves import cube, log8
from render.noisemaker.engine import lfo
from render.noisemaker.table import TABLE
from render.note import Note

KEY_FOLLOW_CENTRE, KEY_FOLLOW_NOTES = 72, 512.0
CRUSHER_OPEN = 0.85
"""From this knob on, the bit crusher, with 18,000 levels or more, is inaudible."""

_SHORTEST_DELAY_SECONDS = 0.04
_DIVISION_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_DIVISION_FACTORS = (1.0, 3.0 / 2.0, 2.0 / 3.0)


def canonical(patch: Patch, note: Note) -> tuple[Patch, Note]:
    """The canonical patch and note with the same sound.

    Args:
        patch: any patch.
        note: key press; its velocity and length are kept.

    Returns:
        A patch and note that ``canonical`` returns unchanged, up to rounding.
    """
    draft = Draft.of(patch, note)
    _fold_velocity(draft)
    canonical_modulators.rewrite_rates_and_signs(draft)
    canonical_oscillators.drop_what_is_silent(draft)
    canonical_oscillators.sort_twins(draft)
    canonical_modulators.sort_lfos(draft)
    canonical_oscillators.fold_pitches(draft)
    canonical_oscillators.fold_phases(draft)
    canonical_envelopes.fold_envelopes(draft)
    _set_cutoff(draft)
    _fold_effects(draft)
    return _defaults_for_silence(draft)


def _fold_velocity(draft: Draft) -> None:
    """Move the effect of velocity, its knobs and key follow on one note into cutoff, contour and volume."""
    velocity = draft.velocity / 127.0
    follow = draft["keyfollow"] ** 2 * (draft.number - KEY_FOLLOW_CENTRE) / KEY_FOLLOW_NOTES
    draft.control = log8(draft["cutoff"]) + log8(draft["velocitycutoff"]) * velocity + follow
    contour = cube(draft["filtercontour"]) + log8(draft["velocitycontour"]) * velocity
    draft.scale_volume(1.0 - draft["velocityvolume"] * (1.0 - velocity))
    for name in ("keyfollow", "velocitycutoff", "velocityvolume"):
        draft[name] = 0.0
    if draft["velocitycontour"] > 0.0:
        draft["filtercontour"] = 0.5 + 0.5 * math.cbrt(min(contour, 1.0))
        draft["velocitycontour"] = _log8_knob(max(contour - 1.0, 0.0) / velocity)
    if abs(cube(draft["filtercontour"])) < canonical_modulators.INAUDIBLE["filter"]:
        draft["filtercontour"] = 0.5


def _set_cutoff(draft: Draft) -> None:
    """Set the cutoff knob for the control value; what it cannot reach stays in key follow or velocity."""
    draft["cutoff"] = _log8_knob(min(max(draft.control, 0.0), 1.0))
    below, above = min(draft.control, 0.0), max(draft.control - 1.0, 0.0)
    if below < 0.0 and draft.number < KEY_FOLLOW_CENTRE:
        draft["keyfollow"] = math.sqrt(below * KEY_FOLLOW_NOTES / (draft.number - KEY_FOLLOW_CENTRE))
    if above > 0.0:
        draft["velocitycutoff"] = _log8_knob(min(above * 127.0 / draft.velocity, 1.0))


def _log8_knob(value: float) -> float:
    return round(math.log1p(7.0 * value) / math.log(8.0), 9)


def _fold_effects(draft: Draft) -> None:
    """Delay times in seconds, with half times of both sides folded; an inaudible bit crusher is switched off."""
    if draft["oscbitcrusher"] >= CRUSHER_OPEN:
        draft["oscbitcrusher"] = 1.0
    if draft["delaywet"] == 0.0:
        return
    time = TABLE.parameter("delaytime")
    seconds = time.curve.setting(draft["delaytime"])
    if draft.on("delaysync"):
        division = lfo.division(draft["delaytime"])
        seconds = min(_DIVISION_SECONDS[division % 6] * _DIVISION_FACTORS[division // 6], time.curve.range[1])
    if draft.on("delayfactorl") and draft.on("delayfactorr") and seconds >= 2.0 * _SHORTEST_DELAY_SECONDS:
        seconds *= 0.5
        draft["delayfactorl"] = draft["delayfactorr"] = 0.0
    if draft.on("delaysync") or seconds != time.curve.setting(draft["delaytime"]):
        draft["delaytime"] = time.curve.knob(min(max(seconds, time.curve.range[0]), time.curve.range[1]))
    draft["delaysync"] = 0.0


def _defaults_for_silence(draft: Draft) -> tuple[Patch, Note]:
    """Set parameters that are inaudible by the table's conditions to their defaults."""
    draft["detune"] = 0.0
    patch, note = draft.finished()
    modulated = draft.frequency_modulated()
    kept = {"osc1tune", "osc1finetune"} if modulated else set()  # oscillator 1 modulates even where its level is 0
    silent = {
        name: TABLE.parameter(name).default for name in TABLE.names if name not in kept and not patch.sounds(name)
    }
    patch = patch.with_knobs(silent)
    return (patch if patch.sounds("envelopeeditorspeed") else patch.with_extra(())), note
