"""The cost of a descent step: forward, backward and loss of the proxy, compared with auraloss's loss at its defaults.

Batches of eight different golden factory patches of 2 s; both in turn on the same threads, the better of three each,
in processor time and in wall clock. Then a step as the descent makes it: the same batch, divided among as many Python
threads, each with one torch thread.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common.rows import judging
from render.measures.golden import GoldenRow, read_rows
from render.noisemaker.hosts import open_host

if TYPE_CHECKING:
    from proxy.synth.corrections import Corrections

BATCH = 8
BATCHES = 5
REPEATS = 3
STEPS = 4
"""Steps of the descent, which also measures its start."""


def print_costs(golden: Path, where: str, threads: int) -> None:
    """Print both costs, their ratio, a host's render time and the peak memory of the process.

    Args:
        golden: folder of golden renders.
        where: ``embedded``, or the path of a plug-in.
        threads: number of torch threads.
    """
    import auraloss
    import torch

    from proxy.loss.distance import TargetDistance
    from proxy.synth.controls import Controls
    from proxy.synth.voice import render
    from proxy.synth.weights import load_corrections

    torch.set_num_threads(threads)
    corrections = load_corrections()
    theirs = auraloss.freq.MultiResolutionSTFTLoss()
    rows = judging(read_rows(golden), BATCH * BATCHES)
    jobs = []
    for first in range(0, len(rows), BATCH):
        batch = rows[first : first + BATCH]
        n_samples = batch[0].note.n_samples
        controls = Controls.from_patches([row.patch for row in batch], [row.note for row in batch])
        controls.knobs.requires_grad_()
        distance = TargetDistance(torch.from_numpy(batch[0].audio()))
        targets = torch.from_numpy(np.stack([row.audio() for row in batch]))
        free = targets.clone().requires_grad_()

        def step(controls: Controls = controls, distance: TargetDistance = distance, n: int = n_samples) -> None:
            loss, _ = distance.measure(render(controls, n, corrections))
            torch.autograd.grad(loss.sum(), controls.knobs)

        def reference(free: torch.Tensor = free, targets: torch.Tensor = targets) -> None:
            torch.autograd.grad(theirs(free, targets), free)

        step()  # compiles; the peak memory is read before the other loss runs
        jobs.append((step, reference))
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    # Processor time and wall clock of each.
    ours, auralosses = np.mean([_seconds(pair) for pair in jobs], axis=0)
    for name, values in (("proxy: forward, backward, loss", ours), ("auraloss at its defaults", auralosses)):
        print(f"{name:32} {1e3 * values[0]:7.0f} ms of processor, {1e3 * values[1]:7.0f} ms of wall clock")
    ratio = ours / auralosses
    print(f"ratio over {len(rows)} patches, {threads} threads: {ratio[0]:.2f}, {ratio[1]:.2f}   (bar: 0.50)")
    torch.set_num_threads(1)
    for parts in (1, threads):
        seconds = np.mean(
            [_descent_seconds(rows[first : first + BATCH], corrections, parts) for first in range(0, len(rows), BATCH)]
        )
        print(f"descent: {1e3 * seconds:.0f} ms of wall clock for a step of {BATCH} in {parts} part{'s' * (parts > 1)}")
    print(f"{where}: {1e3 * _render_seconds(rows, where):.0f} ms of processor for a render")
    print(f"largest memory of the proxy's process: {gigabytes:.2f} GB   (bar: 2.5)")


def _seconds(jobs: Sequence[Callable[[], None]]) -> list[list[float]]:
    """Processor time and wall clock of each job, the smallest of several turns."""
    times = []
    for turn in range(REPEATS + 1):
        for number, job in enumerate(jobs):
            processor, wall = time.process_time(), time.perf_counter()
            job()
            if turn > 0:  # the first one warms up
                times.append((number, time.process_time() - processor, time.perf_counter() - wall))
    return [[min(one[k] for one in times if one[0] == number) for k in (1, 2)] for number in range(len(jobs))]


def _descent_seconds(rows: Sequence[GoldenRow], corrections: Corrections, threads: int) -> float:
    """Mean wall clock of a step of ``inference.stages.proxy_descent``."""
    from inference.candidate import Candidate
    from inference.clip.target import Target
    from inference.constraints import Constraints
    from inference.ports import DescentJob
    from inference.stages.proxy_descent import Settings, descend

    first, settings = rows[0], Settings(steps=STEPS, survivors={})
    target = Target(first.name, first.audio(), first.note, pitched=True, gate_fixed=True, onset_seconds=0.0)
    starts = [Candidate(row.patch, first.note) for row in rows]
    began = time.perf_counter()
    job = DescentJob(starts, [target], Constraints())
    descend(job, corrections=corrections, settings=settings, threads=threads)
    return (time.perf_counter() - began) / (STEPS + 1)


def _render_seconds(rows: Sequence[GoldenRow], where: str) -> float:
    host = open_host(where)
    try:
        for row in rows:
            host.render(row.patch, row.note, clean=False)
        began = time.process_time()
        for row in rows:
            host.render(row.patch, row.note, clean=False)
        return (time.process_time() - began) / len(rows)
    finally:
        host.close()
