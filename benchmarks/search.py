"""Does the search earn its time? For each golden sound: the nearest library patch, ``refine``, and a cold search from
the default patch with the same budget.

Judged by the MSS of clean renders against the whole golden render, which no stage minimises.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path

import soundfile

from benchmarks.rows import GoldenRow, judging, read_rows
from inference.library import LibraryOpener, library_opener
from inference.pipeline import Match, Options, refine
from inference.search import METHODS
from inference.target import Target, read_target
from render.note import SAMPLE_RATE


@dataclass(frozen=True)
class Row:
    """One target. Distances are MSS in dB."""

    name: str
    method: str
    floor: float | None
    nearest: float
    refined: float
    cold: float | None
    seconds: float
    renders: int
    note_error: int
    gate_error: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR")
    parser.add_argument("--plugin", default="embedded", metavar="PATH|embedded")
    parser.add_argument("--count", type=int, default=20, help="number of factory renders, by name hash (default: 20)")
    parser.add_argument("--skip", type=int, default=0, help="leave the first of these out (to share the work)")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--renders", type=int, default=None)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--method", action="append", choices=list(METHODS), help="default: the command's own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--known-note", action="store_true", help="give the note instead of estimating it")
    parser.add_argument("--no-cold", action="store_true", help="leave the cold search out")
    parser.add_argument("--csv", type=Path)


def run(arguments: argparse.Namespace) -> int:
    """Print a row per target and the summary."""
    options = Options(
        where=arguments.plugin,
        seconds=None if arguments.renders else arguments.seconds,
        renders=arguments.renders,
        seed=arguments.seed,
        workers=arguments.workers,
    )
    open_library = library_opener(options.where, options.workers, lambda done, count: None)
    rows: list[Row] = []
    print(f"{'target':28} {'method':10} floor nearest refined   cold seconds renders", flush=True)
    for golden in judging(read_rows(arguments.golden), arguments.count)[arguments.skip :]:
        for method in arguments.method or [options.method]:
            row = _row(golden, replace(options, method=method), open_library, arguments)
            rows.append(row)
            if arguments.csv:  # again after each row: an interrupted run keeps what it has
                _write_csv(arguments.csv, rows)
            cold = f"{row.cold:6.2f}" if row.cold is not None else "     -"
            print(
                f"{row.name[:28]:28} {row.method:10} {row.floor or 0.0:5.2f} {row.nearest:7.2f} {row.refined:7.2f} "
                f"{cold} {row.seconds:7.1f} {row.renders:7d}",
                flush=True,
            )
    for method in arguments.method or [options.method]:
        _summarise(method, [row for row in rows if row.method == method])
    return 0


def _row(golden: GoldenRow, options: Options, open_library: LibraryOpener, arguments: argparse.Namespace) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.wav"
        soundfile.write(clip, golden.audio().T, SAMPLE_RATE, subtype="FLOAT")
        began = time.monotonic()
        note = golden.note.number if arguments.known_note else None
        target = read_target(clip, note=note, velocity=golden.note.velocity)
        analysis = time.monotonic() - began
    match = refine(target, options, open_library=open_library, analysis_seconds=analysis)
    cold = None if arguments.no_cold else refine(target, options, analysis_seconds=analysis)
    return Row(
        name=golden.name,
        method=options.method,
        floor=golden.floor_mss,
        nearest=_library_mss(match),
        refined=match.stages[-1].best.mss,
        cold=None if cold is None else cold.stages[-1].best.mss,
        seconds=match.seconds,
        renders=match.renders,
        note_error=target.note.number - golden.note.number,
        gate_error=_gate_error(target, golden),
    )


def _library_mss(match: Match) -> float:
    return match.stages[0].best.mss


def _gate_error(target: Target, golden: GoldenRow) -> float:
    return target.note.gate_seconds - min(golden.note.gate_seconds, target.note.seconds)


def _summarise(method: str, rows: list[Row]) -> None:
    gains = [row.nearest - row.refined for row in rows]
    seconds = [row.seconds for row in rows]
    print(f"\n{method}: {len(rows)} targets, {os.cpu_count()} cores")
    print(
        f"  median MSS: nearest {_median(r.nearest for r in rows):.2f}, refined {_median(r.refined for r in rows):.2f}"
    )
    print(f"  refined beats nearest by a median of {statistics.median(gains):.2f} dB")
    colds = [(row.cold, row.refined) for row in rows if row.cold is not None]
    if colds:
        won = sum(refined < cold for cold, refined in colds)
        print(
            f"  refined beats the cold search on {won} of {len(colds)} (cold median {_median(c for c, _ in colds):.2f})"
        )
    print(
        f"  seconds: {min(seconds):.1f} to {max(seconds):.1f}; renders: median {_median(r.renders for r in rows):.0f}"
    )


def _median(values: object) -> float:
    return float(statistics.median(values))  # type: ignore[arg-type]


def _write_csv(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([field.name for field in fields(Row)])
        writer.writerows([getattr(row, field.name) for field in fields(Row)] for row in rows)
