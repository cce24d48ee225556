"""Stage 1: proposals of a network."""

from __future__ import annotations

from dataclasses import replace

from inference.candidate import Candidate
from inference.ports import Guess
from inference.run import Run
from inference.stages.start import candidates
from render.instruments.keys import on_key

_FEWEST, _MOST_SECONDS = 48, 60.0
"""Number of proposals that are rendered in a short budget or without a descent, and seconds from which all are."""


def guess(run: Run, guesser: Guess) -> None:
    """Measure a network's proposals, moved to the target's key if the transposition allows it."""
    options, target = run.options, run.target
    several = len(run.targets) > 1
    clip = replace(target, gate_fixed=target.gate_fixed or several)
    found: list[Candidate] = []
    for proposal in guesser.propose(clip, count=_count(run), seed=options.draws):
        note = replace(proposal.note, number=target.note.number)
        moved = on_key(proposal.patch, proposal.note.number, note)
        if moved is not None and (not several or moved[1] == target.note):
            found += candidates([moved[0]], moved[1], options.guess, options.constraints)
    run.starts += run.measure(found)


def _count(run: Run) -> int:
    """Number of proposals to render: the later rounds of a descent start from those that the first one leaves."""
    most, seconds = run.options.guesses, run.budget.seconds
    if "descend" not in run.options.stages:
        most = min(most, _FEWEST)
    elif seconds is not None:
        most = min(most, max(_FEWEST, round(most * seconds / _MOST_SECONDS)))
    return run.afford(most)
