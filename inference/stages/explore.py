"""Changes of a candidate's structure, guided by estimates from the clip.

A neighbour changes one decision, but a modulation takes several: a destination, an amount, a rate and a compensation
for its mean. ``Instrument.structure`` proposes such changes. They are evaluated on the proxy; the closest of each kind
are then varied within their section (waveform, phase, rate), because the first attempt is rarely right in all of them.

In a patch with many unneeded parts, these compensate for each other, and no single change helps. Some candidates are
therefore *sparse*: a plain voice at first (``Instrument.plain``), to which changes add one part after another. Others
are changed after everything has been left out of them that they hardly need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from inference.candidate import Candidate
from inference.clip.hints import estimate_left_hints
from inference.clip.templates import HOP_SECONDS, closest_templates
from inference.ports import Descender
from inference.run import GOOD_ENOUGH_LOSS, Run
from inference.stages.neighbours import neighbours
from inference.stages.simplifications import Simplifier
from render.audio import Audio, rms
from render.instruments.hints import Hints
from render.instruments.patch import Patch
from render.measures.distance import TargetDistance

AUDIBLE_CHANGE = 0.02
"""Relative change of the loss below which a change of the answer is not a new start."""

_SHARE = 0.05  # of the budget, for one exploration
_AT_ONCE = 16  # candidates between two looks at the clock
_VARIED, _VARIATIONS = 5, 12  # kinds whose closest change is varied, and variations of each
_DIFFERS = 0.1  # distance from its base at which a change is audible, relative to that of the base from the clip
_SMALL, _ALLOWED = 0.01, 0.04  # relative increase of the loss by one simplification, and by all together


def reduced(
    run: Run, descender: Descender, candidates: Sequence[Candidate], until: float, *, from_clip: bool
) -> list[Candidate]:
    """Sparse candidates: others, reduced to a plain voice, and plain ones made from the clip; with losses on the proxy.

    Args:
        run: the run, with its clip and budget.
        descender: the proxy.
        candidates: candidates to reduce.
        until: share of the budget at which the stage ends.
        from_clip: whether to make some from the clip, which takes some seconds.
    """
    instrument, found = run.options.instrument, list[Candidate]()
    if instrument.plain is not None:
        for one in candidates:
            found += [
                Candidate(patch, one.note, origin=kind, sparse=True)
                for kind, patch in instrument.plain(one.patch, one.note)
            ]
    if from_clip and instrument.from_hints is not None and candidates:
        note = candidates[0].note
        plain = instrument.from_hints(note, run.hints)
        found += [Candidate(patch, note, origin=kind, sparse=True) for kind, patch in plain]
    return screened(run, descender, list(dict.fromkeys(found)), min(until, run.budget.used() + _SHARE))


def pruned(run: Run, descender: Descender, base: Candidate, until: float) -> Candidate:
    """A candidate without the sections and parts that hardly make a difference to its loss on the proxy.

    Args:
        run: the run, with its clip and budget.
        descender: the proxy.
        base: candidate to reduce.
        until: share of the budget at which the stage ends.

    Returns:
        The reduced candidate with its loss on the proxy, or ``base`` where nothing can be left out.
    """
    options = run.options
    simplifier = Simplifier(options.instrument, options.instrument.table.default, options.constraints)
    until = min(until, run.budget.used() + _SHARE)

    def measured(patches: Iterable[Patch]) -> list[Candidate]:
        return screened(run, descender, [replace(base, patch=patch) for patch in dict.fromkeys(patches)], until)

    first = measured([simplifier.bare(base.patch)])
    if not first:
        return base
    best, allowed = first[0], max((1.0 + _ALLOWED) * first[0].loss, GOOD_ENOUGH_LOSS)
    if options.instrument.explained is not None:
        bare = (simplifier.bare(patch) for _, patch in options.instrument.explained(best.patch, best.note))
        differing = simplifier.differing(best.patch)
        fewer = [one for one in measured(bare) if simplifier.differing(one.patch) < differing and one.loss <= allowed]
        best = min(fewer, key=lambda one: one.loss, default=best)
    simpler = {simplifier.applied(best.patch, one): one for one in simplifier.parts(best.patch)}
    least = max((1.0 + _SMALL) * best.loss, GOOD_ENOUGH_LOSS)
    small = [one for one in measured(simpler) if one.loss <= least]
    prefixes = [best.patch]
    for one in sorted(small, key=lambda one: one.loss):
        prefixes.append(simplifier.applied(prefixes[-1], simpler[one.patch]))
    enough = [one for one in measured(prefixes[1:]) if one.loss <= allowed]
    return enough[-1] if enough else best


def explore(
    run: Run, descender: Descender, base: Candidate, rng: Generator, *, until: float, deeply: bool
) -> tuple[list[Candidate], list[Candidate]]:
    """Changes of a candidate's structure.

    Args:
        run: the run, with its clip and budget.
        descender: the proxy.
        base: candidate to change.
        rng: generator for the variations.
        until: share of the budget at which the stage ends.
        deeply: whether to spend some seconds on comparing the clip with renders of the candidate's parts and variants.

    Returns:
        What the comparison with the clip suggests, and the other changes, with their losses on the proxy; ``origin`` is
        the kind of the change.
    """
    instrument = run.options.instrument
    if instrument.structure is None:
        return [], []
    compared = _Compared(run, descender, base) if deeply and _comparable(run, base) else None
    suggested = [] if compared is None else [*compared.templated(), *compared.followed()]
    changes = [
        replace(base, patch=patch, origin=kind)
        for kind, patch in instrument.structure(base.patch, base.note, run.hints)
    ]
    rng.shuffle(changes)
    until = min(until, run.budget.used() + _SHARE)
    likely = screened(run, descender, suggested, until)
    if compared is not None:
        likely = [one for one in likely if compared.differs(one)]
    measured = screened(run, descender, changes, until)
    varied: list[Candidate] = []
    for closest in in_turn([*likely, *measured])[:_VARIED]:
        groups = {instrument.table.parameter(name).group for name in base.patch.diff(closest.patch)} - {"master"}
        others = neighbours(instrument, closest, run.options.constraints, rng, gate=False, groups=groups)
        rng.shuffle(others)
        varied += [replace(one, origin=closest.origin) for one in others[:_VARIATIONS]]
    return likely, measured + screened(run, descender, varied, until)


def read_off(run: Run, descender: Descender, base: Candidate, until: float) -> list[Candidate]:
    """Changes of a candidate in what moves as it seems to do in the clip (``Instrument.templated``).

    Args:
        run: the run, with its clip and budget.
        descender: the proxy.
        base: candidate to change.
        until: share of the budget at which the stage ends.

    Returns:
        The changed candidates with their losses on the proxy; none for several clips or for a chord.
    """
    if not _comparable(run, base):
        return []
    changes = _Compared(run, descender, base).templated()
    return screened(run, descender, changes, min(until, run.budget.used() + _SHARE))


def audible(base: Candidate, change: Candidate) -> bool:
    """Whether a change alters the distance from the clip enough to be a new start."""
    return abs(change.loss - base.loss) > AUDIBLE_CHANGE * base.loss


def _comparable(run: Run, base: Candidate) -> bool:
    """Whether there is one clip of one key, with which renders of variants can be compared."""
    return len(run.targets) == len(base.note.keys) == 1


class _Compared:
    """Changes of a candidate after a comparison of the clip with renders of its parts and variants.

    Args:
        run: the run, with its clip.
        descender: the proxy.
        base: candidate to change, one key.
    """

    def __init__(self, run: Run, descender: Descender, base: Candidate) -> None:
        self._run, self._descender, self._base = run, descender, base

    @cached_property
    def _gain(self) -> np.float32:
        """What makes the candidate as loud as the clip."""
        return np.float32(rms(self._run.target.audio) / max(rms(self._play(self._base.patch)), 1e-9))

    def followed(self) -> list[Candidate]:
        """Changes of a part that follows what the rest leaves of the clip."""
        instrument, base, audio = self._run.options.instrument, self._base, self._run.target.audio
        if instrument.followed is None:
            return []

        def left_by(patch: Patch) -> Hints:
            return estimate_left_hints(audio, base.note.gate_seconds, self._gain * self._play(patch))

        return self._changed(instrument.followed(base.patch, base.note, self._run.hints, left_by))

    def templated(self) -> list[Candidate]:
        """Changes of what moves as it seems to do in the clip."""
        instrument, base, audio = self._run.options.instrument, self._base, self._run.target.audio
        if instrument.templated is None:
            return []

        def closest_of(patches: Sequence[Patch]) -> tuple[NDArray[np.float64], float]:
            sounds = [self._gain * self._play(patch) for patch in patches]
            return closest_templates(audio, sounds, base.note.gate_seconds), HOP_SECONDS

        return self._changed(instrument.templated(base.patch, closest_of))

    def differs(self, change: Candidate) -> bool:
        """Whether a change alters the sound: it may do that and leave the distance from the clip as it is."""
        return (
            audible(self._base, change)
            or self._distance.measure(self._play(change.patch))[0] > _DIFFERS * self._base.loss
        )

    @cached_property
    def _distance(self) -> TargetDistance:
        """Measures distances from the candidate's own sound."""
        return TargetDistance(self._play(self._base.patch))

    def _play(self, patch: Patch) -> Audio:
        return self._descender.play(replace(self._base, patch=patch), self._run.target.audio.shape[1])

    def _changed(self, changes: Iterable[tuple[str, Patch]]) -> list[Candidate]:
        return list(dict.fromkeys(replace(self._base, patch=patch, origin=kind) for kind, patch in changes))


def in_turn(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The closest candidate of each kind, closest first, then the second of each kind, and so on."""
    kinds: Counter[tuple[str, bool]] = Counter()
    ranked = []
    for candidate in sorted(candidates, key=lambda one: one.loss):
        kind = candidate.origin, candidate.sparse
        ranked.append((kinds[kind], candidate))
        kinds[kind] += 1
    return [candidate for _, candidate in sorted(ranked, key=lambda one: one[0])]


def screened(run: Run, descender: Descender, candidates: Sequence[Candidate], until: float) -> list[Candidate]:
    """Those that respect the locks, as many as the time allows, with their losses on the proxy."""
    constraints = run.options.constraints
    allowed = [one for one in candidates if constraints.apply(one.patch) == one.patch]
    found: list[Candidate] = []
    while allowed and run.budget.used() < until:
        n = run.afford(_AT_ONCE, until)
        part, allowed = allowed[:n], allowed[n:]
        found += descender.screen(part, run.targets)
        run.budget.n_renders += len(part)
        run.board.announce()
    return found
