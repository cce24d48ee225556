"""From clips to matches: the stages, under one budget, each judged by clean renders.

    start (library, start preset, default) -> guess -> descend -> search -> tidy

A stage proposes candidates. The answer changes only if a clean render of one is closer in MSS at equal loudness by more
than two clean renders of one patch differ: no stage can make the result worse, and the record says what each of them
gained. The stages minimise a cheaper distance; the ends of descend and search minimise MSS itself beside it. Then the
answer is simplified, within a twentieth of a decibel.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from inference.after.lesson import lesson_from
from inference.after.play import faults, sentences, try_out
from inference.budget import Budget
from inference.clip.target import Target
from inference.evaluate import Evaluator, HostFactory
from inference.judge import EQUAL_DB, Judge
from inference.leaderboard import Leaderboard
from inference.match import Ended, Match, StageRecord
from inference.methods import DEFAULT_METHOD
from inference.options import STAGES, Options
from inference.ports import Models
from inference.run import Run
from inference.stages.descend import descend
from inference.stages.finish import finish
from inference.stages.guess import guess
from inference.stages.library import LibraryOpener
from inference.stages.models import has_models, load_models, needs_torch
from inference.stages.notices import notices
from inference.stages.start import start
from inference.stages.tidy import tidy
from inference.worker import Job, Reply
from render.background import begin_loading
from render.errors import HostError, one_line
from render.hosts.pool import Pool
from render.instruments.host import HostInfo

TIDY = "tidy"
"""Name of the last stage, which simplifies the answer instead of proposing others."""

_JUDGED_EARLY = 2  # candidates for the first answer
_SEARCHED_FIRST = 0.85  # of a search that no descent came before, for finding a structure
_COMPILES = "compiling the proxy, once for this machine: about half a minute"


def refine(
    targets: Sequence[Target],
    options: Options,
    *,
    open_library: LibraryOpener | None = None,
    make_host: HostFactory | None = None,
    models: Models | None = None,
    pool: Pool[Job, Reply] | None = None,
    analysis_seconds: float = 0.0,
    finishing: Callable[[], float] = lambda: 0.0,
    clock: Callable[[], float] = time.monotonic,
    on_preparing: Callable[[str], None] = lambda text: None,
    on_progress: Callable[[Leaderboard], None] | None = None,
    on_judged: Callable[[Match], None] | None = None,
    tries_out: bool = False,
) -> Match:
    """Find the patches that reproduce a clip, or several clips of one sound.

    Args:
        targets: one clip, or several of the same sound at other notes or velocities that one patch must match.
        options: instrument, budget, stages and constraints.
        open_library: returns the library for a host; None to start from the default patch alone.
        make_host: opens the host in a worker, instead of ``options.where``.
        models: the network and the proxy; by default those that the stages need are loaded while the workers start.
        pool: workers that ``start_workers`` has already started.
        analysis_seconds: seconds of the budget that were used before this call.
        finishing: returns an estimate of the seconds of the budget that are needed after this call.
        clock: returns the time in seconds by which the budget is counted.
        on_preparing: called with a message before slow work that is done once per machine.
        on_progress: called after every render and descent step.
        on_judged: called with the best match so far when there is a first one, and whenever a stage has been judged, so
            that it can be saved.
        tries_out: whether the matches are also played on other keys, and one without faults is preferred among equals.

    Returns:
        The matches. If the run ends early and there is an answer (after Ctrl-C, a host that fails), the best so far is
        returned. After another error in a stage the later ones run. The match says how the run ended.

    Raises:
        HostError: if the host cannot be opened, or stops rendering before there is any match.
        KeyboardInterrupt: if the run was interrupted before there was any match.

    Example:
        >>> from inference.clip.target import read_target
        >>> from render.noisemaker.instrument import NOISEMAKER
        >>> match = refine([read_target("examples/bass.wav")], Options(NOISEMAKER, seconds=10.0))  # doctest: +SKIP
        >>> match.best[0].candidate.patch.settings()  # doctest: +SKIP
    """
    level = options.instrument.table.level
    level_free = level is None or level.name not in options.constraints.locked
    budget = Budget(options.seconds, options.renders, options.steps, clock)
    budget.restart(analysis_seconds)
    with Evaluator(
        targets,
        make_host or functools.partial(options.instrument.hosts.open_host, options.where),
        workers=options.workers,
        solve_level=level_free,
        seed=options.seed,
        board=Leaderboard(budget, on_progress=on_progress),
        pool=pool,
    ) as evaluator:
        judge = Judge(targets, options.candidates, level_free=level_free)
        run = Run(tuple(targets), options, models or Models(), evaluator, judge, finishing)
        if models is None and needs_torch(options):
            begin_loading("torch")
        host = evaluator.wait_ready()
        run.once(lambda: evaluator.compile_host(on_preparing), longer_than=0.0)
        library = run.once(lambda: open_library(host)) if open_library is not None else None
        records: list[StageRecord] = []

        def so_far(ended: Ended, error: str = "") -> Match:
            return _match(run, records, host, ended, error)

        def keep() -> None:
            if on_judged is not None and judge.best is not None:
                on_judged(so_far(Ended.RUNNING))

        def early() -> None:
            if on_judged is not None:
                judge.judge(evaluator, _JUDGED_EARLY)
                keep()

        def load() -> None:
            if models is None:
                run.models = run.once(lambda: load_models(options, lambda: on_preparing(_COMPILES)))
            run.notices += run.models.notices

        ended, failures = Ended.FINISHED, list[str]()
        try:
            for name, work in _plan(run, lambda: start(run, library, early, load), tries_out=tries_out):
                if name in STAGES and _left_out(run, name):
                    continue
                try:
                    _stage(run, records, name, work)
                except Exception as error:
                    if judge.best is None or isinstance(error, HostError):
                        raise
                    failures.append(f"{name} failed: {one_line(error)}")
                keep()
                if not run.board.best:  # the host plays nothing
                    break
        except KeyboardInterrupt:
            ended = Ended.INTERRUPTED
            if run.judge.best is None and run.board.best:
                _stage(run, records, "start", lambda: None)
            if run.judge.best is None:
                raise
            run.notices.append("interrupted: the best so far")
        except Exception as error:
            if run.judge.best is None:
                raise
            failures.append(f"{run.board.stage} failed: {one_line(error)}")
        if run.judge.best is None:
            raise HostError(f"none of {budget.n_renders} renders succeeded on {host.name}: {evaluator.last_failure}")
        if failures:
            run.notices.append(f"{'; '.join(failures)}; the match is the best that was found otherwise")
            ended = Ended.FAILED if ended is Ended.FINISHED else ended
        match = so_far(ended, "; ".join(failures))
        return _with_trials(match, evaluator) if tries_out and ended is Ended.FINISHED else match


def _with_trials(match: Match, evaluator: Evaluator) -> Match:
    """A match with its trials on other keys and its lesson; not part of the run's budget."""
    pitched = match.targets[0].pitched
    trials = tuple(try_out(evaluator, confirmed.candidate, pitched=pitched) for confirmed in match.best)
    said = tuple(f"played elsewhere it {sentence}" for sentence in sentences(trials[0]))
    lesson = lesson_from(match.options.bank, match.best[0].candidate, evaluator.measure, match.options.instrument)
    return replace(match, trials=trials, lesson=lesson, notices=(*match.notices, *said))


def _plan(run: Run, begin: Callable[[], None], *, tries_out: bool) -> Iterator[tuple[str, Callable[[], object]]]:
    """The requested stages that can run, in order."""
    wanted = run.options.stages
    yield "start", begin  # which loads the models
    models = run.models
    if "guess" in wanted and models.guesser is not None:
        yield "guess", functools.partial(guess, run, models.guesser)
    if "descend" in wanted and models.descender is not None:
        yield "descend", functools.partial(descend, run, models.descender)
    if "search" in wanted:
        yield "search", functools.partial(_search, run)
    if tries_out:
        _prefer_playable(run)
    if run.options.tidy and run.judge.best is not None:
        yield TIDY, functools.partial(tidy, run)


def _prefer_playable(run: Run) -> None:
    """Choose among matches that are as close as the answer one that has fewer faults on other keys."""
    changed = run.judge.prefer(functools.partial(faults, run.evaluator, pitched=run.target.pitched), run.evaluator)
    if changed is not None:
        run.notices.append(
            f"of several equally close matches (within {EQUAL_DB:g} dB) this one plays best on other keys and "
            f"velocities: {changed[1]} of 9 are silent, clipped or out of tune, instead of {changed[0]}"
        )


def _left_out(run: Run, name: str) -> bool:
    """Whether a stage is not needed or the budget is too small for it; adds a notice."""
    if run.reached():
        why = "the match is as close as two renders of the patch are to each other"
        if not any(notice.startswith(why) for notice in run.notices):
            run.notices.append(f"{why}: {name} was not needed")
        return True
    if run.too_little_for(name):
        run.notices.append(f"{name} is left out: too little of the budget is left")
        return True
    return False


def _search(run: Run) -> None:
    """Search around the result of the descent, or without a descent."""
    begin, end = run.budget.used(), run.before_judging()
    chosen = run.options.method != DEFAULT_METHOD
    descended = "descend" in run.options.stages and run.models.descender is not None
    if chosen or not descended:
        until = end if chosen else begin + _SEARCHED_FIRST * (end - begin)
        if chosen or has_models(run.options.instrument):
            from inference.stages.search import search

            search(run, until)
        else:
            from inference.climb.climb import climb

            climb(run, until)
        run.judge.judge(run.evaluator)
    finish(run, end)


def _stage(run: Run, records: list[StageRecord], name: str, work: Callable[[], object]) -> None:
    """Run one stage, which may be interrupted, judge its candidates and record its result."""
    budget, judge = run.budget, run.judge
    run.board.stage = name
    began, renders, steps = budget.elapsed(), budget.n_renders, budget.n_steps
    before = judge.best
    try:
        work()
    finally:
        worked = budget.elapsed()
        if name != TIDY:
            judge.judge(run.evaluator)
        counted = judge.best is not before
        if judge.best is not None:
            best = judge.best.mean_distances()
            if name != TIDY:
                run.judging_seconds = budget.elapsed() - worked
            spent = budget.n_renders - renders, budget.n_steps - steps
            records.append(
                StageRecord(name, budget.elapsed() - began, *spent, best, judge.rerender_mss, counted=counted)
            )


def _match(run: Run, records: Sequence[StageRecord], host: HostInfo, ended: Ended, error: str) -> Match:
    """The result so far."""
    budget = run.budget
    return Match(
        targets=run.targets,
        options=run.options,
        host=host,
        best=run.judge.matches(),
        stages=tuple(records),
        history=tuple(run.board.history),
        seconds=budget.elapsed(),
        prepared_seconds=run.prepared_seconds,
        renders=budget.n_renders,
        steps=budget.n_steps,
        ended=ended,
        tidied=run.tidied,
        notices=notices(run),
        error=error,
    )
