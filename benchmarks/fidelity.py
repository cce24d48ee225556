"""How close a host is to golden renders of the real plug-in: per group the distances, and the worst by name.

Every golden patch is played at its note, velocity and gate, and compared with the golden audio (times its ``gain``).
``docs/fidelity.md`` keeps the table that this prints.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.golden import read_golden
from render.errors import FileError, UnknownName
from render.files import replacing
from render.host import Audio, Host, open_host
from render.metrics import lsd, mss, side_mss, sot
from render.note import SAMPLE_RATE, Note
from render.patch import EnvelopePoint, Patch
from render.presets import read_programs
from render.table import NAMES

SILENT_PEAK = 0.001
"""Golden rows below it are left out (golden README)."""

FACTORY = "factory"
N_WORST = 5
N_PLOTS = 10


@dataclass(frozen=True, slots=True)
class Golden:
    """One golden render.

    Attributes:
        name: of its file, without folder and suffix.
        group: what it varies; ``factory`` for a factory preset.
        patch: what was played.
        note: how.
        floor_mss: MSS in dB between two renders of the plug-in itself.
        row: as stored.
    """

    name: str
    group: str
    patch: Patch
    note: Note
    floor_mss: float
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Score:
    """Distances of one render from its golden one; ``side`` where the golden one has two different sides."""

    golden: Golden
    mss: float
    lsd: float
    sot: float
    side: float | None
    level_db: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--host", default="embedded", metavar="HOST", help="embedded, or the path of a plug-in")
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR", help="the folder of golden renders")
    parser.add_argument("--bank", type=Path, metavar="FILE", help="preset bank with the factory's envelope points")
    parser.add_argument("--group", action="append", metavar="G", help="only this group; may be repeated")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write every row's distances")
    parser.add_argument("--plot", type=Path, metavar="DIR", help=f"draw the {N_PLOTS} worst as pairs of spectrograms")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    goldens = [golden for golden in read_goldens(arguments.golden, arguments.bank) if _audible(golden)]
    known = list(dict.fromkeys(golden.group for golden in goldens))
    for group in arguments.group or ():
        if group not in known:
            raise UnknownName("group", group, known)
    chosen = [golden for golden in goldens if not arguments.group or golden.group in arguments.group]
    host = open_host(arguments.host)
    try:
        scores = [score(golden, arguments.golden, host) for golden in chosen]
        print_table(scores)
        if arguments.csv is not None:
            write_csv(scores, arguments.csv)
        if arguments.plot is not None:
            for one in sorted(scores, key=lambda s: -s.mss)[:N_PLOTS]:
                _plot(one, arguments.golden, host, arguments.plot)
    finally:
        host.close()
    return 0


def read_goldens(folder: Path, bank: Path | None = None) -> list[Golden]:
    """All rows of a golden folder.

    Args:
        folder: with ``probes.jsonl`` and ``factory.jsonl`` (either may be missing) and ``base_patch.json``.
        bank: the factory presets as a file, for their envelope points; by default beside the folder, if it is there.

    Raises:
        FileError: if there is nothing to read.
    """
    bank = folder.parent / "presets" / "factory-bank-1.6.xml" if bank is None else bank
    points = {p.name.strip(): p.patch.points for p in read_programs(bank)} if bank.is_file() else {}
    try:
        base = json.loads((folder / "base_patch.json").read_text())
    except OSError as error:
        raise FileError(f"cannot read {folder / 'base_patch.json'}: {error.strerror or error}") from error
    goldens = []
    for file in ("probes.jsonl", "factory.jsonl"):
        if (folder / file).is_file():
            rows = map(json.loads, (folder / file).read_text().splitlines())
            goldens += [_golden(row, base, points) for row in rows]
    if not goldens:
        raise FileError(f"no golden renders in {folder}")
    return goldens


def _golden(
    row: Mapping[str, Any], base: Mapping[str, float], points: Mapping[str, tuple[EnvelopePoint, ...]]
) -> Golden:
    knobs = row["patch"] if "patch" in row else {**base, **row["changes"]}
    # A few probes were asked for knobs just above 1, which the plug-in limits.
    knobs = {name: min(max(float(knob), 0.0), 1.0) for name, knob in knobs.items() if name in NAMES}
    spline = tuple(EnvelopePoint(**point) for point in row.get("envelope_points", ()))
    return Golden(
        name=Path(row["file"]).stem,
        group=row.get("group", FACTORY),
        patch=Patch.from_knobs(knobs, spline or points.get(row.get("name", "").strip(), ())),
        note=Note(row["note"], row["velocity"], row["gate_seconds"], row["seconds"]),
        floor_mss=row["floor_mss"] or 0.0,
        row=row,
    )


def _audible(golden: Golden) -> bool:
    return bool(golden.row["peak"] >= SILENT_PEAK)


def _pair(golden: Golden, folder: Path, host: Host) -> tuple[Audio, Audio]:
    """The golden audio and the host's, both of shape ``(2, samples)``."""
    target = read_golden(folder, golden.row)
    if len(target) == 1:
        target = np.repeat(target, 2, axis=0)
    audio = host.render(golden.patch, golden.note)
    n_samples = min(target.shape[1], audio.shape[1])
    return target[:, :n_samples], audio[:, :n_samples]


def score(golden: Golden, folder: Path, host: Host) -> Score:
    """Play one golden patch and measure how far it is off.

    Args:
        golden: the patch.
        folder: where its audio lies.
        host: who plays it.
    """
    target, audio = _pair(golden, folder, host)
    energies = [float(np.mean(np.square(side.mean(0, dtype=np.float64)))) for side in (audio, target)]
    return Score(
        golden=golden,
        mss=mss(target, audio, SAMPLE_RATE),
        lsd=lsd(target, audio, SAMPLE_RATE),
        sot=sot(target, audio, SAMPLE_RATE),
        side=side_mss(target, audio, SAMPLE_RATE) if golden.row["channels"] == 2 else None,
        level_db=10.0 * float(np.log10((energies[0] + 1e-20) / (energies[1] + 1e-20))),
    )


def print_table(scores: Sequence[Score]) -> None:
    """One line per group, then all probes together; figures are medians and 90th percentiles, in dB (SOT in kHz)."""
    print(
        f"{'group':17s}{'count':>5s} {'MSS':>12s} {'floor':>6s} {'LSD':>12s} {'SOT':>12s} {'side MSS':>12s}"
        f" {'level':>12s}  worst"
    )
    for group in dict.fromkeys(one.golden.group for one in scores):
        _print_line(group, [one for one in scores if one.golden.group == group])
    blocks = [one for one in scores if one.golden.group not in ("whole", FACTORY)]
    if blocks:
        _print_line("all blocks", blocks)


def _print_line(title: str, scores: Sequence[Score]) -> None:
    worst = sorted(scores, key=lambda one: -one.mss)[:N_WORST]
    figures = [
        _figures(one.mss for one in scores),
        f"{np.median([one.golden.floor_mss for one in scores]):6.2f}",
        _figures(one.lsd for one in scores),
        _figures(one.sot for one in scores),
        _figures(one.side for one in scores if one.side is not None),
        _figures((abs(one.level_db) for one in scores), 0.95),
    ]
    names = ", ".join(f"{one.golden.name} {one.mss:.1f}" for one in worst)
    print(f"{title:17s}{len(scores):5d} {' '.join(figures)}  {names}", flush=True)


def _figures(values: Iterable[float], quantile: float = 0.9) -> str:
    """Median and a quantile."""
    listed = list(values)
    return f"{np.median(listed):5.2f} {np.quantile(listed, quantile):6.2f}" if listed else f"{'-':>12s}"


def write_csv(scores: Sequence[Score], path: Path) -> None:
    """One line per golden render."""
    with replacing(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["name", "group", "mss", "floor_mss", "lsd", "sot", "side_mss", "level_db"])
        for one in scores:
            side = "" if one.side is None else f"{one.side:.3f}"
            row = (one.mss, one.golden.floor_mss, one.lsd, one.sot)
            figures = [f"{value:.3f}" for value in row]
            writer.writerow([one.golden.name, one.golden.group, *figures, side, f"{one.level_db:.3f}"])


def _plot(one: Score, folder: Path, host: Host, out: Path) -> None:
    """Spectrograms of the golden render and the host's, one above the other."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pair = _pair(one.golden, folder, host)
    figure, axes = pyplot.subplots(2, 1, figsize=(9, 7), sharex=True, sharey=True, layout="constrained")
    top = None
    for axis, audio, title in zip(axes, pair, (one.golden.name, f"host: MSS {one.mss:.1f} dB"), strict=True):
        mono = audio.mean(0)
        top = 20.0 * np.log10(np.abs(mono).max() + 1e-9) - 30.0 if top is None else top
        with np.errstate(divide="ignore"):  # digital silence
            axis.specgram(mono, NFFT=1024, Fs=SAMPLE_RATE, noverlap=768, vmin=top - 90.0, vmax=top)
        axis.set_title(title)
        axis.set_ylabel("Hz")
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / f"{one.golden.name}.png", dpi=90)
    pyplot.close(figure)
