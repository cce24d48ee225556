"""New sounds from presets: variations of one, and crosses of two.

A variation changes some of the audible knobs and a few choices, and occasionally switches a part of the synth on or
off. A cross takes each section of the panel from one of two parents. A child that is silent, clips or equals a parent
is replaced by another one; the others are as loud as their parent, as far as the level's range allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from inference.evaluate import with_gain
from render.audio import Audio, rms
from render.errors import HostError, OutOfRange, UnknownName
from render.instruments.instrument import Instrument
from render.instruments.parameter import Parameter
from render.instruments.patch import Patch

STRENGTH = 0.35
"""Default strength: clearly related to the parent, and clearly different."""

_MOVED_SHARE, _FARTHEST = 0.5, 0.3  # share of the knobs that are moved, and standard deviation at full strength
_CHOSEN_SHARE, _SWITCHED_SHARE = 0.3, 0.4  # probability at full strength that a choice changes, or a part is switched
_IN_TUNE = 0.05  # factor for knobs in semitones, which would sound out of tune soon
_CROSSED_STRENGTH = 0.25  # factor of the strength for the mutations of a cross
_SILENT_PEAK, _LOUDEST_PEAK, _CLIPPED_PEAK = 1e-3, 0.9, 1.0
_MOST_ATTEMPTS = 12  # for each child, on average

Renderer = Callable[[Patch], Audio]


@dataclass(frozen=True)
class Variety:
    """Number and kind of the requested children.

    Attributes:
        count: number of children.
        strength: 0 to 1, how far a child may be from its parent.
        kept: sections of the panel that are kept from the first parent.
        seed: seed of the draws.

    Raises:
        OutOfRange: if the count or the strength is out of range.
    """

    count: int = 12
    strength: float = STRENGTH
    kept: frozenset[str] = field(default_factory=frozenset)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise OutOfRange("count", self.count, "1 or more")
        if not 0.0 < self.strength <= 1.0:
            raise OutOfRange("strength", self.strength, "above 0, at most 1")


@dataclass(frozen=True)
class Child:
    """A new sound: its patch, and its render of shape ``(2, samples)``."""

    patch: Patch
    audio: Audio


def vary(
    instrument: Instrument, parent: Patch, render: Renderer, variety: Variety, other: Patch | None = None
) -> list[Child]:
    """Children of a patch, or of two.

    Args:
        instrument: synth of the patches.
        parent: patch that is varied.
        render: plays a patch.
        variety: number and kind of the children.
        other: second parent, whose sections are crossed with those of the first.

    Returns:
        Different children, all of them audible and below full scale; fewer than requested if too many were not.

    Raises:
        UnknownName: for a section that the panel does not have.
        HostError: if no child could be rendered.
    """
    sections = dict.fromkeys(row.group for row in instrument.table.parameters)
    for name in variety.kept:
        if name not in sections:
            raise UnknownName("section", name, sections)
    rng = np.random.default_rng(variety.seed)
    wanted_rms = rms(render(parent))
    children: list[Child] = []
    seen = {parent, other}
    error: HostError | None = None
    for _ in range(variety.count * _MOST_ATTEMPTS):
        if len(children) == variety.count:
            break
        patch = _draft(instrument, parent, other, variety, rng)
        if patch in seen:
            continue
        seen.add(patch)
        try:
            child = _levelled(patch, render, wanted_rms)
        except HostError as failure:
            error = failure
            continue
        if child is not None:
            children.append(child)
    if not children and error is not None:
        raise error
    return children


def _levelled(patch: Patch, render: Renderer, wanted_rms: float) -> Child | None:
    """The patch as loud as its parent, or less where it would clip; None if it is silent or clips all the same."""
    audio = render(patch)
    peak = float(np.abs(audio).max(initial=0.0))
    if peak < _SILENT_PEAK:
        return None
    if patch.table.level is not None and wanted_rms > 0.0:
        patch = with_gain(patch, min(wanted_rms / rms(audio), _LOUDEST_PEAK / peak))
        audio = render(patch)
    peak = float(np.abs(audio).max(initial=0.0))
    return Child(patch, audio) if _SILENT_PEAK <= peak <= _CLIPPED_PEAK else None


def _draft(instrument: Instrument, parent: Patch, other: Patch | None, variety: Variety, rng: Generator) -> Patch:
    if other is None:
        return _mutated(instrument, parent, variety.strength, variety.kept, rng)
    crossed = _crossed(instrument, parent, other, variety.kept, rng)
    return _mutated(instrument, crossed, _CROSSED_STRENGTH * variety.strength, variety.kept, rng)


def _crossed(instrument: Instrument, parent: Patch, other: Patch, kept: frozenset[str], rng: Generator) -> Patch:
    """Each section from one of the parents; one of those that differ comes from the second at least."""
    rows = [row for row in instrument.table.parameters if row.group not in kept and row.role is None]
    groups = list(dict.fromkeys(row.group for row in rows if row.name in parent.diff(other)))
    if not groups:
        return parent
    taken = {group for group in groups if rng.random() < 0.5} or {groups[int(rng.integers(len(groups)))]}
    patch = parent.with_knobs({row.name: other[row.name] for row in rows if row.group in taken})
    extra = instrument.extra
    if extra is not None and extra.KNOB and instrument.table.parameter(extra.KNOB).group in taken:
        patch = patch.with_extra(other.extra)
    return patch


def _mutated(instrument: Instrument, patch: Patch, strength: float, kept: frozenset[str], rng: Generator) -> Patch:
    table = instrument.table
    changed = {}
    for row in table.parameters:
        if row.group in kept or row.silent or row in (table.level, table.transpose) or not patch.sounds(row.name):
            continue
        if row.discrete:
            others = row.neighbours(patch.index(row.name))
            if others and rng.random() < _CHOSEN_SHARE * strength:
                changed[row.name] = row.choice_knobs[others[int(rng.integers(len(others)))]]
        elif rng.random() < _MOVED_SHARE:
            changed[row.name] = _moved(row, patch[row.name], strength, rng)
    patch = patch.with_knobs(changed)
    moves = [move for move in instrument.moves if not kept & {table.parameter(name).group for name in move}]
    if moves and rng.random() < _SWITCHED_SHARE * strength:
        patch = patch.with_knobs(moves[int(rng.integers(len(moves)))])
    return patch


def _moved(row: Parameter, knob: float, strength: float, rng: Generator) -> float:
    """The knob moved by a draw, and reflected at its ends."""
    spread = _FARTHEST * strength * (_IN_TUNE if row.curve.unit == "semitones" else 1.0)
    moved = abs(knob + spread * float(rng.standard_normal()))
    return min(max(1.0 - abs(1.0 - moved), 0.0), 1.0)


def section_names(instrument: Instrument) -> Iterator[str]:
    """The sections of an instrument's panel, in the table's order."""
    yield from dict.fromkeys(row.group for row in instrument.table.parameters)
