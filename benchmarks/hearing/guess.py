"""The distance of the networks' proposals from held-out golden factory renders, and how often their pitch is right.

Each golden render is used as a clip of unknown note, gate and level. The network's proposals are rendered, matched in
level and ranked by the search distance, as in the pipeline; clean renders are judged by MSS. ``best`` is the proposal
that ranks first, ``best_of_8`` the closest by MSS of the first eight, and ``unranked`` the most likely according to the
network, without any render.

A row is clearly pitched if the confidence of the note estimator (``inference/clip/pitch.py``) is at least ``CLEAR`` on
the golden render; the pitch of a guess is the estimate for its render.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from benchmarks.common.rows import judging
from benchmarks.common.targets import Sound, read_sound
from inference.clip.target import Target
from inference.evaluate import with_gain
from render.audio import Audio
from render.files import write_csv
from render.hosts.pool import Pool
from render.instruments.host import Host
from render.instruments.patch import Patch
from render.measures.distance import TargetDistance
from render.measures.golden import GoldenRow, read_rows
from render.measures.metrics import MssTarget
from render.noisemaker.hosts import open_host
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note

CLEAR = 0.2
N_BEST = 8

_FAMILIES = {"LP": "low-pass", "HP": "high-pass", "BP": "band-pass", "No": "notch", "Mo": "Moog"}


@dataclass(frozen=True)
class Row:
    """One golden render. Distances are MSS in dB; seconds are processor time."""

    name: str
    group: str
    note: int
    estimated_note: int
    floor: float | None
    unranked: float
    best: float
    best_of_8: float
    regression: float
    confidence: float
    pitch_error: float | None
    network_seconds: float
    ranking_seconds: float


@dataclass(frozen=True)
class Found:
    """A row, the true patch and the best guess."""

    row: Row
    truth: Patch
    guess: Patch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR")
    parser.add_argument("--plugin", default="embedded", metavar="PATH|embedded", help="host that renders the guesses")
    parser.add_argument(
        "--count", type=int, default=1000, metavar="N", help="number of held-out golden factory rows (default: all)"
    )
    parser.add_argument(
        "--whole", type=int, default=1000, metavar="N", help="number of golden whole rows, for the pitch (default: all)"
    )
    add_network_arguments(parser)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--csv", type=Path)


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for the network and its proposals."""
    parser.add_argument(
        "--guesses", type=int, default=48, metavar="K", help="number of proposals that are rendered and ranked"
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="weights of the network (default: the package's own)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    rows = read_rows(arguments.golden)
    factory = judging(rows, arguments.count)
    whole = judging(rows, arguments.whole, held_out_only=False, group="whole")
    jobs = [*factory, *whole]
    worker = functools.partial(_Worker, functools.partial(open_host, arguments.plugin), arguments.guesses)
    with Pool(functools.partial(worker, arguments.weights), arguments.workers) as pool:
        results = list(pool.map(jobs))
    found = [result for result in results if isinstance(result, Found)]
    if arguments.csv:
        write_csv(arguments.csv, [[field.name for field in fields(Row)], *(_cells(one.row) for one in found)])
    print(f"{arguments.guesses} guesses ranked; {len(jobs) - len(found)} of {len(jobs)} rows failed")
    _print_distances([one.row for one in found if one.row.group == "factory"])
    if whole:
        _print_pitch([one.row for one in found if one.row.group == "whole"])
    _print_choices([one for one in found if one.row.group == "factory"])
    return 0


class _Worker:
    """Function of a worker process, with its host and both networks."""

    def __init__(self, make_host: Callable[[], Host], guesses: int, weights: Path | None) -> None:
        import torch

        from inference.network.proposals import Guesser, Regression

        torch.set_num_threads(1)
        self._host, self._guesses = make_host(), guesses
        self._guesser, self._regression = Guesser.load(weights), Regression.load()

    def __call__(self, golden: GoldenRow) -> Found:
        target = _target(golden)
        mss = MssTarget(target.audio, SAMPLE_RATE)

        def judged(patch: Patch, note: Note) -> tuple[float, Audio]:
            audio = self._host.render(patch, note)
            return mss.distance(audio), audio

        began = time.process_time()
        proposals = self._guesser.propose(target, count=self._guesses)
        proposed = time.process_time()
        in_order = ranked(self._host, target, [(proposal.patch, proposal.note) for proposal in proposals])
        ended = time.process_time()
        ranked_first = [judged(patch, note) for patch, note in in_order[:N_BEST]]
        first = ranked(self._host, target, [(proposals[0].patch, proposals[0].note)])[0]
        plain = self._regression.propose(target, count=1)[0]
        pitch_error, confidence = _pitch_error(target.audio, ranked_first[0][1])
        row = Row(
            name=golden.name,
            group=golden.group,
            note=golden.note.number,
            estimated_note=target.note.number,
            floor=golden.floor_mss,
            unranked=judged(*first)[0],
            best=ranked_first[0][0],
            best_of_8=min(distance for distance, _ in ranked_first),
            regression=judged(*ranked(self._host, target, [(plain.patch, plain.note)])[0])[0],
            confidence=confidence,
            pitch_error=pitch_error,
            network_seconds=proposed - began,
            ranking_seconds=ended - proposed,
        )
        return Found(row, golden.patch, in_order[0][0])


def ranked(host: Host, target: Target, guesses: Iterable[tuple[Patch, Note]]) -> list[tuple[Patch, Note]]:
    """Guesses in order of their distance, with their volume knobs set to match the target's level.

    Args:
        host: host that renders them.
        target: what they are compared with.
        guesses: patches and the notes that they are played with.
    """
    distance = TargetDistance(target.audio)
    measured = []
    for patch, note in guesses:
        loss, gain = distance.measure(host.render(patch, note, clean=False))
        measured.append((loss, with_gain(patch, gain), note))
    return [(patch, note) for _, patch, note in sorted(measured, key=lambda one: one[0])]


def _target(golden: GoldenRow) -> Target:
    """The golden render, read from a file as ``refine`` does."""
    return read_sound(Sound(golden.group, golden.stem, golden.audio(), golden.note))[0]


def _pitch_error(target: Audio, guess: Audio) -> tuple[float | None, float]:
    """Semitones from the target's pitch to the guess's, if both have one, and the confidence of the target's."""
    from inference.clip.pitch import estimate_note

    wanted = estimate_note(target.mean(axis=0), SAMPLE_RATE)
    if wanted.frequency_hz is None or not guess.any():
        return None, wanted.confidence
    found = estimate_note(guess.mean(axis=0), SAMPLE_RATE)
    if found.frequency_hz is None:
        return None, wanted.confidence
    return 12.0 * float(np.log2(found.frequency_hz / wanted.frequency_hz)), wanted.confidence


def _print_distances(rows: list[Row]) -> None:
    print(f"\n{len(rows)} held-out factory renders, MSS in dB")
    for name in ("unranked", "best", "best_of_8", "regression", "floor"):
        values = [value for row in rows if (value := getattr(row, name)) is not None]
        low, median, high = np.quantile(values, (0.25, 0.5, 0.75))
        print(f"  {name:12} median {median:5.2f}  quartiles {low:5.2f} {high:5.2f}")
    better = sum(row.best < row.regression for row in rows)
    alone = sum(row.unranked < row.regression for row in rows)
    print(f"  better than regression: {better / len(rows):.0%} ranked, {alone / len(rows):.0%} unranked")
    network = statistics.median(row.network_seconds for row in rows)
    ranking = statistics.median(row.ranking_seconds for row in rows)
    print(f"  seconds of one core: network {network:.2f}, renders and ranking {ranking:.2f}")


def _print_pitch(rows: list[Row]) -> None:
    clear = [row for row in rows if row.confidence >= CLEAR]
    errors = [row.pitch_error for row in clear]
    right = sum(error is not None and abs(error) <= 1.0 for error in errors)
    octaves = sum(
        error is not None and abs(error) > 1.0 and abs(error - 12.0 * round(error / 12.0)) <= 1.0 for error in errors
    )
    print(f"\n{len(clear)} of {len(rows)} whole rows are clearly pitched (confidence {CLEAR} or more); best guess:")
    print(f"  within a semitone {right / len(clear):.0%}, octaves off {octaves / len(clear):.0%}")


def _print_choices(found: list[Found]) -> None:
    """Print the balanced accuracy of choices that are audible in the true patch: the mean of the recalls."""
    right: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        for name, truth, guess in _choices(one.truth, one.guess):
            right[name][truth].append(truth == guess)
    print("\nbalanced accuracy of the best guess, chance, number of true choices and rows")
    for name, by_choice in right.items():
        if len(by_choice) > 1:
            accuracy = statistics.mean(statistics.mean(map(float, hits)) for hits in by_choice.values())
            count = sum(len(hits) for hits in by_choice.values())
            print(f"  {name:24} {accuracy:4.0%}  {1 / len(by_choice):4.0%}  {len(by_choice):2}  {count:3}")


def _choices(truth: Patch, guess: Patch) -> Iterable[tuple[str, str, str]]:
    families = [_FAMILIES[patch.choice("filtertype")[:2]] for patch in (truth, guess)]
    yield "filter family", families[0], families[1]
    for name in ("osc1volume", "osc2volume", "osc3volume", "ringmodulation", "osc2fm", "delaywet", "reverbwet"):
        yield f"{name} on", str(truth[name] > 0.0), str(guess[name] > 0.0)
    for row in TABLE.parameters:
        if row.discrete and truth.sounds(row.name):
            yield row.name, truth.choice(row.name), guess.choice(row.name)


def _cells(row: Row) -> list[object]:
    values = (getattr(row, field.name) for field in fields(Row))
    return [round(value, 4) if isinstance(value, float) else value for value in values]
