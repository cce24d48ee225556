"""How loud and how tidy the answers of runs are, on golden rows whose patch is known.

Runs are made without tidying and kept in ``--out``; existing ones are not made again. Then their answers are tidied,
with as many renders as a run of a minute has for it. ``differ`` counts the knobs and choices of the preset that differ
from the default patch, audible or not, without the volume. ``own level`` is how much louder the preset's own render is
than the clip, without ``gain_db``, by the energy in the mel bands and by RMS. Golden rows are those that are not held
out; ``--held-out`` takes the others.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.common.kept_runs import Answer, Runs
from benchmarks.common.summary import markdown
from benchmarks.common.targets import Sound, check_counts, read_sound
from benchmarks.product.blame import golden_sounds
from inference.budget import Budget
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.evaluate import Evaluator
from inference.judge import Judge
from inference.leaderboard import Leaderboard
from inference.match import Confirmed
from inference.options import Options
from inference.ports import Models
from inference.run import TIDY_SHARE, Run
from inference.stages.tidy import tidy
from render.audio import Audio
from render.errors import HostError
from render.instruments.host import EMBEDDED
from render.measures.loudness import EqualLoudnessMss
from render.noisemaker.hosts import open_host
from render.noisemaker.instrument import NOISEMAKER
from render.note import SAMPLE_RATE

TIDY_RENDERS = 63
"""A twentieth of the 1,260 renders of a minute on two idle cores (``docs/results.md``)."""


@dataclass(frozen=True)
class Row:
    """One answer, before and after tidying.

    Attributes:
        target: name of the clip.
        mss: MSS in dB at equal loudness, before and after.
        differing: knobs and choices that differ from the default patch, before and after.
        at_end: whether the volume knob is at its maximum.
        loudness_db: how much louder the preset's own render is than the clip, by the energy in the mel bands.
        rms_db: the same by RMS.
        renders: number of renders for tidying.
    """

    target: str
    mss: tuple[float, float]
    differing: tuple[int, int]
    at_end: bool
    loudness_db: float
    rms_db: float
    renders: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR", help="golden renders")
    parser.add_argument("--held-out", action="store_true", help="golden rows that are held out, not those that are not")
    parser.add_argument("--count", type=int, default=12, help="targets at most (default: 12)")
    parser.add_argument("--plugin", default=EMBEDDED, metavar="PATH|embedded")
    parser.add_argument("--renders", type=int, default=300, metavar="N", help="budget of each run (default: 300)")
    parser.add_argument("--steps", type=int, default=600, metavar="M", help="limit of descent steps (default: 600)")
    parser.add_argument("--tidy-renders", type=int, default=TIDY_RENDERS, help=f"for tidying (default: {TIDY_RENDERS})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="of each run (default: 2)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="results of the runs")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    check_counts(arguments, "count", "workers", "tidy_renders")
    options = Options(
        NOISEMAKER,
        where=arguments.plugin,
        seconds=None,
        renders=arguments.renders,
        steps=arguments.steps,
        seed=arguments.seed,
        workers=arguments.workers,
        tidy=False,
    )
    runs = Runs(arguments.out, options, new=True)
    rows = []
    for sound in golden_sounds(arguments.golden, arguments.count, held_out_rows=arguments.held_out):
        answer = runs.kept(sound) or runs.make(sound, known_note=False)
        rows.append(tidied(sound, answer, options, arguments.tidy_renders))
        one = rows[-1]
        print(
            f"{one.target[:32]:32} MSS {one.mss[0]:5.2f} -> {one.mss[1]:5.2f}  differ {one.differing[0]:2d} -> "
            f"{one.differing[1]:2d}  own level {one.loudness_db:+6.2f} dB, RMS {one.rms_db:+6.2f}"
            f"{' (volume at its end)' if one.at_end else ''}  {one.renders} renders",
            flush=True,
        )
    print(report(rows))
    return 0


def tidied(sound: Sound, answer: Answer, options: Options, n_renders: int) -> Row:
    """Tidy one answer.

    Args:
        sound: the golden render.
        answer: what a run found for it.
        options: options of the run.
        n_renders: renders that tidying may take.

    Raises:
        HostError: if the answer cannot be rendered.
    """
    target, _ = read_sound(sound)
    budget = Budget(None, round(n_renders / TIDY_SHARE))
    make_host = functools.partial(open_host, options.where)
    board = Leaderboard(budget)
    with Evaluator([target], make_host, workers=options.workers, board=board) as evaluator:
        judge = Judge([target], 1)
        evaluator.measure([Candidate(answer.played.patch, answer.played.note)])
        judge.judge(evaluator)
        before = judge.best
        if before is None:
            raise HostError(f"the answer to {sound.name} cannot be rendered")
        n_before = budget.n_renders
        work = Run((target,), replace(options, tidy=True), Models(), evaluator, judge)
        tidy(work)
        after = judge.best
        assert after is not None
        assert work.tidied is not None
        level = after.candidate.patch.table.level
        return Row(
            sound.name,
            (before.mss, after.mss),
            (work.tidied.differing_before, work.tidied.differing_after),
            level is not None and after.candidate.patch[level.name] in (0.0, 1.0),
            *_own_level(target, after),
            budget.n_renders - n_before,
        )


def report(rows: Sequence[Row]) -> str:
    """Medians over the answers, as Markdown."""
    differing = np.array([row.differing for row in rows])
    mss = np.array([row.mss for row in rows])
    fewer = 1.0 - differing[:, 1] / np.maximum(differing[:, 0], 1)
    lines = [
        ["answers", "differ before", "after", "fewer (median of each)", "MSS before, dB", "after", "most added, dB"]
    ]
    lines.append(
        [
            str(len(rows)),
            *(f"{value:g}" for value in np.median(differing, axis=0)),
            f"{np.median(fewer):.0%}",
            *(f"{value:.2f}" for value in np.median(mss, axis=0)),
            f"{np.max(mss[:, 1] - mss[:, 0]):+.3f}",
        ]
    )
    reached = [row for row in rows if not row.at_end]
    levels = [["own level, where the volume reaches", "answers", "median, dB", "90 %, dB"]]
    for name in ("loudness_db", "rms_db"):
        values = np.abs([getattr(row, name) for row in reached])
        if values.size:
            title = {"loudness_db": "energy in the mel bands", "rms_db": "RMS"}[name]
            levels.append([title, str(values.size), *(f"{np.quantile(values, q):.2f}" for q in (0.5, 0.9))])
    return f"{markdown(lines)}\n\n{markdown(levels)}"


def _own_level(target: Target, answer: Confirmed) -> tuple[float, float]:
    """How much louder the preset is than the clip, in dB: by the energy in the mel bands and by RMS."""
    (audio,) = answer.audios
    by_bands = -EqualLoudnessMss([target.audio], SAMPLE_RATE).gain_db([audio])
    own, clip = (_mean_square(one) for one in (audio, target.audio))
    return by_bands, 10.0 * float(np.log10(own / clip))


def _mean_square(audio: Audio) -> float:
    """Of the mean of the channels."""
    return float(np.square(audio.mean(axis=0, dtype=np.float64)).mean())
