"""Changes of a patch that a descent cannot make, because there is no gradient, or only an unreliable one.

A neighbour differs in one decision: another choice of an audible parameter, a part of the synth switched on or off,
another value of a knob that is not descended (``Parameter.descended``), or another length of the key press. A crossover
takes a section of the panel from another candidate. Most of them are worse at first, but a descent from the better ones
may lead closer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from numpy.random import Generator

from inference.candidate import Candidate
from inference.constraints import Constraints
from render.instruments.instrument import Instrument
from render.instruments.patch import Patch

_NEAR, _DRAWS = 0.04, 3
"""Standard deviation and number of the draws around the value of a knob that is not descended; one more is uniform."""

_GATES = (0.8, 0.9, 1.1, 1.25)


def neighbours(
    instrument: Instrument,
    candidate: Candidate,
    constraints: Constraints,
    rng: Generator,
    *,
    gate: bool,
    groups: Collection[str] | None = None,
) -> list[Candidate]:
    """Candidates that differ in one decision, each once, in arbitrary order.

    Args:
        instrument: instrument, with the parts that can be switched on and off.
        candidate: candidate that is changed.
        constraints: locked knobs.
        rng: generator for values of knobs.
        gate: whether the length of the key press may change.
        groups: sections of the panel in which something may change; all of them if not given.
    """
    patch, note = candidate.patch, candidate.note
    patches = dict.fromkeys(map(constraints.apply, _patches(instrument, patch, constraints, rng, groups)))
    patches.pop(patch, None)
    found = [Candidate(other, note, origin="neighbour", sparse=candidate.sparse) for other in patches]
    if gate:
        lengths = [min(factor * note.gate_seconds, note.seconds) for factor in _GATES]
        notes = [replace(note, gate_seconds=length) for length in lengths if length != note.gate_seconds]
        found += [Candidate(patch, other, origin="neighbour", sparse=candidate.sparse) for other in notes]
    return found


def crossovers(
    instrument: Instrument, candidate: Candidate, others: Sequence[Candidate], constraints: Constraints
) -> list[Candidate]:
    """The candidate with one section of the panel taken from another; each audible change once.

    Args:
        instrument: instrument, with the sections of its panel.
        candidate: candidate that is changed.
        others: candidates whose sections are taken; those with another key are ignored.
        constraints: locked knobs.
    """
    table, extra = instrument.table, instrument.extra
    sections: dict[str, list[str]] = {}
    for name in constraints.free(table):
        if table.parameter(name) is not table.level:
            sections.setdefault(table.parameter(name).group, []).append(name)
    patches: dict[frozenset[tuple[str, float]], Patch] = {}
    for other in others:
        if other.note.number != candidate.note.number:
            continue
        for names in sections.values():
            patch = candidate.patch.with_knobs({name: other.patch[name] for name in names})
            changed = candidate.patch.diff(patch)
            audible = {(n, patch[n]) for n in changed if candidate.patch.sounds(n) or patch.sounds(n)}
            if audible:
                with_section = extra is not None and extra.KNOB in names
                patches[frozenset(audible)] = patch.with_extra(other.patch.extra) if with_section else patch
    return [Candidate(patch, candidate.note, origin="crossover") for patch in patches.values()]


def _patches(
    instrument: Instrument, patch: Patch, constraints: Constraints, rng: Generator, groups: Collection[str] | None
) -> Iterator[Patch]:
    table = instrument.table
    free = [name for name in constraints.free(table) if groups is None or table.parameter(name).group in groups]
    for name in free:
        if not patch.sounds(name):
            continue
        row = instrument.table.parameter(name)
        if row.discrete:
            for index in row.neighbours(patch.index(name)):
                yield patch.with_knobs({name: row.choice_knobs[index]})
        elif not row.descended:
            for drawn in (*(patch[name] + _NEAR * rng.standard_normal(_DRAWS)), rng.random()):
                yield patch.with_knobs({name: min(max(float(drawn), 0.0), 1.0)})
    for move in instrument.moves:
        if all(name in free for name in move):
            yield patch.with_knobs(move)
