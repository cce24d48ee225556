"""Judging candidates by clean renders: MSS at equal loudness, which the ends of descend and search minimise.

The level of a clip is independent of the patch, and a quiet render must not have an advantage. MSS is therefore taken
at the gain that makes the renders as loud as the clips. The volume knob is then changed by that gain, as far as its
range allows. If the user has locked it, MSS is taken at the render's own level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from inference.candidate import Candidate
from inference.clip.target import Target
from inference.evaluate import Evaluator, with_gain
from inference.match import Confirmed, mean
from inference.worker import Audios
from render.instruments.patch import Patch
from render.measures.loudness import EqualLoudnessMss
from render.note import SAMPLE_RATE

EQUAL_DB = 0.05
"""Candidates whose MSS is at most this much larger than the answer's are as close as it."""

_CONFIRMED_PER_STAGE = 8
_MOST_EQUALS = 3  # that are tried for faults
_SAME_LEVEL_DB = 0.01  # a smaller difference in level counts as none
_LEVEL_RENDERS = 3  # on the way to the right volume, where the knob does not do quite what its curve says
_SAME_SOUND_DB = 0.3  # MSS below which two patches count as the same sound
_DIFFERENT_KNOB = 0.1


class Judge:
    """Renders candidates cleanly, and decides which of them is the answer, the best match so far.

    Args:
        targets: the clips.
        wanted: requested number of different matches.
        level_free: whether the volume may be changed.

    Attributes:
        best: the answer so far, as loud as the clips as far as the volume knob's range allows.
        rerender_mss: MSS between two clean renders of the answer; a smaller gain does not count.
    """

    def __init__(self, targets: Sequence[Target], wanted: int, *, level_free: bool = True) -> None:
        self.targets = tuple(targets)
        self.wanted = wanted
        self.best: Confirmed | None = None
        self.rerender_mss = 0.0
        self._confirmed: dict[Candidate, Confirmed] = {}
        self._at_level: set[Candidate] = set()  # those whose volume is set
        self._measure = EqualLoudnessMss(
            [target.audio for target in targets],
            SAMPLE_RATE,
            level_free=level_free,
            conditions=[target.conditions for target in targets],
        ).measure

    def judge(self, evaluator: Evaluator, count: int = _CONFIRMED_PER_STAGE) -> bool:
        """Render the best of the leaderboard cleanly.

        Args:
            evaluator: evaluator with the leaderboard.
            count: number of candidates that are rendered; at least as many as different matches are wanted.

        Returns:
            Whether one of them became the answer.
        """
        count = max(count, self.wanted)
        ranked = evaluator.board.best if self.wanted == 1 else different(evaluator.board.best, count)
        return self.confirm(ranked[:count], evaluator)

    def confirm(self, candidates: Sequence[Candidate], evaluator: Evaluator) -> bool:
        """Render candidates cleanly that have not been; returns whether one of them became the answer."""
        new = [candidate for candidate in dict.fromkeys(candidates) if candidate not in self._confirmed]
        for candidate, audios in zip(new, evaluator.render(new), strict=True):
            if audios is not None:
                self._confirmed[candidate] = self._confirm(candidate, audios)
        closest = min(self._confirmed.values(), key=lambda confirmed: confirmed.mss, default=None)
        improved = closest is not None and (self.best is None or closest.mss < self.best.mss - self.rerender_mss)
        if improved:
            self.best = closest
        self._set_levels(evaluator)
        if improved and self.best is not None:
            again = next(iter(evaluator.render([self.best.candidate])))
            if again is not None:
                self.rerender_mss = apart(self.targets, self.best.audios, again)
        return improved

    def settle(self, candidate: Candidate, evaluator: Evaluator, most: float) -> bool:
        """Replace the answer by a simpler candidate, if a clean render of it is close enough.

        Args:
            candidate: the answer in simpler settings.
            evaluator: renders it.
            most: largest MSS in dB that it may have.

        Returns:
            Whether it is the answer now.
        """
        audios = next(iter(evaluator.render([candidate])))
        if audios is None or self.best is None:
            return False
        simpler = self._levelled(self._confirm(candidate, audios), evaluator)
        if simpler.mss > most:
            return False
        kept = {key: one for key, one in self._confirmed.items() if one is not self.best}
        self._confirmed = {**kept, candidate: simpler}
        self._at_level.add(candidate)
        self.best = simpler
        return True

    def prefer(self, faults: Callable[[Candidate], int], evaluator: Evaluator) -> tuple[int, int] | None:
        """Replace the answer by a candidate that is as close and has fewer faults.

        Args:
            faults: counts the faults of a candidate.
            evaluator: renders.

        Returns:
            The faults of the answer before and of the answer now; None if it stays.
        """
        if self.best is None:
            return None
        most = self.best.mss + EQUAL_DB
        close = [key for key, one in self._confirmed.items() if one is not self.best and one.mss <= most]
        close = sorted(close, key=lambda key: self._confirmed[key].mss)[:_MOST_EQUALS]
        before = fewest = faults(self.best.candidate) if close else 0
        for key in close:
            if fewest == 0:
                break
            self._set_level(key, evaluator)
            other = self._confirmed[key]
            if other.mss <= most and (found := faults(other.candidate)) < fewest:
                self.best, fewest = other, found
        return (before, fewest) if fewest < before else None

    def matches(self) -> tuple[Confirmed, ...]:
        """The answer, then the closest others that differ from it and from each other, in knobs and sound."""
        if self.best is None:
            return ()
        others = sorted(self._confirmed.values(), key=lambda confirmed: confirmed.mss)
        return tuple(distinct([self.best, *(other for other in others if other is not self.best)], self.wanted))

    def _confirm(self, candidate: Candidate, audios: Audios) -> Confirmed:
        mss, gain_db = self._measure(audios)
        return Confirmed(candidate, audios, gain_db if abs(gain_db) > _SAME_LEVEL_DB else 0.0, mss, self.targets)

    def _set_levels(self, evaluator: Evaluator) -> None:
        """Set the volume of every match, as far as the knob goes."""
        wanted = self.matches()
        for key, confirmed in list(self._confirmed.items()):
            if any(confirmed is match for match in wanted):
                self._set_level(key, evaluator)

    def _set_level(self, key: Candidate, evaluator: Evaluator) -> None:
        """Set the volume of a match, if it was not set before."""
        if key in self._at_level:
            return
        self._at_level.add(key)
        confirmed = self._confirmed[key]
        self._confirmed[key] = self._levelled(confirmed, evaluator)
        if self.best is confirmed:
            self.best = self._confirmed[key]

    def _levelled(self, confirmed: Confirmed, evaluator: Evaluator) -> Confirmed:
        for _ in range(_LEVEL_RENDERS):
            patch = with_gain(confirmed.candidate.patch, 10.0 ** (confirmed.gain_db / 20.0))
            if patch == confirmed.candidate.patch:
                break
            candidate = replace(confirmed.candidate, patch=patch)
            audios = next(iter(evaluator.render([candidate])))
            if audios is None:
                break
            levelled = self._confirm(candidate, audios)
            if abs(levelled.gain_db) >= abs(confirmed.gain_db):
                break
            confirmed = levelled
        return confirmed


def different(ranked: Sequence[Candidate], count: int) -> list[Candidate]:
    """The first candidates that differ from each other in an audible choice, or by 0.1 in an audible knob."""
    chosen: list[Candidate] = []
    for candidate in ranked:
        if len(chosen) == count:
            break
        if all(_differ(candidate.patch, other.patch) for other in chosen):
            chosen.append(candidate)
    return chosen


def distinct(ranked: Sequence[Confirmed], count: int) -> list[Confirmed]:
    """The first matches that differ as in ``different``, and whose sounds differ too."""
    chosen: list[Confirmed] = []
    for confirmed in ranked:
        if len(chosen) == count:
            break
        if all(
            _differ(confirmed.candidate.patch, other.candidate.patch)
            and apart(confirmed.targets, confirmed.matches, other.matches) >= _SAME_SOUND_DB
            for other in chosen
        ):
            chosen.append(confirmed)
    return chosen


def _differ(patch: Patch, other: Patch) -> bool:
    return any(
        (patch.sounds(name) or other.sounds(name))
        and (patch.table.parameter(name).discrete or abs(here - there) >= _DIFFERENT_KNOB)
        for name, (here, there) in patch.diff(other).items()
    )


def apart(targets: Sequence[Target], renders: Audios, others: Audios) -> float:
    """MSS in dB between two sets of renders, one for each clip, within the compared part of the clips."""
    pairs = zip(targets, renders, others, strict=True)
    return mean(target.mss(other, one) for target, one, other in pairs)
