"""Unusual machines and users: jumping clocks, several runs in one folder, read-only installations, other locales."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.commands import (
    QUICK,
    ROOT,
    SECONDS_PER_RUN,
    Command,
    Ended,
    cases,
    failure_of,
    problem_of,
    records,
    write_clip,
)
from benchmarks.faults.mutations import damaged_audio
from benchmarks.faults.rows import Count

_JUMPS = """
import random, time
_choose, _real, _ahead = random.Random(), {name: getattr(time, name) for name in ("time", "monotonic")}, [0.0]
def _wall():
    return _real["time"]() + _choose.uniform(-1e6, 1e6)
def _monotonic():
    if _choose.random() < 0.002:
        _ahead[0] += _choose.uniform(0.0, 40.0)
    return _real["monotonic"]() + _ahead[0]
time.time, time.monotonic = _wall, _monotonic
"""
"""A ``sitecustomize.py`` for every process of a run: the wall clock jumps both ways, the other one only ahead."""

_MOUNTS = (
    'for path in "$@"; do shift; case "$path" in --) break;; /etc/passwd) mount --bind /dev/null "$path" || exit 99;; '
    '*) mount --bind "$path" "$path" && mount -o remount,ro,bind "$path" || exit 99;; esac; done; exec "$@"'
)
"""Makes folders read-only, and empties a file, up to ``--``; then it becomes the command that follows."""


def jumping_clocks(part: int, seed: int, count: int) -> Count:
    """Runs whose clocks jump."""
    total = Count()
    for number, choose, folder in cases("clock", part, seed, count):
        clip = write_clip(folder / "clip.wav", choose)
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(_JUMPS)
        path = os.pathsep.join((str(folder / "site"), str(ROOT)))
        budget = ("--seconds", 20) if number % 2 else ("--renders", 60)
        arguments = [clip, "--out", folder / "out", *budget, *QUICK, "--quiet"]
        ended = Command(arguments, cwd=folder, env={"PYTHONPATH": path}).end()
        _judge(total, ended, folder / "out", "clip", f"clock {number}")
    return total


def _judge(total: Count, ended: Ended, out: Path, stem: str, what: str) -> None:
    """A run that must have finished with whole results."""
    ended.count(total, what)
    if (problem := failure_of(ended, out, stem)) is not None:
        total.lose(f"{what}: {problem}")


def company(part: int, seed: int, count: int) -> Count:
    """Runs at the same time in one folder: of one clip, of clips of one name, of a folder of clips."""
    total = Count()
    n_at_once = 10 if part % 3 == 2 else 2
    for number, choose, folder in cases("company", part, seed, count):
        clips = []
        for k in range(n_at_once):
            (folder / str(k)).mkdir()
            clips.append(write_clip(folder / str(k) / "clip.wav", choose))
        same = number % 2 == 1
        commands = [
            Command([clips[0 if same else k], "--out", folder / "out", "--renders", 30, *QUICK], cwd=folder)
            for k in range(n_at_once)
        ]
        for k, command in enumerate(commands):
            ended = command.end(3.0 * SECONDS_PER_RUN)
            ended.count(total, f"run {k} of {n_at_once} at once, {number}")
            if ended.code != 0:
                total.lose(f"run {k} of {n_at_once} at once, {number}: {ended.code}: {ended.said[-200:]}")
        kept = dict(records(folder / "out"))
        if len(kept) != n_at_once:
            total.lose(f"{n_at_once} runs at once in one folder, {number}: {len(kept)} results")
        for stem in kept:
            if (problem := problem_of(folder / "out", stem)) is not None:
                total.lose(f"{n_at_once} runs at once, {number}, {stem}: {problem}")
        wanted = {str(clip) for clip in (clips[:1] if same else clips)}
        if {record["clip_path"] for record in kept.values()} != wanted:
            total.lose(f"{n_at_once} runs at once in one folder, {number}: a clip has no results")
    return total


def damaged_folders(part: int, seed: int, count: int) -> Count:
    """Folders of damaged clips with a good one among them, which must get its results."""
    total = Count()
    choose = random.Random(f"folder {seed} {part}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = folder / "clips"
        clips.mkdir()
        for number in range(part * count, (part + 1) * count):
            suffix, content = damaged_audio(seed + 1, number)
            (clips / f"damaged{number}.{suffix}").write_bytes(content)
        write_clip(clips / "good.wav", choose)
        ended = Command([clips, "--out", folder / "out", "--renders", 6, *QUICK], cwd=folder).end(3.0 * SECONDS_PER_RUN)
        ended.count(total, f"folder {part}")
        total.cases = count
        if ended.code not in (0, 1):
            total.lose(f"folder {part}: exit code {ended.code}: {ended.said[-200:]}")
        for stem in {"good"} | {stem for stem, _ in records(folder / "out")}:
            if (problem := problem_of(folder / "out", stem)) is not None:
                total.lose(f"folder {part}, {stem}: {problem}")
    return total


@dataclass(frozen=True)
class User:
    """A user on an unusual machine.

    Attributes:
        name: what is special.
        env: environment variables that differ.
        only_read: whether the installation and the interpreter can only be read.
        unknown: whether the system has no entry of the user, so that nothing tells the home.
        offline: whether there is no network.
        clip: name of the clip.
        prepare: called before the program starts.
        files: files in the current folder.
        program: the command, where it is another than ``refine``.
    """

    name: str
    env: Mapping[str, str | None] = field(default_factory=dict)
    only_read: bool = False
    unknown: bool = False
    offline: bool = False
    clip: bytes = b"clip.wav"
    prepare: Callable[[], None] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    program: Sequence[str] = (sys.executable, "-P", "-m", "inference.cli")


NO_HOME: Mapping[str, str | None] = {
    "HOME": None,
    "XDG_CACHE_HOME": None,
    "USER": None,
    "LOGNAME": None,
    "TMPDIR": None,
    "NUMBA_CACHE_DIR": None,
}
NOWHERE: Mapping[str, str | None] = {**NO_HOME, "HOME": "/dev/null/home", "XDG_CACHE_HOME": "/dev/null/cache"}
_IMPORTED = dict.fromkeys(
    ("signal.py", "random.py", "numpy.py", "torch.py", "render.py"), "raise SystemExit('code of the current folder')\n"
)


def _one_cpu() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _closed_mask() -> None:
    os.umask(0o077)


def _all_at_once() -> None:
    _one_cpu()
    _closed_mask()


USERS = (
    User("an installation that can only be read, no home", NOWHERE, only_read=True),
    User("no HOME at all", NO_HOME),
    User("no HOME, and unknown to the system", NO_HOME, unknown=True),
    User("a home that is a file", {"HOME": "/dev/null", "XDG_CACHE_HOME": None}),
    User("no network", offline=True),
    User("one CPU", prepare=_one_cpu),
    User("umask 077", prepare=_closed_mask),
    User("locale de_DE.UTF-8", {"LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"}),
    User("locale C", {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    User("a locale that is not there", {"LC_ALL": "xx_XX.KOI8-R"}),
    User("a name with spaces", clip=b" a clip with  spaces .wav"),
    User("a name that is not UTF-8", clip=b"Fl\xfcgel \xff.wav", env={"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}),
    User("a current folder with signal.py in it", files=_IMPORTED),
    User(
        "all of these at once",
        {**NOWHERE, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        only_read=True,
        unknown=True,
        offline=True,
        clip=b"Fl\xfcgel \xff.wav",
        prepare=_all_at_once,
        files=_IMPORTED,
    ),
)


def unusual_users(part: int, seed: int, count: int) -> Count:
    """Users on unusual machines, one after the other; every second round runs all stages."""
    return of_users(USERS[(part * count) % len(USERS) :][:count], part, seed, full=part * count >= len(USERS))


def of_users(users: Sequence[User], part: int, seed: int, *, full: bool) -> Count:
    """Run ``refine`` as some users.

    Args:
        users: the users.
        part: number that the clip depends on.
        seed: seed of the campaign.
        full: whether all stages run.
    """
    total = Count()
    choose = random.Random(f"user {seed} {part}")
    for user in users:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            clip = Path(os.fsdecode(os.path.join(os.fsencode(folder), user.clip)))
            write_clip(folder / "plain.wav", choose).rename(clip)
            for file, content in user.files.items():
                (folder / file).write_text(content)
            arguments = [clip, "--out", folder / "out", "--renders", 30, *QUICK]
            arguments += ["--stages", "guess,descend,search"] if full else []
            ended = Command(
                arguments,
                cwd=folder,
                env=user.env,
                prepare=user.prepare,
                wrapper=_wrapper(user),
                program=user.program,
            ).end()
            stems = [stem for stem, _ in records(folder / "out")] or ["clip"]
            _judge(total, ended, folder / "out", stems[0], user.name)
    return total


def _wrapper(user: User) -> list[str]:
    """The command that takes away the network, the right to write and the user's entry, where the system allows it."""
    mounts = [*({str(ROOT), sys.prefix, sys.base_prefix} if user.only_read else ())]
    mounts += ["/etc/passwd"] if user.unknown else []
    options = [*(["-m"] if mounts else []), *(["-n"] if user.offline else [])]
    if not options or shutil.which("unshare") is None:
        return []
    if subprocess.run(["unshare", *options, "true"], capture_output=True, check=False).returncode != 0:
        return []
    return ["unshare", *options, *(["sh", "-c", _MOUNTS, "sh", *mounts, "--"] if mounts else [])]
