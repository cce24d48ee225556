"""Note estimators on golden renders of the real plug-in.

The frames of each estimator go through the same vote (``inference.clip.pitch.vote``), over its own frequency range.
Estimates are compared with the pitches of the patch: note + transposition + coarse, fine and master tune for each
oscillator that is not noise and at most 30 dB below the loudest; two octaves below the note for the sub, and for
oscillators that are synced to it. Rows without such an oscillator are left out of the shares. A row is *plain* if it
has no noise oscillator, pitch modulation, sync, FM or ring modulation.

Only ``estimate_note`` has a threshold for "unpitched"; the others give an estimate if they have a frame.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.hearing.pitch_estimators import ESTIMATORS, SLOW, Estimator, Mono
from render.errors import UnknownName
from render.instruments.patch import Patch
from render.measures.golden import GoldenRow, read_rows
from render.noisemaker.curves import log20

AUDIBLE_DB = 30.0
"""Level below the loudest oscillator, from the volume knobs, down to which one counts."""
TOLERANCE_SEMITONES = 1.0
COLUMNS = ("any", "lowest", "octave", "wrong", "none", "class")


@dataclass(frozen=True)
class Case:
    """A clip, and the pitches of its patch as MIDI note numbers in ascending order."""

    mono: Mono
    note: int
    pitches: tuple[float, ...]
    plain: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR", help="folder of golden renders")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help=f"an estimator; may be repeated: {', '.join(ESTIMATORS)}"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    names = arguments.only or [name for name in ESTIMATORS if name not in SLOW]
    for name in names:
        if name not in ESTIMATORS:
            raise UnknownName("estimator", name, ESTIMATORS)
    rows = [row for row in read_rows(arguments.golden) if row.group in ("whole", "factory") and row.audible]
    sets = {group: [make_case(row) for row in rows if row.group == group] for group in ("whole", "factory")}
    for group, cases in sets.items():
        pitched = [case for case in cases if case.pitches]
        n_plain = sum(case.plain for case in pitched)
        print(f"{group}: {len(cases)} clips, {len(pitched)} with a pitch, {n_plain} of them plain")
    print(f"{'':22}{'set':16}{'clips':>6}" + "".join(f"{column:>8}" for column in COLUMNS) + f"{'CPU s':>8}")
    for name in names:
        try:
            estimator = ESTIMATORS[name]()
        except ImportError:
            print(f"{name:22}not installed")
            continue
        for group, cases in sets.items():
            _print_rows(name, group, cases, estimator)
    print("per cent of the clips with a pitch; any, lowest: within a semitone of any, the lowest sounding pitch;")
    print("octave: only its octave is wrong; none: no answer; class: pitch class of the played note; CPU s: median")
    return 0


def _print_rows(name: str, group: str, cases: Sequence[Case], estimator: Estimator) -> None:
    if not cases:
        return
    estimator(cases[0].mono)  # the first call may compile
    answers, seconds = [], []
    for case in cases:
        start = time.process_time()
        answers.append(estimator(case.mono))
        seconds.append(time.process_time() - start)
    judged = [(case, answer) for case, answer in zip(cases, answers, strict=True) if case.pitches]
    for label, part in ((group, judged), (f"{group}, plain", [pair for pair in judged if pair[0].plain])):
        shares = score(part)
        figures = "".join(f"{shares[column]:8.1f}" for column in COLUMNS)
        print(f"{name:22}{label:16}{len(part):6}{figures}{np.median(seconds):8.3f}", flush=True)
    silent = [answer for case, answer in zip(cases, answers, strict=True) if not case.pitches]
    if silent and name == "estimate_note":
        n_none = sum(answer is None for answer in silent)
        print(f"{name:22}{group}, no pitched oscillator: {n_none} of {len(silent)} called unpitched")


def score(answers: Sequence[tuple[Case, float | None]]) -> dict[str, float]:
    """The values of ``COLUMNS`` in per cent."""
    counts: Counter[str] = Counter()
    for case, pitch in answers:
        if pitch is None:
            counts["none"] += 1
            continue
        away = pitch - np.array(case.pitches)
        hit = bool((np.abs(away) <= TOLERANCE_SEMITONES).any())
        folded = bool((np.abs(away - 12.0 * np.round(away / 12.0)) <= TOLERANCE_SEMITONES).any())
        counts["any"] += hit
        counts["lowest"] += bool(abs(away[0]) <= TOLERANCE_SEMITONES)
        counts["octave"] += folded and not hit
        counts["wrong"] += not folded
        counts["class"] += (round(pitch) - case.note) % 12 == 0
    return {column: 100.0 * counts[column] / max(len(answers), 1) for column in COLUMNS}


def make_case(row: GoldenRow) -> Case:
    """The clip of a golden row, mixed to mono, and its pitches."""
    pitches = sounding_pitches(row.patch, row.note.number)
    return Case(row.audio().mean(axis=0), row.note.number, pitches, _plain(row.patch))


def sounding_pitches(patch: Patch, note: int) -> tuple[float, ...]:
    """Pitches of the audible oscillators, as MIDI note numbers in ascending order."""
    volumes = [log20(patch[f"osc{k}volume"]) for k in (1, 2, 3)]
    floor = max(volumes) * 10.0 ** (-AUDIBLE_DB / 20.0)
    audible = [volume > floor for volume in volumes]
    key = note + 12 * (patch.index("transpose") - 1) + 2.0 * patch["oscmastertune"] - 1.0
    pitches = set()
    for k in (1, 2):
        waveform = patch.choice(f"osc{k}waveform")
        if audible[k - 1] and waveform != "noise":
            pitches.add(key + patch.index(f"osc{k}tune") - 24 + 2.0 * patch[f"osc{k}finetune"] - 1.0)
            if patch.index("oscsync") and waveform != "sine":
                pitches.add(key - 24)
    if audible[2]:
        pitches.add(key - 24)
    return tuple(sorted(pitches))


def _plain(patch: Patch) -> bool:
    noisy = any(patch.choice(f"osc{k}waveform") == "noise" and patch[f"osc{k}volume"] > 0.0 for k in (1, 2))
    to_pitch = (
        ("lfo1destination", "lfo1amount", 0.5),
        ("lfo2destination", "lfo2amount", 0.5),
        ("freeaddestination", "freeadamount", 0.5),
        ("envelopeeditordest1", "envelopeeditoramount", 0.0),
    )
    modulated = any(
        patch.choice(destination) in ("osc1", "osc2", "osc1&2", "fm", "ring mod") and abs(patch[amount] - inert) > 0.05
        for destination, amount, inert in to_pitch
    )
    mixed = patch.index("oscsync") or patch["ringmodulation"] > 0.02 or patch["osc2fm"] > 0.02
    return not (noisy or modulated or mixed)
