"""The rows of the campaign: what was tried, and what it cost the user."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from benchmarks.common.table import OK

_FOLDERS = re.compile(r"(?:/[\w.+-]+)+/")  # rows are published: they name no folders of this machine

FOUND = "found"
"""Status of a row with a failure; such a row is made again by the next run."""


@dataclass(frozen=True)
class Row:
    """One part of a line of the campaign.

    Attributes:
        line: what is tried.
        part: number of the part; the seed and this number determine its cases.
        seed: seed of the campaign.
        cases: how many times it was tried.
        lost: cases that lost a result, or gave a wrong one.
        tracebacks: cases in which a person would have seen a traceback, or in which a process crashed.
        hangs: cases that had to be killed after a generous time.
        orphans: processes that were left behind.
        printed: cases in which a library printed into the terminal.
        peak_mib: largest memory of a process in MiB.
        seconds: time that the part took.
        note: the first failure, or what else is worth knowing.
    """

    line: str
    part: int
    seed: int
    cases: int
    lost: int
    tracebacks: int
    hangs: int
    orphans: int
    printed: int
    peak_mib: float
    seconds: float
    note: str = ""
    status: str = OK

    @property
    def key(self) -> tuple[object, ...]:
        """Identifies the part: of two rows with the same key the later one counts."""
        return (self.line, self.part, self.seed)


@dataclass
class Count:
    """What a part has come to so far; the fields are those of ``Row``."""

    cases: int = 0
    lost: int = 0
    tracebacks: int = 0
    hangs: int = 0
    orphans: int = 0
    printed: int = 0
    peak_mib: float = 0.0
    failures: list[str] = field(default_factory=list)

    def lose(self, what: str) -> None:
        """A result is lost or wrong."""
        self.lost += 1
        self.failures.append(what)

    def trace(self, what: str) -> None:
        """A person would have seen a traceback."""
        self.tracebacks += 1
        self.failures.append(what)

    def hang(self, what: str) -> None:
        """Something had to be killed."""
        self.hangs += 1
        self.failures.append(what)

    def row(self, line: str, part: int, seed: int, seconds: float) -> Row:
        """The finished part."""
        good = self.lost == self.tracebacks == self.hangs == self.orphans == self.printed == 0
        note = _FOLDERS.sub("", " ".join(self.failures[0].split()))[:300] if self.failures else ""
        return Row(
            line=line,
            part=part,
            seed=seed,
            cases=self.cases,
            lost=self.lost,
            tracebacks=self.tracebacks,
            hangs=self.hangs,
            orphans=self.orphans,
            printed=self.printed,
            peak_mib=round(self.peak_mib),
            seconds=round(seconds, 1),
            note=note,
            status=OK if good else FOUND,
        )
