"""The last stage: the answer in the simplest settings that sound the same.

A descent leaves nothing at its default: switches without effect, amounts of a thousandth, inaudible modulators. This
stage sets as much as possible to its default, and the rest to settings that a person would choose, as long as neither
MSS at equal loudness, by which the answer is judged, nor its sum with the distance, which MSS in mono needs beside it,
is raised by more than ``ALLOWED_DB`` in total.

1. Inaudible parameters are set to their defaults, which must not change a sample.
2. Every section, switch and single parameter is tried alone, then as many of them together as are allowed, the cheapest
   for each knob first.
3. The same with round settings.
4. If the user did not name the key, a transposition is moved into it: the sound is the same, and the preset is played
   on the intended keys.
5. The remaining sections are switched off one by one, to measure the contribution of each, and the audible knobs are
   moved one by one, to measure how sensitive each is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from inference.candidate import Candidate
from inference.match import Tidied
from inference.run import Run
from inference.stages.simplifications import (
    Simplification,
    Simplifier,
    farthest_first,
    with_each_knob_moved,
    without_each_part,
)
from inference.worker import Appraise
from render.instruments.patch import Patch

ALLOWED_DB = 0.05
"""How much farther from the clip, in MSS and in its sum with the distance, the simpler answer may be."""

_MOST_RENDERS = 100
_MEASURED_SHARE = 0.6  # of the renders, for trying everything alone
_SECTIONS_SHARE = 0.2  # of the same, in addition, for measuring the contribution of each section
_KNOBS_SHARE = 0.15  # of the same, in addition, for measuring how sensitive each knob is
_END = 1.0 + _SECTIONS_SHARE + _KNOBS_SHARE
_OCTAVE, _PLAYABLE = 12, range(24, 97)  # semitones; keys on which sounds are usually played
_JUDGED = 2  # renders of the judge at the end


def tidy(run: Run) -> bool:
    """Simplify the answer; returns whether it changed."""
    best = run.judge.best
    assert best is not None
    options = run.options
    simplifier = Simplifier(options.instrument, options.start or options.instrument.table.default, options.constraints)
    work = _Tidying(run, simplifier, best.candidate, best.mss)
    simpler = work.simplest(best.audios)
    changed = simpler != best.candidate.patch and run.judge.settle(work.candidate(simpler), run.evaluator, work.most)
    moved = _without_transposition(run)
    if moved is not None and run.judge.settle(moved, run.evaluator, work.most):
        changed = True
        work.continue_from(moved)
    assert run.judge.best is not None
    answer = run.judge.best.candidate.patch
    differing = (simplifier.differing(best.candidate.patch), simplifier.differing(answer))
    run.tidied = Tidied(*differing, work.sections(answer), work.knobs(answer))
    return changed


def _without_transposition(run: Run) -> Candidate | None:
    """The answer on the key at which it needs no transposition; None where it has none, or the key is the user's."""
    assert run.judge.best is not None
    answer = run.judge.best.candidate
    row, table = answer.patch.table.transpose, answer.patch.table
    if row is None or row.name not in run.options.constraints.free(table):
        return None
    octaves = answer.patch.index(row.name) - table.default.index(row.name)
    keys = {key + _OCTAVE * octaves for key in answer.note.keys}
    if octaves == 0 or run.target.note_fixed or len(run.targets) > 1 or not keys.issubset(_PLAYABLE):
        return None
    patch = answer.patch.with_knobs({row.name: row.default})
    return replace(answer, patch=patch, note=replace(answer.note, number=min(keys)))


class _Tidying:
    """The work on one answer.

    Args:
        run: what the stages share.
        simplifier: knows what is simpler.
        answer: the answer.
        mss: its MSS in dB.

    Attributes:
        most: largest MSS in dB that is allowed.
    """

    def __init__(self, run: Run, simplifier: Simplifier, answer: Candidate, mss: float) -> None:
        self.run, self.simplifier, self.answer = run, simplifier, answer
        self.most = mss + ALLOWED_DB
        self._sums: dict[Patch, float] = {}
        self._n_before, self._share_used = run.budget.n_renders, run.tidying()

    def continue_from(self, answer: Candidate) -> None:
        """Replace the answer by one on another key."""
        self.answer = answer

    def candidate(self, patch: Patch) -> Candidate:
        """The answer with another patch."""
        return replace(self.answer, patch=patch)

    def simplest(self, audios: Sequence[np.ndarray]) -> Patch:
        """The simplest patch that is close enough.

        Args:
            audios: clean renders of the answer, one for each clip.
        """
        (total,) = self._measure([self.answer.patch], until=1.0)
        if total is None:
            return self.answer.patch
        patch = self._without_inaudible(audios)
        patch = self._accept(patch, self._cheapest_first(patch, self.simplifier.simplifications(patch)), until=0.9)
        return self._accept(patch, self.simplifier.roundings(patch), until=1.0)

    def sections(self, patch: Patch) -> dict[str, float]:
        """MSS in dB of a patch with each of its sections and switches off, the most important first."""
        until = max(1.0 + _SECTIONS_SHARE, 0.5 * (self._used() + _END))
        return self._compared(without_each_part(self.run.options.instrument, patch), until)

    def knobs(self, patch: Patch) -> dict[str, float]:
        """MSS in dB of a patch with each of its knobs moved, the most sensitive first."""
        return self._compared(with_each_knob_moved(patch), _END)

    def _compared(self, patches: Mapping[str, Patch], until: float) -> dict[str, float]:
        """MSS in dB of patches by their names, as far as they can be afforded, the farthest first."""
        measured = self.run.evaluator.compare(map(self.candidate, patches.values()), lambda: self._used() >= until)
        found = {name: mss for name, mss in zip(patches, measured, strict=True) if mss is not None}
        return farthest_first(found)

    @property
    def _allowed(self) -> float:
        """Largest sum of MSS and distance."""
        return self._sums[self.answer.patch] + ALLOWED_DB

    def _used(self) -> float:
        """Share of what the stage may spend on simplifying that is spent; more is for explaining the answer."""
        renders = (self.run.budget.n_renders - self._n_before + _JUDGED) / _MOST_RENDERS
        return max(self._share_used(), renders) * _END

    def _measure(self, patches: Sequence[Patch], until: float) -> list[float | None]:
        """Sums of MSS and distance of patches, as far as they can be afforded."""
        new = list(dict.fromkeys(patch for patch in patches if patch not in self._sums))
        results = self.run.evaluator.compare(map(self.candidate, new), lambda: self._used() >= until, Appraise)
        self._sums.update((patch, total) for patch, total in zip(new, results, strict=True) if total is not None)
        return [self._sums.get(patch) for patch in patches]

    def _without_inaudible(self, audios: Sequence[np.ndarray]) -> Patch:
        """The answer with inaudible parameters at their defaults, if that changes no sample."""
        patch = self.simplifier.bare(self.answer.patch)
        if patch == self.answer.patch:
            return patch
        renders = next(iter(self.run.evaluator.render([self.candidate(patch)])))
        if renders is not None and all(map(np.array_equal, renders, audios)):
            self._sums[patch] = self._sums[self.answer.patch]
            return patch
        (total,) = self._measure([patch], until=1.0)
        return patch if total is not None and total <= self._allowed else self.answer.patch

    def _cheapest_first(self, patch: Patch, found: Sequence[Simplification]) -> list[Simplification]:
        """Simplifications that are allowed by themselves, ordered by their cost for each knob; then untried ones."""
        patches = [self.simplifier.applied(patch, one) for one in found]
        measured = self._measure(patches, until=_MEASURED_SHARE)
        differing, now = self.simplifier.differing(patch), self._sums[patch]
        priced = [
            ((total - now) / (differing - self.simplifier.differing(simpler)), one)
            for one, simpler, total in zip(found, patches, measured, strict=True)
            if total is not None and total <= self._allowed
        ]
        untried = [one for one, total in zip(found, measured, strict=True) if total is None]
        return [one for _, one in sorted(priced, key=lambda pair: pair[0])] + untried

    def _accept(self, patch: Patch, ordered: Sequence[Simplification], until: float) -> Patch:
        """Apply as many simplifications as are allowed together, the first ones first.

        Several prefixes of the rest are tried at once. The longest that is allowed is taken; where none is, the first
        one of the rest is left out.
        """
        left, size = list(ordered), len(ordered)
        while left and self._used() < until:
            sizes = sorted({max(size >> k, 1) for k in range(self.run.evaluator.slots)})
            prefixes = [patch]
            for one in left[: sizes[-1]]:
                prefixes.append(self.simplifier.applied(prefixes[-1], one))
            tried = self._measure([prefixes[n] for n in sizes], until)
            taken = max(
                (n for n, total in zip(sizes, tried, strict=True) if total is not None and total <= self._allowed),
                default=0,
            )
            if taken:
                patch, left, size = prefixes[taken], left[taken:], 2 * taken
            elif sizes[0] == 1:
                left, size = left[1:], 2
            else:
                size = sizes[0] // 2
            size = min(size, len(left))
        return patch
