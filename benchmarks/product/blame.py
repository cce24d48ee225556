"""The cost of each section of the panel in decibels, in the answers of finished runs on sounds whose patch is known.

For every run the true patch is played with one section of the found one (``costs``: what that section alone adds to the
floor), and the found patch with one section of the true one (``saves``: what would be gained by correcting only that
section). Then the found patch is played with the true sections one after another, costliest first: how many must be
right at once before it is closer. Distances are MSS at the best gain; the section ``level`` is the additional cost of
the found sound's own level.

The command makes the runs, keeps their results in ``--out`` and continues from there, or ``--records`` names a folder
of results of ``refine`` whose clips have the names of the golden files and the plug-in's own level. Golden rows are
those that are not held out, so that the results may guide further work; ``--held-out`` takes the others.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.common.best_gain import BestGainMss
from benchmarks.common.blame_report import report
from benchmarks.common.blame_row import LEVEL, BlameRow
from benchmarks.common.exchange import EXCHANGED, GATE, NOTE, Part, Played, exchanged, repairs
from benchmarks.common.kept_runs import Answer, Runs, budget_label
from benchmarks.common.rows import judging
from benchmarks.common.table import OK, Table, machine, one_line
from benchmarks.common.targets import (
    GOLDEN_SETS,
    PLAYED_SETS,
    Sound,
    check_counts,
    host_label,
    host_of,
    read_sounds,
)
from inference.options import Options
from render.errors import FileError, ReconstructError
from render.held_out import held_out
from render.instruments.host import EMBEDDED, Host
from render.measures.golden import read_rows
from render.measures.metrics import MssTarget
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.trials.sections import JOINED
from render.note import SAMPLE_RATE

GROUP = GOLDEN_SETS[0]
BLAMED_SETS = (GROUP, "prior", *PLAYED_SETS)
"""Target sets whose patches are known."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--set", choices=BLAMED_SETS, default=GROUP, help="target set (default: factory)")
    parser.add_argument("--golden", type=Path, metavar="DIR", help="golden renders: the set factory")
    parser.add_argument("--held-out", action="store_true", help="golden rows that are held out, not those that are not")
    parser.add_argument("--count", type=int, default=20, help="targets at most (default: 20)")
    parser.add_argument("--known-note", action="store_true", help="give the note instead of estimating it")
    parser.add_argument("--plugin", default=EMBEDDED, metavar="PATH|embedded")
    parser.add_argument("--seconds", type=float, default=60.0, help="budget of each run (default: 60)")
    parser.add_argument("--renders", type=int, metavar="N", help="budget in renders instead, as with refine")
    parser.add_argument("--steps", type=int, metavar="M", help="limit of descent steps beside --renders")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="of each run (default: 2)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="results of the runs; those in it are not made again")
    parser.add_argument("--records", type=Path, metavar="DIR", help="results of refine to look at; nothing is run")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="rows are appended; targets in it are skipped")
    parser.add_argument("--report-only", action="store_true", help="run nothing, print the rows of --csv")
    parser.add_argument("--list", action="store_true", help="also print the sections that cost most in every run")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    check_counts(arguments, "count", "workers")
    table = Table(BlameRow, arguments.csv)
    if not arguments.report_only:
        _fill(table, arguments)
    print(report(table.rows, each=arguments.list))
    return 0


def _fill(table: Table[BlameRow], arguments: argparse.Namespace) -> None:
    if (arguments.out is None) == (arguments.records is None):
        raise FileError("blame needs one of --out DIR (runs are made) and --records DIR (nothing is run)")
    options = Options(
        NOISEMAKER,
        where=arguments.plugin,
        seconds=None if arguments.renders is not None else arguments.seconds,
        renders=arguments.renders,
        steps=arguments.steps,
        seed=arguments.seed,
        workers=arguments.workers,
    )
    host = host_of(arguments.plugin)
    if arguments.set == GROUP:
        sounds = golden_sounds(arguments.golden, arguments.count, held_out_rows=arguments.held_out)
    else:
        sounds = read_sounds((arguments.set,), arguments.count, host)
    runs = Runs(arguments.out or arguments.records, options, new=arguments.out is not None)
    for number, sound in enumerate(sounds, start=1):
        rows = _rows(sound, runs, host, table, known_note=arguments.known_note)
        for row in rows:
            table.add(row)
        if rows:
            last = rows[-1]
            result = f"{last.found:6.2f} dB, floor {last.floor:.2f}" if last.status == OK else last.status
            print(f"{number:5d} {sound.name[:32]:32} {result}", flush=True)


def _rows(sound: Sound, runs: Runs, host: Host, table: Table[BlameRow], *, known_note: bool) -> list[BlameRow]:
    """The rows of one run, which is made where there is none; no rows where the table has them already."""
    blank = BlameRow(sound.set, sound.name, LEVEL, host_label(runs.options.where))
    try:
        answer = runs.kept(sound)
        given = answer.options if answer is not None else runs.asked
        blank = replace(
            blank, budget=budget_label(given), seed=given["seed"], machine=machine(), workers=given["workers"]
        )
        if table.done(blank.key):
            return []
        if answer is None:
            answer = runs.make(sound, known_note=known_note)
        seconds, renders, steps = answer.spent
        blank = replace(blank, machine=machine(), seconds=seconds, renders=renders, steps=steps)
        return list(blamed(sound, answer, host, blank))
    except ReconstructError as error:
        return [replace(blank, status=one_line(str(error)))]


def golden_sounds(golden: Path | None, count: int, *, held_out_rows: bool) -> list[Sound]:
    """The first golden factory rows, by the hash of their name, that are held out or that are not.

    Raises:
        FileError: if there is no folder, or it has no rows.
    """
    if golden is None:
        raise FileError(f"the target set {GROUP} needs --golden DIR")
    rows = [row for row in read_rows(golden) if held_out(row.name) == held_out_rows]
    return [
        Sound(GROUP, row.stem, row.audio(), row.note, row.patch, row.floor_mss)
        for row in judging(rows, count, held_out_only=False, group=GROUP)
    ]


def blamed(sound: Sound, answer: Answer, host: Host, blank: BlameRow) -> Iterator[BlameRow]:
    """The rows of one run: every section and group of sections, and the level last.

    Args:
        sound: golden render with its true patch.
        answer: result of the run.
        host: host that plays all patches.
        blank: fields that all rows share.

    Raises:
        HostError: if the host fails.
    """
    assert sound.patch is not None
    onset = round(answer.onset_seconds * SAMPLE_RATE)
    clip = sound.audio[:, onset : onset + answer.n_samples]
    target = BestGainMss(clip, SAMPLE_RATE)
    true, found = Played(sound.patch, sound.note, answer.onset_seconds), answer.played

    @functools.cache
    def distance(played: Played) -> float:
        return target.measure(played.render(host, answer.n_samples))[0]

    floor, near = distance(true), distance(found)
    blank = replace(blank, floor=floor, found=near)
    single: dict[str, float] = {}
    for section in (*EXCHANGED, *JOINED):
        parts = (Part.ALL,) if section in (NOTE, GATE) else tuple(Part)
        costs = {part: distance(exchanged(true, found, section, part)) - floor for part in parts}
        saves = {part: near - distance(exchanged(found, true, section, part)) for part in parts}
        single[section] = costs[Part.ALL]
        yield replace(
            blank,
            section=section,
            costs=costs[Part.ALL],
            costs_choices=costs.get(Part.CHOICES),
            costs_knobs=costs.get(Part.KNOBS),
            saves=saves[Part.ALL],
            saves_choices=saves.get(Part.CHOICES),
            saves_knobs=saves.get(Part.KNOBS),
        )
    own = MssTarget(clip, SAMPLE_RATE)
    true_audio, found_audio = (played.render(host, answer.n_samples) for played in (true, found))
    (_, true_gain), (_, found_gain) = target.measure(true_audio), target.measure(found_audio)
    off = np.float32(10.0 ** ((true_gain - found_gain) / 20.0))  # the true sound, off its best gain as the found one is
    costs_level = own.distance(true_audio * off) - floor
    saves_level = own.distance(found_audio) - near
    repaired = repairs(found, true, sorted(EXCHANGED, key=lambda section: -single[section]))
    path = ";".join(f"{section}:{distance(played):.3f}" for section, played in repaired)
    yield replace(blank, section=LEVEL, costs=costs_level, saves=saves_level, level_db=-found_gain, path=path)
