"""Machines that run out of something: disk, memory."""

from __future__ import annotations

import contextlib
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.faults.commands import QUICK, Command, cases, problem_of, visible, write_clip
from benchmarks.faults.rows import Count

SET_BYTES = 1_500_000
"""Somewhat more than the results of one clip take."""

LARGE_BYTES = 200_000_000
_MOST_MIB = 3000.0
_LARGE = ("WAV", "W64 64", "WAV silence", "RF64 768000", "FLAC", "AIFF 4000", "cut", "hole", "zeros", "noise", "pipe")


def full_disks(part: int, seed: int, count: int) -> Count:
    """Runs whose disk is full at some write: of the first results, of later ones, of caches and temporary files."""
    total = Count()
    for number, choose, folder in cases("disk", part, seed, count):
        clip = write_clip(folder / "clip.wav", choose)
        disk = folder / "disk"
        disk.mkdir()
        again, everything = choose.random() < 0.5, choose.random() < 0.3
        room = choose.randrange(0, SET_BYTES)
        arguments = [clip, "--out", disk / "out", "--renders", 12, *QUICK, "--quiet"]
        with _small_disk(disk) as (resize, prepare):
            if again:
                Command(arguments, cwd=folder).end()
            resize(room)
            used = {"TMPDIR": str(disk), "XDG_CACHE_HOME": str(disk / "cache"), "HOME": str(disk)}
            ended = Command(arguments, cwd=folder, env=used if everything else {}, prepare=prepare).end()
            what = f"disk {number} with {room} bytes: exit code {ended.code}"
            ended.count(total, what)
            problem = problem_of(disk / "out", "clip") if again or visible(disk / "out") else None
            if not ended.explained or (problem is not None and not ended.hung):
                total.lose(f"{what}: {problem} {ended.said[-200:]}")
            elif ended.code == 0 and problem_of(disk / "out", "clip") is not None:
                total.lose(f"{what}: no results, and no error")
    return total


@contextlib.contextmanager
def _small_disk(disk: Path) -> Iterator[tuple[Callable[[int], None], Callable[[], None] | None]]:
    """A file system whose size can be set, or else a limit of the size of any file; yields what sets it."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    limit = [resource.RLIM_INFINITY]
    if mounted.returncode != 0:
        yield (
            lambda room: limit.__setitem__(0, room),
            lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit[0], limit[0])),
        )
        return

    def resize(room: int) -> None:
        used = sum(4096 * -(-path.stat().st_size // 4096) for path in disk.rglob("*"))
        subprocess.run(["mount", "-o", f"remount,size={used + room + 4096}", str(disk)], check=True)

    try:
        yield resize, None
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def little_memory(part: int, seed: int, count: int) -> Count:
    """Runs with a limit of address space, from too little for Python's libraries to nearly enough."""
    total = Count()
    for number, choose, folder in cases("memory", part, seed, count):
        clip = write_clip(folder / "clip.wav", choose)
        full = number % 3 == 2
        mib = choose.randrange(150, 6000 if full else 2000)
        stages = ("--stages", "guess,descend,search") if full else ()
        limits = (mib << 20, mib << 20)
        ended = Command(
            [clip, "--out", folder / "out", "--renders", 24, *QUICK, *stages, "--quiet"],
            cwd=folder,
            prepare=lambda limits=limits: resource.setrlimit(resource.RLIMIT_AS, limits),  # type: ignore[misc]
        ).end()
        what = f"{mib} MiB in run {number}: exit code {ended.code}"
        ended.count(total, what)
        problem = problem_of(folder / "out", "clip") if visible(folder / "out") else None
        if problem is not None or (ended.code == 0 and not visible(folder / "out")):
            total.lose(f"{what}: {problem}")
    return total


def large_files(part: int, seed: int, count: int) -> Count:
    """Files of 200 MB of many kinds, whose refinement may take 3 GB at the most."""
    total = Count()
    for number, _, folder in cases("large", part, seed, count):
        kind = _LARGE[number % len(_LARGE)]
        clip = folder / "clip"
        _write_large(clip, kind)
        arguments = [clip, "--out", folder / "out", "--renders", 8, *QUICK, "--quiet"]
        wrapper = ("sh", "-c", f'exec "$@" < {clip}', "sh") if kind == "pipe" else ()
        if kind == "pipe":
            arguments[0] = "/dev/stdin"
        ended = Command(arguments, cwd=folder, wrapper=wrapper).end()
        ended.count(total, f"200 MB: {kind}")
        if not ended.explained:
            total.lose(f"200 MB, {kind}: exit code {ended.code}: {ended.said[-200:]}")
        if ended.peak_mib > _MOST_MIB:
            total.lose(f"200 MB, {kind}: {ended.peak_mib:.0f} MiB")
    return total


def _write_large(path: Path, kind: str) -> None:
    rng = np.random.default_rng(len(kind))
    words = kind.split()
    if kind == "noise":
        path.write_bytes(rng.bytes(LARGE_BYTES))
    elif kind == "zeros":
        path.write_bytes(bytes(LARGE_BYTES))
    elif kind == "hole":  # a header, and nothing where the samples should be
        soundfile.write(path, np.zeros(8, np.int16), 44100, format="WAV", subtype="PCM_16")
        data = bytearray(path.read_bytes())
        data[4:8], data[40:44] = ((LARGE_BYTES + n).to_bytes(4, "little") for n in (36, 0))
        path.write_bytes(data)
        with path.open("r+b") as stream:
            stream.truncate(LARGE_BYTES)
    else:
        name = words[0] if words[0] in soundfile.available_formats() else "WAV"
        channels = 64 if kind == "W64 64" else 2
        rate = int(words[1]) if len(words) > 1 and words[1] not in ("64", "silence") else 44100
        with soundfile.SoundFile(path, "w", rate, channels, "PCM_16", format=name) as file:
            block = np.zeros((1 << 16, channels), np.int16)
            # FLAC packs silence a thousandfold: noise is what makes its file large.
            level = 0 if kind == "WAV silence" else 8000
            tone = (level * np.sin(0.03 * np.arange(len(block)))).astype(np.int16)[:, None]
            block += tone if name != "FLAC" else rng.integers(-8000, 8001, block.shape, np.int16)
            for _ in range(-(-LARGE_BYTES // block.nbytes)):
                file.write(block)
        if kind == "cut":
            with path.open("r+b") as stream:
                stream.truncate(LARGE_BYTES // 2)
