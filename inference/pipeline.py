"""From a target to matches: the stages, under one budget, each judged by clean renders.

A stage proposes; only a clean render that is nearer in MSS, which no stage minimises, changes the answer. So no stage
can make the result worse, and the record says what each of them brought.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from inference.board import Board, Improvement
from inference.budget import Budget
from inference.constraints import Constraints
from inference.evaluate import Candidate, Evaluator, HostFactory
from inference.library import LibraryOpener
from inference.search import DEFAULT_METHOD, search
from inference.target import Target
from render.errors import HostError, InvalidAudio, UnknownName
from render.host import Audio, HostInfo, open_host
from render.library import Library
from render.metrics import Distances, MssTarget, distances
from render.note import SAMPLE_RATE
from render.patch import Patch
from render.table import parameter

STAGES = ("guess", "descend", "search")
AVAILABLE_STAGES = frozenset({"search"})

_CONFIRMED_PER_STAGE = 8
_FINISH_FACTOR = 1.5  # what judging the last stage may take, over what judging the start took
_LONGEST_FINISH = 0.3  # of the budget


@dataclass(frozen=True)
class Options:
    """What the user chose; the defaults are the command's."""

    where: str = "embedded"
    seconds: float | None = 60.0
    renders: int | None = None
    candidates: int = 1
    start: Patch | None = None
    constraints: Constraints = field(default_factory=Constraints)
    stages: tuple[str, ...] = STAGES
    method: str = DEFAULT_METHOD
    library_starts: int = 64
    seed: int = 0
    workers: int = 2

    def __post_init__(self) -> None:
        for stage in self.stages:
            if stage not in STAGES:
                raise UnknownName("stage", stage, STAGES)


@dataclass(frozen=True)
class Confirmed:
    """A candidate with its clean render and how far that is from the target, in MSS."""

    candidate: Candidate
    audio: Audio
    mss: float


@dataclass(frozen=True)
class StageRecord:
    """What a stage cost, and the clean distance of the best once it had ended."""

    name: str
    seconds: float
    renders: int
    best: Distances


@dataclass(frozen=True)
class Match:
    """The result of a run: matches by rising MSS, and the history that the report is made from."""

    target: Target
    options: Options
    host: HostInfo
    best: tuple[Confirmed, ...]
    stages: tuple[StageRecord, ...]
    history: tuple[Improvement, ...]
    seconds: float
    prepared_seconds: float
    renders: int
    interrupted: bool
    notices: tuple[str, ...]


class Run:
    """One target on its way through the stages."""

    def __init__(self, target: Target, options: Options, evaluator: Evaluator, board: Board, budget: Budget) -> None:
        self.target, self.options, self.evaluator, self.board, self.budget = target, options, evaluator, board, budget
        self.mss = MssTarget(target.audio, SAMPLE_RATE)
        self.confirmed: dict[Candidate, Confirmed] = {}
        self.judging_seconds = 0.0
        self.records: list[StageRecord] = []
        self.notices = [*target.notices]

    def starts(self, library: Library | None) -> None:
        """Measure what the stages start from: the user's patch, the library's nearest and the default patch."""
        options = self.options
        patches = [("start preset", options.start)] if options.start is not None else []
        if library is not None:
            try:
                near = library.nearest(self.target.audio, self.target.note, min(options.library_starts, len(library)))
                patches += [("library", patch) for patch in near]
            except InvalidAudio as error:
                self.notices.append(f"the library is of no use here: {error}")
        patches.append(("default patch", Patch()))
        candidates = [
            Candidate(options.constraints.apply(_audible(patch, options.constraints)), self.target.note, origin=origin)
            for origin, patch in patches
            if patch is not None
        ]
        for candidate in self.evaluator.measure(candidates):
            self.board.offer(candidate, seconds=self.budget.elapsed(), renders=self.evaluator.renders)

    def search(self) -> None:
        """Stage 3, until what is left of the budget is needed to judge it."""
        options = self.options
        until = 1.0
        if self.budget.seconds is not None:
            until -= min(_FINISH_FACTOR * self.judging_seconds / self.budget.seconds, _LONGEST_FINISH)
        search(
            self.board,
            self.evaluator,
            options.constraints,
            self.budget,
            until=until,
            method=options.method,
            gate=not self.target.gate_fixed,
            seed=options.seed,
        )

    def confirm(self) -> None:
        """Render the best of the board cleanly, as far as that was not done before."""
        best = self.board.best[: max(_CONFIRMED_PER_STAGE, self.options.candidates)]
        new = [candidate for candidate in best if candidate not in self.confirmed]
        for candidate, audio in zip(new, self.evaluator.render(new), strict=True):
            if audio is not None:
                self.confirmed[candidate] = Confirmed(candidate, audio, self.mss.distance(audio))

    def ranked(self) -> list[Confirmed]:
        """Everything that was rendered cleanly, nearest first."""
        return sorted(self.confirmed.values(), key=lambda confirmed: confirmed.mss)

    def stage(self, name: str, work: Callable[[], None]) -> None:
        """Run one stage and record what it brought; its work may be interrupted."""
        self.board.stage = name
        began, renders = self.budget.elapsed(), self.evaluator.renders
        try:
            work()
        finally:
            worked = self.budget.elapsed()
            self.confirm()
            if self.confirmed:
                best = distances(self.target.audio, self.ranked()[0].audio, SAMPLE_RATE)
                self.judging_seconds = self.budget.elapsed() - worked
                spent = self.evaluator.renders - renders
                self.records.append(StageRecord(name, self.budget.elapsed() - began, spent, best))


def refine(
    target: Target,
    options: Options,
    *,
    open_library: LibraryOpener | None = None,
    make_host: HostFactory | None = None,
    analysis_seconds: float = 0.0,
    on_candidate: Callable[[Board, Budget, int], None] | None = None,
) -> Match:
    """Find the patches that reproduce a target.

    Args:
        target: the clip.
        options: what the user chose.
        open_library: gives the library of a host; None to start from the default patch alone.
        make_host: opens the host in a worker instead of ``options.where``.
        analysis_seconds: of the budget that reading the clip has used up.
        on_candidate: called after every render with the board, the budget and the number of renders.

    Returns:
        The matches. Ctrl-C ends the search early, and the best so far is returned.

    Raises:
        HostError: if the host cannot be opened, or stops rendering before there is any match.
    """
    before = time.monotonic()
    solve_level = "volume" not in options.constraints.locked
    make_host = make_host or functools.partial(open_host, options.where)
    with Evaluator(target, make_host, workers=options.workers, solve_level=solve_level, seed=options.seed) as evaluator:
        host = evaluator.wait_ready()
        library = open_library(host) if open_library is not None else None
        prepared_seconds = time.monotonic() - before
        budget = Budget(options.seconds, options.renders)
        budget.started -= analysis_seconds
        board = Board()
        if on_candidate is not None:
            board.on_candidate = lambda board: on_candidate(board, budget, evaluator.renders)
        run = Run(target, options, evaluator, board, budget)
        notices = run.notices
        missing = [stage for stage in options.stages if stage not in AVAILABLE_STAGES]
        if missing:
            notices.append(f"not built yet, left out: {', '.join(missing)}")
        interrupted = False
        try:
            run.stage("start", lambda: run.starts(library))
            if "search" in options.stages:
                run.stage("search", run.search)
        except KeyboardInterrupt:
            interrupted = True
            notices.append("interrupted: the best so far")
            if not run.records and board.best:
                run.stage("start", lambda: None)
        except HostError as error:
            if not run.confirmed:
                raise
            notices.append(f"the host gave up, the best so far: {error}")
        if not run.confirmed and interrupted:
            raise KeyboardInterrupt
        if not run.confirmed:
            raise HostError(f"none of {evaluator.renders} renders succeeded on {host.name}")
        if evaluator.failures:
            notices.append(f"{evaluator.failures} of {evaluator.renders} renders failed and were left out")
        return Match(
            target=target,
            options=options,
            host=host,
            best=tuple(distinct(run.ranked(), options.candidates)),
            stages=tuple(run.records),
            history=tuple(board.history),
            seconds=budget.elapsed(),
            prepared_seconds=prepared_seconds,
            renders=evaluator.renders,
            interrupted=interrupted,
            notices=tuple(notices),
        )


def distinct(ranked: Sequence[Confirmed], count: int, *, step: float = 0.1) -> list[Confirmed]:
    """The nearest matches that differ from each other: in a choice that sounds, or by ``step`` in a knob that does."""
    chosen: list[Confirmed] = []
    for confirmed in ranked:
        if len(chosen) == count:
            break
        if all(_differ(confirmed.candidate.patch, other.candidate.patch, step) for other in chosen):
            chosen.append(confirmed)
    return chosen


def _differ(patch: Patch, other: Patch, step: float) -> bool:
    return any(
        (patch.sounds(name) or other.sounds(name)) and (parameter(name).discrete or abs(here - there) >= step)
        for name, (here, there) in patch.diff(other).items()
    )


def _audible(patch: Patch, constraints: Constraints) -> Patch:
    """A patch that is silent only because of its volume knob cannot be levelled: it gets the default one."""
    if patch["volume"] == 0.0 and "volume" not in constraints.locked:
        return patch.with_knobs({"volume": Patch()["volume"]})
    return patch
