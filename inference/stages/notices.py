"""What a match says to the user beside the notices of its stages."""

from __future__ import annotations

from collections.abc import Iterator

from inference.evaluate import Evaluator
from inference.output.residual import UNREACHABLE_DB, residual
from inference.run import Run

_HEARD_DB = 0.5  # a difference in level that is worth a notice


def notices(run: Run) -> tuple[str, ...]:
    """The notices of a run: of the level, of its stages, of renders that failed, and the verdict."""
    return (*_level(run), *run.notices, *_failures(run.evaluator), *_verdict(run))


def _failures(evaluator: Evaluator) -> Iterator[str]:
    """A notice if renders failed."""
    if evaluator.failures:
        yield f"{evaluator.failures} of {evaluator.budget.n_renders} renders failed and were left out"


def _level(run: Run) -> Iterator[str]:
    """A notice if the preset is not as loud as the clip."""
    gain_db = run.judge.best.gain_db if run.judge.best is not None else 0.0
    if abs(gain_db) > _HEARD_DB:
        way, how = ("softer", "raised") if gain_db > 0.0 else ("louder", "lowered")
        yield (
            f"the preset plays {abs(gain_db):.1f} dB {way} than the clip, beyond the reach of its volume; the match "
            f"is {how} by that"
        )


def _verdict(run: Run) -> Iterator[str]:
    """A notice if the match is far from the clip, with the likely reason."""
    best = run.judge.best
    if best is not None and best.mss > max(UNREACHABLE_DB, 2.0 * run.judge.rerender_mss):
        left = residual(run.target.compared, run.target.as_compared(best.matches[0]), best.candidate.note.gate_seconds)
        yield f"the match is still {best.mss:.1f} dB from the clip. {left.sentence()}"
