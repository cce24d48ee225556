"""Changes of a patch that a descent cannot make, because there is no slope, or none that can be trusted.

Neighbours are one decision away: another choice of a parameter that is heard, a part of the synth switched on or off,
another value of a knob that is searched and not descended (``proxy.synth.controls.SEARCHED``), another length of the
key press. Crossings borrow a section of the panel from another candidate. Most are worse at first; a descent from the
better ones tells whether they lead somewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from numpy.random import Generator

from inference.constraints import Constraints
from inference.evaluate import Candidate
from proxy.synth.controls import SEARCHED
from render.noisemaker.patch import Patch
from render.noisemaker.table import Parameter, parameter

_INTERVALS = (-24, -12, -7, -5, 5, 7, 12, 24)
"""Semitones that a tuned oscillator is moved by: octaves, fifths and fourths."""

_PARTS: tuple[dict[str, float], ...] = (
    *({name: level} for name in ("osc1volume", "osc2volume", "osc3volume") for level in (0.0, 0.7)),
    *({name: level} for name in ("osc2fm", "ringmodulation", "reverbwet", "delaywet") for level in (0.0, 0.35)),
    *({"filtercontour": level} for level in (0.25, 0.5, 0.75)),
    *({"oscbitcrusher": level} for level in (0.6, 1.0)),
    *({"vintagenoise": level} for level in (0.0, 0.4)),
    *({"filterdrive": level} for level in (0.0, 0.4)),
    *({"lfo1destination": 1.0 / 7.0, "lfo1amount": level} for level in (0.25, 0.75)),
    *({"freeaddestination": 0.2, "freeadamount": level, "freeaddecay": 0.4} for level in (0.2, 0.8)),
)
"""Parts of the panel switched on, to where they are clearly heard, and off."""

_NEAR, _DRAWS = 0.04, 3
"""A searched knob is drawn near its value (standard deviation), this many times, and once anywhere."""

_EDITED = "envelopeeditoramount"
"""With the section that has this knob goes the envelope editor's curve."""

_GATES = (0.8, 0.9, 1.1, 1.25)


def neighbours(candidate: Candidate, constraints: Constraints, rng: Generator, *, gate: bool) -> list[Candidate]:
    """Candidates one decision away, each once, in no order of merit.

    Args:
        candidate: where they start from.
        constraints: knobs that must not move.
        rng: of the values that are drawn.
        gate: whether the length of the key press may differ.
    """
    patch, note = candidate.patch, candidate.note
    patches = dict.fromkeys(_patches(patch, constraints, rng))
    patches.pop(patch, None)
    found = [Candidate(other, note, origin="neighbour") for other in patches]
    if gate:
        lengths = [min(factor * note.gate_seconds, note.seconds) for factor in _GATES]
        notes = [replace(note, gate_seconds=length) for length in lengths if length != note.gate_seconds]
        found += [Candidate(patch, other, origin="neighbour") for other in notes]
    return found


def crossings(candidate: Candidate, others: Sequence[Candidate], constraints: Constraints) -> list[Candidate]:
    """The candidate with one section of its panel taken from another; each change that can be heard once.

    Args:
        candidate: where they start from.
        others: of the same key, or they are left out.
        constraints: knobs that must not move.
    """
    free = constraints.free()
    sections: dict[str, list[str]] = {}
    for name in free:
        if name != "volume":
            sections.setdefault(parameter(name).group, []).append(name)
    patches: dict[frozenset[tuple[str, float]], Patch] = {}
    for other in others:
        if other.note.number != candidate.note.number:
            continue
        for names in sections.values():
            patch = candidate.patch.with_knobs({name: other.patch[name] for name in names})
            changed = candidate.patch.diff(patch)
            heard = {(n, patch[n]) for n in changed if candidate.patch.sounds(n) or patch.sounds(n)}
            if heard:
                patches[frozenset(heard)] = patch.with_points(other.patch.points) if _EDITED in names else patch
    return [Candidate(patch, candidate.note, origin="crossing") for patch in patches.values()]


def _patches(patch: Patch, constraints: Constraints, rng: Generator) -> Iterator[Patch]:
    free = constraints.free()
    for name in free:
        if not patch.sounds(name):
            continue
        row = parameter(name)
        if row.discrete:
            for index in _other_choices(row, patch.index(name)):
                yield patch.with_knobs({name: row.choice_knobs[index]})
        elif name in SEARCHED:
            for drawn in (*(patch[name] + _NEAR * rng.standard_normal(_DRAWS)), rng.random()):
                yield patch.with_knobs({name: min(max(float(drawn), 0.0), 1.0)})
    for part in _PARTS:
        if all(name in free for name in part):
            yield patch.with_knobs(part)


def _other_choices(row: Parameter, index: int) -> list[int]:
    last = len(row.choices) - 1
    wanted = [index + step for step in _INTERVALS] if last >= 2 * _INTERVALS[-1] else range(last + 1)
    return [other for other in wanted if 0 <= other <= last and other != index]
