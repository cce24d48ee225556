"""Stage 1: proposals of a network."""

from __future__ import annotations

from dataclasses import replace

from inference.candidate import Candidate
from inference.ports import Guess
from inference.run import Run
from inference.stages.start import candidates
from render.instruments.keys import on_key


def guess(run: Run, guesser: Guess) -> None:
    """Measure a network's proposals, moved to the target's key if the transposition allows it."""
    options, target = run.options, run.target
    several = len(run.targets) > 1
    clip = replace(target, gate_fixed=target.gate_fixed or several)
    found: list[Candidate] = []
    for proposal in guesser.propose(clip, count=run.afford(options.guesses), seed=options.draws):
        note = replace(proposal.note, number=target.note.number)
        moved = on_key(proposal.patch, proposal.note.number, note)
        if moved is not None and (not several or moved[1] == target.note):
            found += candidates([moved[0]], moved[1], options.guess, options.constraints)
    run.measure(found)
