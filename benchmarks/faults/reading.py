"""Reading damaged files in a process of its own, which may crash, hang, print or eat memory."""

from __future__ import annotations

import multiprocessing
import os
import random
import tempfile
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from benchmarks.faults.commands import write_clip
from benchmarks.faults.mutations import damaged_audio, damaged_preset
from benchmarks.faults.rows import Count
from inference.clip.target import read_target
from render.errors import HostError, ReconstructError, one_line
from render.noisemaker.presets import parse_programs, read_programs, to_xml

SECONDS_PER_CASE = 120.0
"""A file that takes longer to read is a hang; the slowest takes a fraction of a second on an idle machine."""

_SECONDS_TO_START = 600.0

_PITCH_EVERY = 20  # files whose note is estimated too, which takes most of the time
_READY, _READ, _REFUSED = "ready", "read", "refused"


def audio_files(part: int, seed: int, count: int) -> Count:
    """Damaged audio files, each read as a clip of ``refine`` is."""
    return _cases("audio", part, seed, count)


def preset_files(part: int, seed: int, count: int) -> Count:
    """Damaged presets, each read as ``--start`` reads one, and written and read again."""
    return _cases("preset", part, seed, count)


def _cases(kind: str, part: int, seed: int, count: int) -> Count:
    total = Count(cases=count)
    waiting = list(range(part * count, (part + 1) * count))
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        while waiting:
            ours, theirs = context.Pipe()
            process = context.Process(target=_read_all, args=(theirs, kind, seed, waiting, folder), daemon=True)
            process.start()
            theirs.close()
            if not ours.poll(_SECONDS_TO_START) or ours.recv() != _READY:
                raise HostError("the process that reads files does not start")
            while waiting:
                if not ours.poll(SECONDS_PER_CASE):
                    total.hang(f"{kind} file {waiting[0]}")
                    break
                try:
                    outcome, printed, peak_mib = ours.recv()
                except EOFError:
                    process.join()
                    total.trace(f"{kind} file {waiting[0]}: the process ended with {process.exitcode}")
                    break
                number = waiting.pop(0)
                total.peak_mib = max(total.peak_mib, peak_mib)
                if printed:
                    total.printed += 1
                    total.failures.append(f"{kind} file {number} printed {printed!r}")
                if outcome.startswith("wrong"):
                    total.lose(f"{kind} file {number}: {outcome}")
                elif outcome not in (_READ, _REFUSED):
                    total.trace(f"{kind} file {number}: {outcome}")
            else:
                process.join()
                continue
            process.kill()
            process.join()
            waiting.pop(0)
    return total


def _read_all(connection: Connection, kind: str, seed: int, numbers: Sequence[int], folder: str) -> None:
    """Body of the process; for each file it sends the outcome, what was printed and the peak of memory in MiB."""
    with tempfile.TemporaryFile() as terminal:
        os.dup2(terminal.fileno(), 1)
        os.dup2(terminal.fileno(), 2)
        read_target(str(write_clip(Path(folder, "clip.wav"), random.Random(0))))
        connection.send(_READY)
        for number in numbers:
            before = os.fstat(2).st_size
            outcome = _outcome(kind, seed, number, Path(folder))
            printed = os.pread(2, 200, before)
            connection.send((outcome, printed, _peak_mib()))


def _outcome(kind: str, seed: int, number: int, folder: Path) -> str:
    try:
        (_audio_case if kind == "audio" else _preset_case)(seed, number, folder)
    except ReconstructError as error:
        return _REFUSED if "\n" not in str(error) else f"wrong: a message of several lines: {error}"
    except AssertionError as error:
        return f"wrong: {error}"
    except Exception as error:
        return one_line(error) if type(error) is not ValueError else f"ValueError: {error}"
    return _READ


def _audio_case(seed: int, number: int, folder: Path) -> None:
    suffix, content = damaged_audio(seed, number)
    path = folder / f"clip.{suffix}"
    path.write_bytes(content)
    try:
        target = read_target(path, note=None if number % _PITCH_EVERY == 0 else 60)
    finally:
        path.unlink()
    assert np.isfinite(target.audio).all(), "samples that are not finite"
    assert 0 < target.audio.shape[1] <= 4 * 44100, f"{target.audio.shape[1]} samples"
    assert 0.0 < target.note.gate_seconds <= target.note.seconds + 1e-9, f"gate {target.note.gate_seconds}"


def _preset_case(seed: int, number: int, folder: Path) -> None:
    path = folder / "preset.noisemakerpreset"
    path.write_bytes(damaged_preset(seed, number))
    programs = read_programs(path)
    again = parse_programs(to_xml(programs))
    assert [one.patch for one in again] == [one.patch for one in programs], "another patch after writing and reading"


def _peak_mib() -> float:
    """Largest memory of this process in MiB; ``getrusage`` would begin with that of the process that started it."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024.0
