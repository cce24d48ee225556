"""Runs and workers that are ended from outside: killed, or asked to end, at random times."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.faults.commands import QUICK, Command, cases, failure_of, kill, mss_of, problem_of, visible, write_clip
from benchmarks.faults.rows import Count
from render.hosts.pool import Pool
from render.hosts.processes import at_work

EARLY_SHARE, EARLY_SECONDS = 0.3, 12.0
"""So many runs are ended within so many seconds, mostly before there is a result,"""

LATE_SECONDS = 5.0
"""and the others within so many seconds after the first results were there."""

KILLED_STARTS = 0.2
"""Share of the kills that may hit a worker while it starts: after eight of them in a row a pool gives up."""

POLITE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGXCPU)
TO_ALL_SHARE = 0.5
"""So many polite ends go to all processes of a run, as a terminal and ``timeout`` send them."""

_ALL_STAGES_EVERY = 5  # runs that load torch too, which takes seconds
_POOL_BYTES = 200_000


def killed_runs(part: int, seed: int, count: int) -> Count:
    """Runs ended by SIGKILL at random times, and resumed."""
    total = Count()
    for number, choose, folder in cases("killed", part, seed, count):
        command = _begun(folder, choose, number)
        _wait_a_while(command, folder, choose)
        command.kill()
        command.end().count(total, f"killed run {number}")
        out = folder / "out"
        if not (out / "clip.json").exists():
            if visible(out):
                total.lose(f"killed run {number} left {visible(out)}")
            continue
        if (problem := problem_of(out, "clip", killed=True)) is not None:
            total.lose(f"killed run {number}: {problem}")
            continue
        before = mss_of(out, "clip")
        # Tidying may cost 0.05 dB.
        options = ("--resume", out, "--renders", 20, "--workers", 1, "--plugin", "embedded", "--no-tidy", "--quiet")
        ended = Command(options, cwd=folder).end()
        ended.count(total, f"resumed run {number}")
        if (problem := failure_of(ended, out, "clip")) is not None:
            total.lose(f"resumed run {number}: {problem}")
        elif mss_of(out, "clip") > before + 1e-3:
            total.lose(f"resumed run {number}: {before} dB became {mss_of(out, 'clip')} dB")
    return total


def polite_ends(part: int, seed: int, count: int) -> Count:
    """Runs that are asked to end at random times, some of them twice, some of them with all their processes."""
    total = Count()
    for number, choose, folder in cases("polite", part, seed, count):
        command = _begun(folder, choose, number)
        command.wait_for(60.0, until=lambda pid=command.pid: _handles(pid))  # type: ignore[misc]
        _wait_a_while(command, folder, choose)
        sent, to_all = choose.choice(POLITE), choose.random() < TO_ALL_SHARE
        for _ in range(choose.choice((1, 1, 2, 3))):
            if command.running():
                (os.killpg if to_all else os.kill)(command.pid, sent)
            command.wait_for(choose.uniform(0.0, 1.0))
        ended = command.end()
        ended.count(total, f"{sent.name} in run {number}")
        out, what = folder / "out", f"{sent.name} in run {number}: exit code {ended.code}"
        if ended.code != 128 + sent:
            total.lose(f"{what}: {ended.said[-200:]}")
        elif visible(out) and (problem := problem_of(out, "clip")) is not None:
            total.lose(f"{what}: {problem}")
    return total


def _begun(folder: Path, choose: random.Random, number: int) -> Command:
    """A run that goes on for longer than anybody waits."""
    clip = write_clip(folder / "clip.wav", choose)
    stages = "guess,descend,search" if number % _ALL_STAGES_EVERY == _ALL_STAGES_EVERY - 1 else "search"
    return Command([clip, "--out", folder / "out", "--seconds", 3000, *QUICK, "--stages", stages], cwd=folder)


def _has_started(command: Command) -> bool:
    """Whether a worker has most likely got beyond its start, which costs more than a second of processor time."""
    return any((state := at_work(pid)) is not None and state[0] > 1.0 for pid in command.workers())


def _wait_a_while(command: Command, folder: Path, choose: random.Random) -> None:
    """Wait for a random time, in most cases until the first results are there and a while longer."""
    if choose.random() < EARLY_SHARE:
        command.wait_for(choose.uniform(0.0, EARLY_SECONDS))
        return
    command.wait_for(300.0, until=lambda: bool(visible(folder / "out")))
    command.wait_for(choose.uniform(0.0, LATE_SECONDS))


def _handles(pid: int) -> bool:
    """Whether a process handles SIGTERM: before that, Python has not begun to run the program."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has ended
        return True
    for line in lines:
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def killed_workers_of_runs(part: int, seed: int, count: int) -> Count:
    """Runs whose workers are killed at random times; a case is a killed worker."""
    total = Count()
    choose = random.Random(f"workers {seed} {part}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = write_clip(folder / "clip.wav", choose)
        command = Command([clip, "--out", folder / "out", "--renders", 1200, *QUICK, "--workers", 2], cwd=folder)
        n_killed = 0
        while command.running() and n_killed < count:
            if choose.random() > KILLED_STARTS:
                command.wait_for(60.0, until=lambda: _has_started(command))
            command.wait_for(choose.expovariate(1.0))
            if workers := command.workers():
                kill(choose.choice(workers))
                n_killed += 1
        ended = command.end()
        ended.count(total, f"run {part}")
        total.cases = n_killed
        if (problem := failure_of(ended, folder / "out", "clip")) is not None:
            total.lose(f"run {part} after {n_killed} kills: {problem}")
        elif "failed and were left out" in ended.said:
            total.lose(f"run {part}: {ended.said[-200:]}")
    return total


def killed_workers(part: int, seed: int, count: int) -> Count:
    """Workers of a pool that are killed at random times; every result must come, once and in order."""
    total = Count(cases=count)
    choose = random.Random(f"pool {seed} {part}")
    due = time.monotonic()
    n_killed = n_results = 0
    with Pool(_make_worker, 3) as pool:
        jobs = iter(range(1_000_000))
        for result in pool.map(jobs):
            if not isinstance(result, bytes) or result != _answer(n_results):
                total.lose(f"pool {part}: result {n_results}: {result!r:.200}")
            n_results += 1
            if time.monotonic() >= due and (pids := pool.pids):
                kill(choose.choice(pids))
                n_killed += 1
                due = time.monotonic() + choose.expovariate(1.0 / 0.15)
            if n_killed >= count:
                break
    return total


def _make_worker() -> Callable[[int], bytes]:
    return _answer


def _answer(job: int) -> bytes:
    return job.to_bytes(4, "big") * (_POOL_BYTES // 4)
