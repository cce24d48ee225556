"""Judging candidates by clean renders, with a metric that no stage minimises."""

from __future__ import annotations

from collections.abc import Sequence

from inference.candidate import Candidate
from inference.clip.target import Target
from inference.evaluate import Audios, Evaluator
from inference.match import Confirmed, mean
from render.instruments.patch import Patch
from render.measures.metrics import MssTarget
from render.note import SAMPLE_RATE

_CONFIRMED_PER_STAGE = 8
_SAME_SOUND_DB = 0.3  # MSS below which two patches count as the same sound
_DIFFERENT_KNOB = 0.1


class Judge:
    """Renders candidates cleanly, and decides which of them is the answer.

    Args:
        targets: the clips.
        wanted: number of different matches that are wanted.

    Attributes:
        best: the answer so far.
        rerender_mss: MSS between two clean renders of the answer; a smaller gain does not count.
    """

    def __init__(self, targets: Sequence[Target], wanted: int) -> None:
        self.targets = tuple(targets)
        self.wanted = wanted
        self.best: Confirmed | None = None
        self.rerender_mss = 0.0
        self._confirmed: dict[Candidate, Confirmed] = {}
        self._mss = [MssTarget(target.audio, SAMPLE_RATE) for target in targets]

    def judge(self, evaluator: Evaluator) -> bool:
        """Render the best of the leaderboard cleanly; returns whether one of them became the answer."""
        count = max(_CONFIRMED_PER_STAGE, self.wanted)
        ranked = evaluator.board.best if self.wanted == 1 else different(evaluator.board.best, count)
        return self.confirm(ranked[:count], evaluator)

    def confirm(self, candidates: Sequence[Candidate], evaluator: Evaluator) -> bool:
        """Render candidates cleanly that were not yet; returns whether one of them became the answer."""
        new = [candidate for candidate in candidates if candidate not in self._confirmed]
        for candidate, audios in zip(new, evaluator.render(new), strict=True):
            if audios is not None:
                self._confirmed[candidate] = Confirmed(candidate, audios, self._distance(audios), self.targets)
        closest = min(self._confirmed.values(), key=lambda confirmed: confirmed.mss, default=None)
        if closest is None or (self.best is not None and closest.mss >= self.best.mss - self.rerender_mss):
            return False
        self.best = closest
        again = next(iter(evaluator.render([closest.candidate])))
        if again is not None:
            self.rerender_mss = _apart(closest.audios, again)
        return True

    def matches(self) -> tuple[Confirmed, ...]:
        """The answer, then the closest others that differ from it and from each other, in knobs and sound."""
        if self.best is None:
            return ()
        others = sorted(self._confirmed.values(), key=lambda confirmed: confirmed.mss)
        return tuple(distinct([self.best, *(other for other in others if other is not self.best)], self.wanted))

    def _distance(self, audios: Audios) -> float:
        return mean(target.distance(audio) for target, audio in zip(self._mss, audios, strict=True))


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
            and _apart(confirmed.audios, other.audios) >= _SAME_SOUND_DB
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


def _apart(one: Audios, other: Audios) -> float:
    pairs = zip(one, other, strict=True)
    return mean(MssTarget(here, SAMPLE_RATE).distance(there) for here, there in pairs)
