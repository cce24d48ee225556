"""The row of a section in ``python -m benchmarks blame``."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.common.table import OK

LEVEL = "level"
"""The section that is measured without the best gain; the last one of every run."""


@dataclass(frozen=True)
class BlameRow:
    """The cost of one section in one run. Distances are MSS in dB at the best gain; unknown values are None.

    Attributes:
        set: target set, of ``benchmarks.common.targets``.
        target: name of the sound; of a golden render the stem of its file.
        section: the section.
        host: label of the host.
        budget: budget of the run, for people.
        seed: seed of the run.
        workers: worker processes of the run.
        machine: where the distances were measured.
        floor: distance of the true patch on this host.
        found: distance of the found patch.
        costs: distance that the found section adds to the true patch.
        saves: distance that the true section takes from the found patch.
        costs_choices, saves_choices: the same with the discrete parameters of the section alone.
        costs_knobs, saves_knobs: the same with its continuous parameters alone.
        level_db: how much louder than its best gain the found sound is; in the row of the level.
        path: ``section:distance`` of the found patch with the true sections put in one after another, costliest first,
            joined by semicolons; in the row of the level.
        seconds: duration of the run.
        renders: renders that it made.
        steps: descent steps that it made, each of one candidate.
        status: "ok", or why the run failed.
    """

    set: str
    target: str
    section: str
    host: str
    budget: str = ""
    seed: int = 0
    workers: int = 0
    machine: str = ""
    floor: float | None = None
    found: float | None = None
    costs: float | None = None
    saves: float | None = None
    costs_choices: float | None = None
    costs_knobs: float | None = None
    saves_choices: float | None = None
    saves_knobs: float | None = None
    level_db: float | None = None
    path: str = ""
    seconds: float | None = None
    renders: int | None = None
    steps: int | None = None
    status: str = OK

    @property
    def key(self) -> tuple[object, ...]:
        """Identifies the measurement."""
        return (self.set, self.target, self.section, self.host, self.budget, self.seed)
