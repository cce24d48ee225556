"""From a target to matches: the stages, under one budget, each judged by clean renders.

    hypotheses (library, start preset, default) -> guess -> descend -> search

A stage proposes; only a clean render that is nearer in MSS, which no stage minimises, by more than the host differs
from itself, changes the answer. So no stage can make the result worse, and the record says what each of them brought.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from inference.budget import Budget
from inference.clip.target import Target
from inference.constraints import Constraints
from inference.evaluate import Audios, Candidate, Evaluator, HostFactory
from inference.leaderboard import Board, Improvement
from inference.output.residual import UNREACHABLE_DB, residual
from inference.stages.library import LibraryOpener
from inference.stages.models import load_models
from inference.stages.ports import Descender, Models
from inference.stages.search import DEFAULT_METHOD, search
from inference.stages.start import candidates, in_octaves, on_key
from render.data.library import Library
from render.errors import HostError, InvalidAudio, UnknownName
from render.hosts.open import open_host
from render.hosts.protocol import HostInfo
from render.measures.metrics import Distances, MssTarget, distances
from render.noisemaker.patch import Patch
from render.noisemaker.table import parameter
from render.note import SAMPLE_RATE

if TYPE_CHECKING:
    from inference.network.proposals import Guess

STAGES = ("guess", "descend", "search")
GUESSERS = ("network", "regression")

_CONFIRMED_PER_STAGE = 8
_FINISH_FACTOR = 1.5  # what judging the last stage may take, over what judging the start took
_LONGEST_FINISH = 0.3  # of the budget
_FEWEST_RENDERS = 2
_FEWEST_SECONDS = {"guess": 0.3, "descend": 2.0, "search": 0.3}  # left of a budget, for a stage to begin
_SEARCH_SECONDS, _SEARCH_RENDERS = 2.5, 40  # of a small budget, that descend leaves for search
_MOST_FOR_SEARCH = 0.25  # of a budget, however small
_WIDE_SECONDS = 15.0  # with less left for descend, a third of its batch is what can be taken down far enough
_CROSSED = 6  # good candidates whose sections the answer borrows
_GOING_ON = 2  # of the nearest candidates are descended again in the next round
_HEARD_CHANGE = 0.02  # of the loss: a change of the answer that does less is no start of its own
_SAME_SOUND_DB = 0.3  # of MSS: two patches that are nearer are one sound
_GOOD_ENOUGH_LOSS = 0.004  # of the search distance: some 0.05 dB of MSS, which nobody hears


@dataclass(frozen=True)
class Options:
    """What the user chose; the defaults are the command's.

    Attributes:
        guess: which network proposes.
        guesses: how many of its proposals are rendered.
        descend_until: share of the budget at which descend ends, if search follows; a small budget leaves more to it.
    """

    where: str = "embedded"
    seconds: float | None = 60.0
    renders: int | None = None
    candidates: int = 1
    start: Patch | None = None
    constraints: Constraints = field(default_factory=Constraints)
    stages: tuple[str, ...] = STAGES
    guess: str = "network"
    guesses: int = 48
    descend_until: float = 0.9
    method: str = DEFAULT_METHOD
    library_starts: int = 64
    seed: int = 0
    workers: int = 2

    def __post_init__(self) -> None:
        for stage in self.stages:
            if stage not in STAGES:
                raise UnknownName("stage", stage, STAGES)
        if self.guess not in GUESSERS:
            raise UnknownName("guess", self.guess, GUESSERS)


@dataclass(frozen=True)
class Confirmed:
    """A candidate with its clean renders, one per clip, and how far they are from the clips: mean MSS."""

    candidate: Candidate
    audios: Audios
    mss: float


@dataclass(frozen=True)
class StageRecord:
    """What a stage cost, and the clean distance of the best once it had ended.

    Attributes:
        rerender_mss: between two clean renders of the best: less than that is no gain.
        counted: whether the stage changed the answer.
    """

    name: str
    seconds: float
    renders: int
    best: Distances
    rerender_mss: float
    counted: bool


@dataclass(frozen=True)
class Match:
    """The result of a run: matches by rising MSS, and the history that the report is made from."""

    targets: tuple[Target, ...]
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

    def __init__(
        self,
        targets: Sequence[Target],
        options: Options,
        evaluator: Evaluator,
        board: Board,
        budget: Budget,
        models: Models,
    ) -> None:
        self.targets, self.options, self.models = tuple(targets), options, models
        self.evaluator, self.board, self.budget = evaluator, board, budget
        self.target = self.targets[0]
        self.mss = [MssTarget(target.audio, SAMPLE_RATE) for target in targets]
        self.confirmed: dict[Candidate, Confirmed] = {}
        self.best: Confirmed | None = None
        self.rerender_mss = 0.0
        self.judging_seconds = 0.0
        self.records: list[StageRecord] = []
        self.notices = [notice for target in targets for notice in target.notices] + list(models.notices)

    def start(self, library: Library | None) -> None:
        """Measure what needs no network: the user's patch, the library's nearest and the default patch."""
        options, note = self.options, self.target.note
        found: list[Candidate] = []
        if options.start is not None:
            found += candidates([options.start], note, "start preset", options.constraints)
        if library is not None and options.library_starts:
            try:
                near = library.nearest(self.target.audio, note, min(self._afford(options.library_starts), len(library)))
                found += candidates([*near, *in_octaves(near, note)], note, "library", options.constraints)
            except InvalidAudio as error:
                self.notices.append(f"the library is of no use here: {error}")
        self.measure([*found, *candidates([Patch()], note, "default patch", options.constraints)])

    def guess(self, guesser: Guess) -> None:
        """Stage 1: measure what the network proposes."""
        options, target = self.options, self.target
        proposals = guesser.propose(
            target.audio,
            target.note,
            count=self._afford(options.guesses),
            seed=options.seed,
            note_fixed=target.note_fixed,
            gate_fixed=target.gate_fixed or len(self.targets) > 1,
            pitched=target.pitched,
        )
        found: list[Candidate] = []
        for proposal in proposals:
            patch, note = on_key(
                proposal.patch, proposal.note.number, replace(proposal.note, number=target.note.number)
            )
            if len(self.targets) == 1 or note == target.note:
                found += candidates([patch], note, options.guess, options.constraints)
        self.measure(found)

    def descend(self, descender: Descender) -> None:
        """Stage 2: rounds of gradient descent through the proxy, until the stage's share is used.

        The first round starts from the best candidates that differ. Each other round goes on from the nearest, and
        starts anew from changes of the answer that can be heard: its neighbours, which are one choice away, and itself
        with a section of the panel from another good candidate. They are farther at first; a descent tells where they
        lead.
        """
        options, size = self.options, descender.batch_size
        until = self._descend_until()
        rng = np.random.default_rng(options.seed)
        untried, tried, explored = list(self.board.best), set[Candidate](), set[Candidate]()
        going_on: list[Candidate] = []
        if self.budget.seconds is not None and (until - self._used()) * self.budget.seconds < _WIDE_SECONDS:
            size = -(-size // 3)
        starts = different(untried, size)
        while starts:
            tried.update(starts)
            path = descender.descend(
                starts,
                self.targets,
                options.constraints,
                n_going_on=len(going_on),
                used=lambda: self._used() / until,
                on_step=self.board.announce,
            )
            self.notices += path.notices
            self.measure(path.candidates[: self._afford(len(path.candidates))])
            if self._used() >= until:
                return
            best = self.board.best[0]
            if best not in explored:
                explored.add(best)
                others = different(self.board.best, _CROSSED + 1)[1:]
                changes = descender.changes(best, others, options.constraints, rng, gate=self._moves_gate())
                rng.shuffle(changes)
                measured = self.measure(changes[: self._afford(len(changes))])
                untried += [c for c in measured if abs(c.loss - best.loss) > _HEARD_CHANGE * best.loss]
                if self._used() >= until:
                    return
            going_on = [c for c in different(self.board.best, _GOING_ON) if c not in tried]
            untried = sorted((c for c in untried if c not in tried and c not in going_on), key=lambda c: c.loss)
            starts = [*going_on, *different(untried, size - len(going_on))]

    def search(self) -> None:
        """Stage 3, until what is left of the budget is needed to judge it."""
        options = self.options
        search(
            self.board,
            self.evaluator,
            options.constraints,
            self.budget,
            until=self._before_judging(),
            method=options.method,
            gate=self._moves_gate(),
            seed=options.seed,
            good_enough=_GOOD_ENOUGH_LOSS,
        )

    def measure(self, found: Sequence[Candidate]) -> list[Candidate]:
        """Render candidates and offer them to the board; returns them with their losses."""
        measured = self.evaluator.measure(found)
        for candidate in measured:
            self.board.offer(candidate, seconds=self.budget.elapsed(), renders=self.evaluator.renders)
        return measured

    def stage(self, name: str, work: Callable[[], None]) -> None:
        """Run one stage, which may be interrupted, judge it and record what it brought."""
        self.board.stage = name
        began, renders = self.budget.elapsed(), self.evaluator.renders
        try:
            work()
        finally:
            worked = self.budget.elapsed()
            counted = self.judge()
            if self.best is not None:
                best = self._distances(self.best)
                self.judging_seconds = self.budget.elapsed() - worked
                spent = self.evaluator.renders - renders
                seconds = self.budget.elapsed() - began
                self.records.append(StageRecord(name, seconds, spent, best, self.rerender_mss, counted))

    def judge(self) -> bool:
        """Render the best of the board cleanly; whether one of them is nearer than the answer so far."""
        wanted = max(_CONFIRMED_PER_STAGE, self.options.candidates)
        best = self.board.best if self.options.candidates == 1 else different(self.board.best, wanted)
        new = [candidate for candidate in best[:wanted] if candidate not in self.confirmed]
        for candidate, audios in zip(new, self.evaluator.render(new), strict=True):
            if audios is not None:
                self.confirmed[candidate] = Confirmed(candidate, audios, self._mss(audios))
        nearest = min(self.confirmed.values(), key=lambda confirmed: confirmed.mss, default=None)
        if nearest is None or (self.best is not None and nearest.mss >= self.best.mss - self.rerender_mss):
            return False
        self.best = nearest
        again = next(iter(self.evaluator.render([nearest.candidate])))
        if again is not None:
            pairs = zip(nearest.audios, again, strict=True)
            self.rerender_mss = _mean(MssTarget(one, SAMPLE_RATE).distance(other) for one, other in pairs)
        return True

    def ranked(self) -> list[Confirmed]:
        """Everything that was rendered cleanly: the answer, then the others, nearest first."""
        others = sorted(self.confirmed.values(), key=lambda confirmed: confirmed.mss)
        return others if self.best is None else [self.best, *(other for other in others if other is not self.best)]

    def reached(self) -> bool:
        """Whether the answer is as near as the host is to itself."""
        loss = self.board.best[0].loss if self.board.best else 1.0
        return loss <= _GOOD_ENOUGH_LOSS or (self.best is not None and self.best.mss <= self.rerender_mss)

    def verdict(self) -> None:
        """Say it where the synth cannot make the sound."""
        if self.best is not None and self.best.mss > max(UNREACHABLE_DB, 2.0 * self.rerender_mss):
            left = residual(self.target.audio, self.best.audios[0], self.best.candidate.note.gate_seconds)
            self.notices.append(f"still {self.best.mss:.1f} dB away. {left.sentence()}")

    def too_little(self, name: str) -> bool:
        """Whether what is left of the budget is too little for a stage."""
        if self.budget.renders is not None:
            return self.budget.renders - self.evaluator.renders < _FEWEST_RENDERS
        assert self.budget.seconds is not None
        return self.budget.seconds - self.budget.elapsed() < _FEWEST_SECONDS[name]

    def _afford(self, wanted: int) -> int:
        """How many renders of those that are wanted: in a small budget of renders each stage gets its share."""
        return wanted if self.budget.renders is None else min(wanted, max(1, self.budget.renders // 5))

    def _used(self) -> float:
        return self.budget.used(self.evaluator.renders)

    def _descend_until(self) -> float:
        """The share of the budget at which descend ends."""
        if "search" not in self.options.stages:
            return self._before_judging()
        seconds, renders = self.budget.seconds, self.budget.renders
        left = _SEARCH_SECONDS / seconds if seconds is not None else _SEARCH_RENDERS / (renders or 1)
        return min(self.options.descend_until, 1.0 - min(left, _MOST_FOR_SEARCH))

    def _moves_gate(self) -> bool:
        return not self.target.gate_fixed and len(self.targets) == 1

    def _before_judging(self) -> float:
        if self.budget.seconds is None:
            return 1.0
        return 1.0 - min(_FINISH_FACTOR * self.judging_seconds / self.budget.seconds, _LONGEST_FINISH)

    def _mss(self, audios: Audios) -> float:
        return _mean(target.distance(audio) for target, audio in zip(self.mss, audios, strict=True))

    def _distances(self, confirmed: Confirmed) -> Distances:
        """Every metric, its mean over the clips."""
        pairs = zip(self.targets, confirmed.audios, strict=True)
        each = [distances(target.audio, audio, SAMPLE_RATE) for target, audio in pairs]
        if len(each) == 1:
            return each[0]
        columns = [[getattr(one, field.name) for one in each] for field in fields(Distances)]
        return Distances(*(None if None in column else _mean(column) for column in columns))  # type: ignore[arg-type]


def refine(
    target: Target,
    options: Options,
    *,
    also: Sequence[Target] = (),
    open_library: LibraryOpener | None = None,
    make_host: HostFactory | None = None,
    models: Models | None = None,
    analysis_seconds: float = 0.0,
    on_candidate: Callable[[Board, Budget, int], None] | None = None,
) -> Match:
    """Find the patches that reproduce a target.

    Args:
        target: the clip.
        options: what the user chose.
        also: further clips of the same sound at other notes or velocities, which the same patch must match.
        open_library: gives the library of a host; None to start from the default patch alone.
        make_host: opens the host in a worker instead of ``options.where``.
        models: the network and the proxy; loaded for the stages that need them when missing.
        analysis_seconds: of the budget that reading the clip has used up.
        on_candidate: called after every render with the board, the budget and the number of renders.

    Returns:
        The matches. Ctrl-C ends a stage early, and the best so far is returned.

    Raises:
        HostError: if the host cannot be opened, or stops rendering before there is any match.
    """
    before = time.monotonic()
    solve_level = "volume" not in options.constraints.locked
    make_host = make_host or functools.partial(open_host, options.where)
    with Evaluator(
        target, make_host, workers=options.workers, solve_level=solve_level, seed=options.seed, also=also
    ) as evaluator:
        if models is None:
            # While the workers open their hosts.
            models = load_models(options.stages, options.guess, options.workers)
        host = evaluator.wait_ready()
        library = open_library(host) if open_library is not None else None
        prepared_seconds = time.monotonic() - before
        budget = Budget(options.seconds, options.renders)
        budget.started -= analysis_seconds
        board = Board()
        if on_candidate is not None:
            board.on_candidate = lambda board: on_candidate(board, budget, evaluator.renders)
        run = Run((target, *also), options, evaluator, board, budget, models)
        interrupted = False
        try:
            run.stage("start", lambda: run.start(library))
            for name, work in stages(run):
                if run.reached():
                    run.notices.append(f"as near as the synth is to itself: {name} was not needed")
                    break
                if run.too_little(name):
                    run.notices.append(f"too little of the budget is left for {name}: left out")
                    continue
                run.stage(name, work)
        except KeyboardInterrupt:
            interrupted = True
            run.notices.append("interrupted: the best so far")
            if not run.records and board.best:
                run.stage("start", lambda: None)
        except HostError as error:
            if run.best is None:
                raise
            run.notices.append(f"the host gave up, the best so far: {error}")
        if run.best is None and interrupted:
            raise KeyboardInterrupt
        if run.best is None:
            raise HostError(f"none of {evaluator.renders} renders succeeded on {host.name}")
        if evaluator.failures:
            run.notices.append(f"{evaluator.failures} of {evaluator.renders} renders failed and were left out")
        run.verdict()
        return Match(
            targets=run.targets,
            options=options,
            host=host,
            best=tuple(distinct(run.ranked(), options.candidates)),
            stages=tuple(run.records),
            history=tuple(board.history),
            seconds=budget.elapsed(),
            prepared_seconds=prepared_seconds,
            renders=evaluator.renders,
            interrupted=interrupted,
            notices=tuple(run.notices),
        )


def stages(run: Run) -> list[tuple[str, Callable[[], None]]]:
    """The three stages that were asked for and can run, in order."""
    models, wanted = run.models, run.options.stages
    plan: list[tuple[str, Callable[[], None]]] = []
    if "guess" in wanted and models.guesser is not None:
        plan.append(("guess", functools.partial(run.guess, models.guesser)))
    if "descend" in wanted and models.descender is not None:
        plan.append(("descend", functools.partial(run.descend, models.descender)))
    if "search" in wanted:
        plan.append(("search", run.search))
    return plan


def different(ranked: Sequence[Candidate], count: int) -> list[Candidate]:
    """The first candidates that differ from each other: in a choice that sounds, or by 0.1 in a knob that does."""
    chosen: list[Candidate] = []
    for candidate in ranked:
        if len(chosen) == count:
            break
        if all(_differ(candidate.patch, other.patch) for other in chosen):
            chosen.append(candidate)
    return chosen


def distinct(ranked: Sequence[Confirmed], count: int) -> list[Confirmed]:
    """The nearest matches that ``different`` lets through, and whose sounds differ too."""
    chosen: list[Confirmed] = []
    for confirmed in ranked:
        if len(chosen) == count:
            break
        if all(
            _differ(confirmed.candidate.patch, other.candidate.patch) and _sound_apart(confirmed, other)
            for other in chosen
        ):
            chosen.append(confirmed)
    return chosen


def _differ(patch: Patch, other: Patch, step: float = 0.1) -> bool:
    return any(
        (patch.sounds(name) or other.sounds(name)) and (parameter(name).discrete or abs(here - there) >= step)
        for name, (here, there) in patch.diff(other).items()
    )


def _sound_apart(one: Confirmed, other: Confirmed) -> bool:
    pairs = zip(one.audios, other.audios, strict=True)
    return _mean(MssTarget(here, SAMPLE_RATE).distance(there) for here, there in pairs) >= _SAME_SOUND_DB


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found)
