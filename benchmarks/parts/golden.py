"""Make golden renders from a plug-in of your own, in the format that the tests and benchmarks read.

Writes ``factory.jsonl`` and ``factory/*.flac``: one row for each program of a bank, with ``floor_mss``, the MSS between
the render and a clean re-render with another seed and other phases. FLAC samples are scaled to a peak of 0.98: multiply
by ``gain``. With ``--against`` the renders are compared with those of another golden folder, by program name.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from render.audio import Audio
from render.errors import FileError, HostError
from render.files import replacing, write_csv, write_text
from render.hosts.pool import Pool
from render.instruments.instrument import Program
from render.instruments.patch import Patch
from render.noisemaker.plugin import ADAPTER
from render.noisemaker.presets import read_programs
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note

PEAK = 0.98
"""Peak of the samples in a FLAC file, which cannot store the plug-in's own level (with peaks up to 10)."""

MARGIN_DB = 0.2
"""A render with an MSS up to this much above the plug-in's own floor counts as the same."""

Job = tuple[Patch, Note]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--plugin", metavar="PATH", help="default: $NOISEMAKER_PLUGIN, else an installed plug-in")
    parser.add_argument("--presets", type=Path, required=True, metavar="BANK", help="a preset file or bank")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--note", type=int, default=60)
    parser.add_argument("--velocity", type=int, default=100)
    parser.add_argument("--gate", type=float, default=1.0, metavar="S")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--against", type=Path, metavar="DIR", help="a golden folder to compare with")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the rows of the comparison")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from render.hosts.plugin import check_plugin
    from render.instruments.host import EMBEDDED
    from render.noisemaker.hosts import choose_host

    where, _ = choose_host(arguments.plugin)
    if where == EMBEDDED:
        raise HostError("golden renders need the plug-in, and none was found; name one with --plugin")
    info = check_plugin(where, ADAPTER)
    programs = read_programs(arguments.presets)
    note = Note(arguments.note, arguments.velocity, arguments.gate, arguments.seconds)
    print(f"{info.name} {info.version}: {len(programs)} programs")
    rows = []
    with Pool(partial(make_worker, where), arguments.workers) as pool:
        results = pool.map((program.patch, note) for program in programs)
        for file, program, result in zip(_file_names(programs), programs, results, strict=True):
            if isinstance(result, HostError):
                print(f"{program.name}: {result}")
                continue
            audio, floor_mss = result
            rows.append(_write(arguments.out, file, program, note, audio, floor_mss))
    write_text(arguments.out / "factory.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    print(f"wrote {len(rows)} of {len(programs)} to {arguments.out}")
    if arguments.against is not None:
        host = f"{info.name} {info.version}, DawDreamer, {platform.system()} {platform.machine()}"
        compare(rows, arguments.out, arguments.against, arguments.csv, host)
    return 0 if len(rows) == len(programs) else 1


def make_worker(where: str) -> Callable[[Job], tuple[Audio, float]]:
    """A function that plays a patch twice, and returns the first clean render and the MSS in dB between both."""
    from render.hosts.plugin import PluginHost
    from render.measures.metrics import mss

    host = PluginHost(where, ADAPTER)

    def work(job: Job) -> tuple[Audio, float]:
        audio = host.render(*job)
        return audio, mss(audio, host.rendered_again(*job), SAMPLE_RATE) if audio.any() else 0.0

    return work


def compare(rows: Iterable[Mapping[str, Any]], folder: Path, reference: Path, table: Path | None, host: str) -> float:
    """Compare golden renders with those of the same names in another folder.

    Args:
        rows: rows of ``folder``.
        folder: folder of the renders to judge.
        reference: folder of the reference renders.
        table: CSV file to write, if any.
        host: description of the host that rendered ``folder``.

    Returns:
        Share of the rows whose MSS is at most the reference's ``floor_mss`` plus ``MARGIN_DB``.
    """
    from render.measures.metrics import mss

    try:
        lines = (reference / "factory.jsonl").read_text().splitlines()
    except OSError as error:
        raise FileError(f"cannot read {reference}: {error.strerror or error}") from error
    wanted = {row["name"]: row for row in map(json.loads, lines)}
    lists: list[list[object]] = []
    n_within = 0
    for row in rows:
        if row["name"] in wanted:
            other = wanted[row["name"]]
            distance = mss(read_golden(reference, other), read_golden(folder, row), SAMPLE_RATE)
            within = distance <= other["floor_mss"] + MARGIN_DB
            n_within += within
            figures = (f"{value:.3f}" for value in (distance, other["floor_mss"], row["floor_mss"]))
            lists.append([row["name"], *figures, int(within), int(row["uses_envelope_editor"])])
    if not lists:
        raise FileError(f"{reference} has no program in common with the bank")
    share = n_within / len(lists)
    print(f"{n_within} of {len(lists)} ({share:.1%}) within the reference's floor + {MARGIN_DB} dB of MSS")
    if table is not None:
        comment = [f"# {host}: {share:.1%} within floor_mss + {MARGIN_DB} dB"]
        head = ["name", "mss", "floor_mss", "own_floor_mss", "within", "uses_envelope_editor"]
        write_csv(table, [comment, head, *lists])
    return share


def read_golden(folder: Path, row: Mapping[str, Any]) -> Audio:
    """The audio of a row at the plug-in's own level, shape ``(channels, samples)``."""
    audio, _ = soundfile.read(folder / row["file"], dtype="float32", always_2d=True)
    return np.ascontiguousarray(audio.T * np.float32(row["gain"]))


def _file_names(programs: Iterable[Program]) -> list[str]:
    names: list[str] = []
    for program in programs:
        stem = re.sub(r"[^A-Za-z0-9]+", "_", program.name).strip("_") or "unnamed"
        name, n = stem, 1
        while name in names:
            n += 1
            name = f"{stem}_{n}"
        names.append(name)
    return [f"factory/{name}.flac" for name in names]


def _write(out: Path, file: str, program: Program, note: Note, audio: Audio, floor_mss: float) -> dict[str, Any]:
    peak = float(np.abs(audio).max())
    gain = peak / PEAK or 1.0
    channels = 1 if np.array_equal(audio[0], audio[1]) else 2
    with replacing(out / file) as temporary:
        soundfile.write(temporary, audio[:channels].T / gain, SAMPLE_RATE, subtype="PCM_16", format="FLAC")
    return {
        "file": file,
        "name": program.name,
        "note": note.number,
        "velocity": note.velocity,
        "gate_seconds": note.gate_seconds,
        "seconds": note.seconds,
        "gain": gain,
        "peak": peak,
        "channels": channels,
        "floor_mss": round(floor_mss, 3),
        "uses_envelope_editor": program.patch.sounds("envelopeeditoramount"),
        "patch": dict(zip(TABLE.names, program.patch.knobs, strict=True)),
    }
