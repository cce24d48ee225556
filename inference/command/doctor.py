"""``refine doctor``: what was found on this machine, what will be used, and what is wrong, in one screen.

Nothing that may be broken is imported here: the libraries, the host and the models are tested in separate processes
(``inference.command.trials``), and a failed check is a line of the output.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from render.hosts.processes import control_groups, usable_cores

SCHEMA = "synth-reconstruct/doctor/1"
EXIT_GOOD, EXIT_WRONG = 0, 1

MARK = "\x1f"
"""Marks the lines of a trial among everything that its libraries print."""

_PROJECT = "synth-reconstruct"
_SHOWN = ("torch", "numpy", "numba", "dawdreamer", "nevergrad", "soundfile")
_SECONDS_PER_TRIAL = 180.0  # some ten on an idle machine
_LITTLE_MEMORY, _TOO_LITTLE_MEMORY = 2.5e9, 1.0e9  # bytes: all stages with two workers take 1.5 GB
_LITTLE_DISK = 50e6
_GIB = 2.0**30


class State(StrEnum):
    """State of a finding."""

    GOOD = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """A line of the output."""

    what: str
    state: State
    text: str


def main(argv: Sequence[str]) -> int:
    """Entry point of ``refine doctor``; returns 0, or 1 if something is wrong."""
    parser = argparse.ArgumentParser(
        prog="refine doctor",
        description="Say what was found on this machine, what refine will use, and what is wrong.",
        epilog="Exit code: 0, also with notes; 1 if something is wrong; 2 for a wrong option.",
    )
    parser.add_argument("--plugin", metavar="PATH|embedded", help="look at this host (default: as refine chooses)")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    arguments = parser.parse_args(argv)
    findings = examine(arguments.plugin)
    wrong = [finding for finding in findings if finding.state is State.WRONG]
    if arguments.json:
        data = {"schema": SCHEMA, "ok": not wrong, "findings": [asdict(finding) for finding in findings]}
        print(json.dumps(data, indent=1))
        return EXIT_WRONG if wrong else EXIT_GOOD
    for finding in findings:
        print(f"{finding.state:6}{finding.what:14}{finding.text}".encode("utf-8", "replace").decode())
    if wrong:
        print(f"{len(wrong)} of {len(findings)} checks found something wrong: {', '.join(one.what for one in wrong)}")
    else:
        print("refine can work here")
    return EXIT_WRONG if wrong else EXIT_GOOD


def examine(plugin: str | None = None) -> list[Finding]:
    """Every finding, in the order in which they are shown.

    Args:
        plugin: host to check, as for ``refine --plugin``; None for the one that ``refine`` chooses.
    """
    with _trial("host", plugin or "") as host, _trial("models") as models:
        findings = [finding for check in _CHECKS for finding in _checked(*check)]
        return [*findings, *host(), *models()]


def _checked(what: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """The findings of a check, or one that says that the check failed."""
    found: list[Finding] = []
    try:
        found.extend(check())
    except Exception as error:
        found.append(Finding(what, State.WRONG, f"cannot be examined: {type(error).__name__}: {error}"))
    return found


def _python() -> Iterator[Finding]:
    system = f"{platform.system()} {platform.machine()}"
    good = sys.version_info >= (3, 11)
    text = f"{platform.python_version()} at {sys.executable}, {system}"
    yield Finding("Python", State.GOOD if good else State.WRONG, text if good else f"{text}; needed: 3.11 or newer")


def _packages() -> Iterator[Finding]:
    try:
        required = metadata.requires(_PROJECT) or []
        own = f"refine {metadata.version(_PROJECT)}"
    except metadata.PackageNotFoundError:
        required, own = list(_SHOWN), "refine from a folder, not installed"
    names = [name for line in required if "extra ==" not in line and (name := _name_of(line))]
    versions: dict[str, str] = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    shown = ", ".join(f"{name} {versions[name]}" for name in _SHOWN if name in versions)
    missing = [name for name in names if name not in versions]
    if missing:
        yield Finding("packages", State.WRONG, f"{own}; not installed: {', '.join(missing)} (pip install .)")
    else:
        yield Finding("packages", State.GOOD, f"{own}, {shown}")


def _name_of(requirement: str) -> str:
    """The name at the beginning of a requirement."""
    name = requirement.partition(";")[0].strip()
    for character in "<>=!~ [(":
        name = name.partition(character)[0]
    return name


def _cores() -> Iterator[Finding]:
    have = os.cpu_count() or 1
    may = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else have
    use = usable_cores()
    limits = [f"affinity allows {may}"] * (may < have) + ["the container has a quota"] * (use < may)
    text = f"{have} in the machine{', ' * bool(limits)}{', '.join(limits)}: {use} will be used"
    yield Finding("cores", State.GOOD if use > 1 else State.NOTE, text + "; a minute finds less with one" * (use == 1))


def _memory() -> Iterator[Finding]:
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines()) if _has_proc() else []
    sizes = {words[0].rstrip(":"): 1024.0 * int(words[1]) for words in lines if len(words) > 1}
    total, free = sizes.get("MemTotal"), sizes.get("MemAvailable")
    if total is None or free is None:
        yield Finding("memory", State.NOTE, "this system does not tell; 2 GB free are enough")
        return
    limit = _memory_limit()
    text = f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB are free"
    if limit is not None and limit < total:
        free, text = min(free, limit), f"{text}, of which this process may use {limit / _GIB:.1f}"
    state = State.WRONG if free < _TOO_LITTLE_MEMORY else State.NOTE if free < _LITTLE_MEMORY else State.GOOD
    yield Finding("memory", state, text + "; all stages need 2" * (state is not State.GOOD))


def _has_proc() -> bool:
    return Path("/proc/meminfo").is_file()


def _memory_limit() -> float | None:
    """The smallest limit of a container or of this process in bytes; None without one."""
    limits = []
    for group in control_groups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):  # "max" where there is no limit
                limits.append(float(int((group / name).read_text())))
    if sys.platform != "win32":
        import resource

        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        limits += [float(soft)] if soft != resource.RLIM_INFINITY else []
    return min(limits, default=None)


def _gpu() -> Iterator[Finding]:
    names = ""
    if (tool := shutil.which("nvidia-smi")) is not None:
        command = [tool, "--query-gpu=name", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10.0, check=False)
        names = ", ".join(done.stdout.splitlines()) if done.returncode == 0 else ""
    yield Finding("GPU", State.GOOD, f"{names or 'none'}: refine needs none and computes on the processor")


def _folders() -> Iterator[Finding]:
    from render.files import cache_folder

    cache = cache_folder()
    kept = list((cache / "faust").glob("*.bitcode"))
    size = sum(path.stat().st_size for path in kept)
    text = f"{cache}: {len(kept)} compiled parts of the synth, {size / 1e6:.1f} MB"
    if (problem := _write_problem(cache)) is None:
        yield Finding("cache", State.GOOD, text)
    else:
        yield Finding("cache", State.NOTE, f"{text}; {problem}: what is missing is compiled anew by every run")
    for what, folder in (("temporary", Path(tempfile.gettempdir())), ("results", Path("refined"))):
        problem = _write_problem(folder)
        existing = next((path for path in (folder, *folder.absolute().parents) if path.is_dir()), Path("/"))
        free = shutil.disk_usage(existing).free
        text = f"{folder.absolute()}: {free / 1e9:.1f} GB are free"
        if problem is not None:
            yield Finding(what, State.WRONG, f"{folder.absolute()}: {problem}")
        else:
            yield Finding(what, State.GOOD if free > _LITTLE_DISK else State.WRONG, text)
    if Path("doctor").exists():
        yield Finding("clip", State.NOTE, "there is a file called doctor here: refine ./doctor refines it")


def _write_problem(folder: Path) -> str | None:
    """Why a folder cannot be written, or made; None if it can. Nothing is left behind."""
    existing = next((path for path in (folder, *folder.absolute().parents) if os.path.lexists(path)), Path("/"))
    try:
        with tempfile.TemporaryFile(dir=existing) as stream:
            stream.write(b"refine")
    except OSError as error:
        return f"it cannot be written ({error.strerror or error})"
    return None


_CHECKS: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
    ("Python", _python),
    ("packages", _packages),
    ("cores", _cores),
    ("memory", _memory),
    ("GPU", _gpu),
    ("folders", _folders),
)


@contextlib.contextmanager
def _trial(name: str, argument: str = "") -> Iterator[Callable[[], list[Finding]]]:
    """Run a trial in a process of its own, which is killed when the block ends.

    Yields:
        A function that waits for its findings; if it crashes or hangs, the last one says where.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", "inference.command.trials", str(os.getpid()), name, argument]
    with contextlib.ExitStack() as stack:
        try:
            said = stack.enter_context(tempfile.TemporaryFile())
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment)
        except OSError as error:
            problem = Finding(name, State.WRONG, f"cannot be tried: {error}")
            yield lambda: [problem]
            return
        stack.callback(process.wait)
        stack.callback(process.kill)
        until = time.monotonic() + _SECONDS_PER_TRIAL

        def findings() -> list[Finding]:
            try:
                code: int | None = process.wait(max(until - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                code = None
            said.seek(0)
            return _findings(name, code, said.read().decode("utf-8", "replace").splitlines())

        yield findings


def _findings(name: str, code: int | None, lines: Sequence[str]) -> list[Finding]:
    """The findings of a trial with an exit code, None if it was not waited for any longer."""
    reports = [json.loads(line.partition(MARK)[2]) for line in lines if MARK in line]
    findings = [Finding(one["what"], State(one["state"]), one["text"]) for one in reports if "state" in one]
    if code == 0:
        return findings
    doing = next((one["doing"] for one in reversed(reports) if "doing" in one), "starting Python")
    last = next((line for line in reversed(lines) if line.strip() and MARK not in line), "")
    how = "took too long" if code is None else f"ended with {code}"
    return [*findings, Finding(name, State.WRONG, f"{doing} {how}{': ' * bool(last)}{last.strip()}")]
