"""Synths without a gradient at equal numbers of renders: ``refine`` beside a cold search, on draws of their own priors
or on clips.

Draws come from a seed that nothing else uses (``--seed`` names another one, for development), are played with another
seed of the synth's random generators, and are matched with their true note and gate. ``MSS`` is that of a clean render;
``floor`` is that of the true patch, ``best gain`` the MSS after the levels have been matched. The budget is in renders,
so that a busy machine does not matter; a synth with a gradient gets as many descent steps. ``--presets`` measures
another program's answers to the same clips.
"""

from __future__ import annotations

import argparse
import functools
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path

import numpy as np

from benchmarks.common.best_gain import BestGainMss
from benchmarks.common.table import OK, Table, one_line
from benchmarks.common.targets import PRIOR_SEED, TARGET_SEED, check_counts
from inference.candidate import Candidate
from inference.clip.focus import Focus
from inference.clip.target import Target, read_target
from inference.evaluate import Evaluator
from inference.methods import DEFAULT_METHOD, METHODS, Phase
from inference.options import Options
from inference.pipeline import refine
from inference.stages.library import library_opener
from render.audio import audio_files
from render.command_line import add_synth_arguments
from render.data.accept import refusal
from render.errors import ReconstructError
from render.instruments.host import Host
from render.instruments.instrument import Instrument
from render.instruments.patch import Patch
from render.measures.loudness import EqualLoudnessMss
from render.measures.metrics import MssTarget
from render.note import SAMPLE_RATE, Note
from render.synths import synth

REFINE, PRESETS = "refine", "presets"
COLD: Mapping[str, str] = {"cold DE": "TwoPointsDE", "cold random": "RandomSearch"}
"""Searches from the default patch alone, with their optimisers."""

_OCTAVES = (0, -12, 12, -24, 24)
"""Semitones from the clip's key at which another program's presets are played; the closest counts."""


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        synth: name of the synth.
        target: the draw's number, or the clip's name.
        method: ``refine``, one of ``COLD``, or ``presets``.
        renders: budget in renders.
        floor: MSS of the true patch in dB; None for a clip.
        after_start: MSS of the best starting point.
        mss: MSS of the match.
        best_gain: MSS of the match at the best gain.
        status: ``ok``, or why the run failed.
    """

    synth: str
    target: str
    method: str
    renders: int
    floor: float | None = None
    after_start: float | None = None
    mss: float | None = None
    best_gain: float | None = None
    status: str = OK

    @property
    def key(self) -> tuple[object, ...]:
        """Identifies the run."""
        return (self.synth, self.target, self.method, self.renders)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_synth_arguments(parser)
    parser.add_argument("--count", type=int, default=20, help="number of draws (default: 20)")
    parser.add_argument("--seed", type=int, default=PRIOR_SEED, metavar="N", help="seed of the draws")
    parser.add_argument("--clips", type=Path, metavar="DIR", help="match the clips of a folder instead of draws")
    parser.add_argument(
        "--ends", type=_ends, default={}, metavar="CLIP=SECONDS,...", help="where the first sound of a clip ends"
    )
    parser.add_argument("--presets", type=Path, metavar="DIR", help="measure presets that have the names of the clips")
    parser.add_argument("--renders", type=int, default=1000, metavar="N", help="budget (default: 1000)")
    parser.add_argument("--methods", default=REFINE, metavar="A,B", help=f"of {', '.join((REFINE, *COLD))}")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="file that rows are appended to; its rows are skipped")
    parser.add_argument("--breadth", action="store_true", help="only describe the draws of the prior")
    parser.add_argument("--speed", action="store_true", help="only compare evaluations with bare renders")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    check_counts(arguments, "count", "renders")
    instrument = synth(arguments.synth, arguments.plugin)
    where, _ = instrument.hosts.choose_host(arguments.plugin)
    if arguments.breadth:
        print(breadth(instrument))
        return 0
    if arguments.speed:
        print(speed(instrument, where, arguments.renders))
        return 0
    table = Table(Row, arguments.csv)
    title = instrument.title
    methods = (PRESETS,) if arguments.presets is not None else arguments.methods.split(",")
    for name, target, patch, note in _targets(arguments, instrument, where):
        for method in methods:
            blank = Row(title, name, method, arguments.renders)
            if table.done(blank.key):
                continue
            if arguments.presets is not None:
                row = _preset(blank, instrument, where, target, arguments.presets)
            else:
                row = _measured(blank, instrument, where, target, patch, note)
            table.add(row)
            print(f"{title:8} {name:20} {method:12} {_text(row)}", flush=True)
    print(summary([row for row in table.rows if row.synth == title and row.renders == arguments.renders]))
    return 0


def _targets(
    arguments: argparse.Namespace, instrument: Instrument, where: str
) -> Iterator[tuple[str, Target, Patch | None, Note | None]]:
    if arguments.clips is not None:
        for clip in audio_files(arguments.clips)[: arguments.count]:
            end = arguments.ends.get(clip.stem)
            yield clip.stem, read_target(clip, focus=Focus(None if end is None else (0.0, end))), None, None
        return
    host = instrument.hosts.open_host(where)
    for index, patch, note in islice(draws(instrument, host, arguments.seed), arguments.count):
        audio = host.render(patch, note, seed=TARGET_SEED)
        yield f"draw {index}", Target(f"draw {index}", audio, note, True, True, 0.0), patch, note


def draws(instrument: Instrument, host: Host, seed: int = PRIOR_SEED) -> Iterator[tuple[int, Patch, Note]]:
    """The draws of a prior with a seed, by default the held-out ones, that are accepted, with their numbers."""
    assert instrument.prior is not None
    for index in count():
        for attempt in count():
            patch, note = instrument.prior.draw(seed, index, attempt)
            if refusal(host.render(patch, note, seed=TARGET_SEED)) is None:
                yield index, patch, note
                break


def _measured(
    blank: Row, instrument: Instrument, where: str, target: Target, patch: Patch | None, note: Note | None
) -> Row:
    cold = blank.method != REFINE
    method = DEFAULT_METHOD
    if cold:
        METHODS.setdefault(blank.method, (Phase(COLD[blank.method]),))
        method, instrument = blank.method, replace(instrument, starts=None)
    options = Options(
        instrument, where=where, seconds=None, renders=blank.renders, steps=blank.renders, workers=1, method=method
    )
    make_host = functools.partial(instrument.hosts.open_host, where)
    opener = None if cold else library_opener(instrument, make_host, workers=1, progress=lambda done, wanted: None)
    try:
        match = refine([target], options, open_library=opener)
    except ReconstructError as error:
        return replace(blank, status=one_line(str(error)))
    judge = MssTarget(target.audio, SAMPLE_RATE)
    floor = None
    if patch is not None and note is not None:
        host = instrument.hosts.open_host(where)
        floor = judge.distance(host.render(patch, note))
        host.close()
    best_gain, _ = BestGainMss(target.audio, SAMPLE_RATE).measure(match.best[0].audios[0])
    mss = match.best[0].mss
    return replace(blank, floor=floor, after_start=match.stages[0].best.mss, mss=mss, best_gain=best_gain)


def _preset(blank: Row, instrument: Instrument, where: str, target: Target, folder: Path) -> Row:
    """Another program's preset for a clip, played at the key's octave that suits it best."""
    (program,) = instrument.presets.read_programs(folder / f"{blank.target}{instrument.presets.SUFFIX}")
    host = instrument.hosts.open_host(where)
    notes = [replace(target.note, number=target.note.number + octave) for octave in _OCTAVES]
    audios = [host.render(program.patch, note) for note in notes]
    equal, best = EqualLoudnessMss([target.audio], SAMPLE_RATE), BestGainMss(target.audio, SAMPLE_RATE)
    host.close()
    mss = min(equal.measure([audio])[0] for audio in audios)
    return replace(blank, mss=mss, best_gain=min(best.measure(audio)[0] for audio in audios))


def _ends(text: str) -> dict[str, float]:
    """Times by clip, as in ``a=0.5,b=1``."""
    try:
        return {name: float(seconds) for name, _, seconds in (pair.partition("=") for pair in text.split(","))}
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: CLIP=SECONDS,...") from error


def _text(row: Row) -> str:
    if row.mss is None:
        return row.status
    start = "" if row.after_start is None else f"{row.after_start:.2f} -> "
    floor = "" if row.floor is None else f", floor {row.floor:.2f}"
    return f"MSS {start}{row.mss:.2f} dB{floor}, {row.best_gain:.2f} at the best gain"


def summary(rows: list[Row]) -> str:
    """Medians of each method, and on how many targets ``refine`` is closer."""
    lines = []
    ours = {row.target: row.mss for row in rows if row.method == REFINE and row.mss is not None}
    for method in dict.fromkeys(row.method for row in rows):
        done = [row for row in rows if row.method == method and row.mss is not None]
        if not done:
            continue
        mss = np.array([row.mss for row in done], float)
        low, median, high = np.quantile(mss, (0.25, 0.5, 0.75))
        text = f"{method}: {len(done)} targets, median MSS {median:.2f} dB (quartiles {low:.2f}, {high:.2f})"
        fallen = [1.0 - row.mss / row.after_start for row in done if row.mss is not None and row.after_start]
        if fallen:
            text += f"; start to end falls by {np.median(fallen):.0%} (median)"
        floors = [row.mss - row.floor for row in done if row.mss is not None and row.floor is not None]
        if floors:
            text += f"; within 3 dB of the floor on {np.mean(np.array(floors) <= 3.0):.0%}"
        ahead = [row.mss - ours[row.target] for row in done if row.mss is not None and row.target in ours]
        if method != REFINE and ahead:
            share = np.mean(np.array(ahead) > 0.0)
            text += f"; refine is closer on {share:.0%}, by {np.median(ahead):.2f} dB (median)"
        lines.append(text)
    return "\n".join(lines)


def breadth(instrument: Instrument, n_draws: int = 200) -> str:
    """How many parameters the prior moves, and the entropy of each choice."""
    assert instrument.prior is not None
    patches = [instrument.prior.draw(PRIOR_SEED, index, 0)[0] for index in range(n_draws)]
    default, table = instrument.table.default, instrument.table
    moved = [len(default.diff(patch)) for patch in patches]
    ever = {name for patch in patches for name in default.diff(patch)}
    audible = [sum(patch.sounds(name) for name in table.names) for patch in patches]
    lines = [
        f"{len(ever)} of {len(table.names)} parameters move in {n_draws} draws; in one draw {np.median(moved):.0f} "
        f"(median) differ from the default, and {np.median(audible):.0f} are audible"
    ]
    entropies = {}
    for row in table.parameters:
        values = Counter(patch.index(row.name) for patch in patches if patch.sounds(row.name)) if row.discrete else {}
        total = sum(values.values())
        if total >= 20:
            entropies[row.name] = -sum(n / total * math.log2(n / total) for n in values.values())
    lines.append("entropy in bits of each choice, where it is audible:")
    lines += [f"  {name} {bits:.2f}" for name, bits in sorted(entropies.items(), key=lambda pair: -pair[1])]
    return "\n".join(lines)


def speed(instrument: Instrument, where: str, renders: int) -> str:
    """Evaluations per second of one worker relative to bare renders of the same patches."""
    host = instrument.hosts.open_host(where)
    note = Note(57, 100, 1.0, 2.0)
    settle = instrument.settle or (lambda patch: patch)
    patches = [settle(patch) for _, patch, _ in islice(draws(instrument, host), 4)]
    target = Target("target", host.render(patches[0], note), note, True, True, 0.0)
    cycle = [patches[k * len(patches) // renders] for k in range(renders)]  # neighbours share their wavetables
    began = time.perf_counter()
    for patch in cycle:
        host.render(patch, note, clean=False)
    bare = time.perf_counter() - began
    with Evaluator([target], functools.partial(instrument.hosts.open_host, where), workers=1) as evaluator:
        evaluator.wait_ready()
        evaluator.measure([Candidate(patch, note) for patch in patches])
        began = time.perf_counter()
        evaluator.measure([Candidate(patch, note) for patch in cycle])
        evaluated = time.perf_counter() - began
    return (
        f"{renders / bare:.1f} bare renders of 2 s and {renders / evaluated:.1f} evaluations per second: "
        f"{bare / evaluated:.0%}"
    )
