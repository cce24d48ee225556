"""Stage 2: gradient descent on the proxy, a batch of candidates at once.

The knobs themselves are the variables: Adam moves them, and they are clamped to their limits after every step, so that
a knob at its end can leave it again. Choices do not change; neither do knobs that are locked, inaudible, or excluded
because their gradient is unreliable (``Parameter.descended``). The level is solved in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Self

import torch
from numpy.random import Generator
from torch import Tensor

from inference.candidate import Candidate
from inference.constraints import Constraints
from inference.ports import Descent, DescentJob
from inference.stages.neighbours import crossovers, neighbours
from proxy.loss.distance import TargetDistance
from proxy.synth.controls import Controls
from proxy.synth.corrections import Corrections
from proxy.synth.voice import render
from proxy.synth.weights import load_corrections
from render.instruments.patch import Patch
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.table import TABLE
from render.noisemaker.trials.auditions import EVERYTHING
from render.note import Note

_AT_ONCE = 8  # candidates that are computed at the same time, which limits the memory of a step


@dataclass(frozen=True)
class Settings:
    """Settings of a descent.

    Attributes:
        steps: largest number of Adam steps.
        rate: learning rate, in knob units per step.
        group_rates: factors of ``rate`` for sections of the panel.
        last_rate: factor of the rate at the end; it follows a cosine over the steps, or over the time if that is
            shorter.
        momentum: Adam's beta 1.
        scale_momentum: Adam's beta 2.
        tiny: Adam's epsilon.
        again_rate: factor of the rate for starts that continue an earlier descent, because they are close already.
        survivors: successive halving of the other starts: ``{5: 8, 10: 4}`` keeps the 8 closest after step 5 and the 4
            closest after step 10.
        patience: number of steps without a relative improvement of ``least_gain`` after which a candidate stops.
        least_gain: relative improvement of the loss that counts.
        kept_every: number of steps between the candidates that are kept, beside the closest.
    """

    steps: int = 40
    rate: float = 0.045
    group_rates: dict[str, float] = field(default_factory=dict)
    last_rate: float = 0.1
    momentum: float = 0.5
    scale_momentum: float = 0.99
    tiny: float = 1e-8
    again_rate: float = 0.3
    survivors: Mapping[int, int] = field(default_factory=lambda: {5: 8, 10: 4, 20: 2})
    patience: int = 12
    least_gain: float = 0.005
    kept_every: int = 10


@dataclass
class Path:
    """The path of one candidate.

    Attributes:
        start: candidate that it starts from.
        losses: losses on the proxy, that of the start first.
        kept: candidates on the way, the closest on the proxy last. They have no losses, because those are not the
            host's.
        finite: False if the loss or a gradient was not finite, which ends the path.
    """

    start: Candidate
    losses: list[float] = field(default_factory=list)
    kept: list[Candidate] = field(default_factory=list)
    finite: bool = True


def descend(
    job: DescentJob, *, corrections: Corrections | None = None, settings: Settings | None = None, threads: int = 1
) -> list[Path]:
    """Descend from every start.

    Args:
        job: starts, clips, and when to end.
        corrections: learned corrections of the proxy; None for the formulas alone.
        settings: number and size of the steps.
        threads: number of parts of the batch that are computed in parallel; torch's own threads help less with small
            batches.

    Returns:
        A path for each start, in order. The same starts give the same paths.
    """
    settings = settings or Settings()
    batch = _Batch(job, corrections, settings, threads)
    for step in range(settings.steps + 1):
        batch.look(step)
        done = max(step / settings.steps, job.used())
        if done >= 1.0 or not batch.active:
            break
        batch.move(step, done)
        job.on_step(len(batch.active))
    return batch.finish()


class _Batch:
    """The candidates of one descent.

    Attributes:
        active: positions among the starts of those that still descend.
    """

    def __init__(self, job: DescentJob, corrections: Corrections | None, settings: Settings, threads: int) -> None:
        starts, targets, n_going_on = job.starts, job.targets, job.n_going_on
        self.settings, self.corrections = settings, corrections
        self.n_going_on, self.threads = n_going_on, min(threads, _AT_ONCE)
        self.paths = [Path(start) for start in starts]
        self.active = list(range(len(starts)))
        self.distances = [TargetDistance(torch.from_numpy(target.audio)) for target in targets]
        patches = [start.patch for start in starts]
        notes = [[start.note for start in starts], *([target.note] * len(starts) for target in targets[1:])]
        self.controls = [Controls.from_patches(patches, of_clip) for of_clip in notes]
        self.free = [free_knobs(patch, job.constraints) for patch in patches]
        group_rates = torch.tensor([settings.group_rates.get(row.group, 1.0) for row in TABLE.parameters])
        free = torch.tensor([[name in names for name in TABLE.names] for names in self.free])
        again = torch.tensor([settings.again_rate if item < n_going_on else 1.0 for item in range(len(starts))])
        self.rates = settings.rate * again[:, None] * group_rates * free
        spans = torch.tensor([job.constraints.span(row) for row in TABLE.parameters])
        self.lowest, self.highest = spans[:, 0], spans[:, 1]
        self.knobs = self.controls[0].knobs.clone()
        self.closest = self.knobs.clone()
        self.closest_step = [0] * len(starts)
        self.gradient = torch.zeros_like(self.knobs)
        self.mean, self.square = torch.zeros_like(self.knobs), torch.zeros_like(self.knobs)

    def look(self, step: int) -> None:
        """Measure the active candidates and their gradients; drop those that are not finite or do not improve."""
        losses, gradient = self._losses()
        self.gradient[self.active] = gradient
        going = []
        for item, loss, finite in zip(self.active, losses, gradient.isfinite().all(1).tolist(), strict=True):
            path = self.paths[item]
            if not (math.isfinite(loss) and finite):
                path.finite = False
                continue
            # A tiny improvement does not count, or a slow descent would never stop.
            if not path.losses or loss < (1.0 - self.settings.least_gain) * path.losses[self.closest_step[item]]:
                self.closest[item], self.closest_step[item] = self.knobs[item], step
            path.losses.append(loss)
            if step and step % self.settings.kept_every == 0:
                path.kept.append(self._candidate(item, self.knobs))
            if step - self.closest_step[item] < self.settings.patience:
                going.append(item)
        # Starts that continue earlier descents are ahead of the others and do not compete with them.
        new = sorted((item for item in going if item >= self.n_going_on), key=lambda item: min(self.paths[item].losses))
        survivors = new[: self.settings.survivors.get(step, len(new))]
        self.active = sorted([*(item for item in going if item < self.n_going_on), *survivors])

    def move(self, step: int, done: float) -> None:
        """One step of Adam (Kingma and Ba 2015, algorithm 1), its bias corrections included."""
        settings, items = self.settings, self.active
        gradient = self.gradient[items]
        self.mean[items] = torch.lerp(gradient, self.mean[items], settings.momentum)
        self.square[items] = torch.lerp(gradient.square(), self.square[items], settings.scale_momentum)
        mean = self.mean[items] / (1.0 - settings.momentum ** (step + 1))
        scale = (self.square[items] / (1.0 - settings.scale_momentum ** (step + 1))).sqrt() + settings.tiny
        left = 0.5 + 0.5 * math.cos(math.pi * done)
        decay = settings.last_rate + (1.0 - settings.last_rate) * left
        moved = self.knobs[items] - decay * self.rates[items] * mean / scale
        self.knobs[items] = torch.maximum(torch.minimum(moved, self.highest), self.lowest)

    def finish(self) -> list[Path]:
        """The paths, each with the closest candidate last."""
        for item, path in enumerate(self.paths):
            if self.closest_step[item]:
                path.kept.append(self._candidate(item, self.closest))
        return self.paths

    def _losses(self) -> tuple[list[float], Tensor]:
        """Losses of the active candidates, and their gradients, shape ``(active, parameters)``."""
        size = min(-(-len(self.active) // self.threads), _AT_ONCE // self.threads)
        parts = [self.active[first : first + size] for first in range(0, len(self.active), size)]
        results = list((map if self.threads == 1 else _pool(self.threads).map)(self._losses_of, parts))
        return torch.cat([losses for losses, _ in results]).tolist(), torch.cat([slopes for _, slopes in results])

    def _losses_of(self, items: list[int]) -> tuple[Tensor, Tensor]:
        knobs = self.knobs[items].requires_grad_()
        total = knobs.new_zeros(len(items))
        for controls, distance in zip(self.controls, self.distances, strict=True):
            audio = render(_part(controls, items, knobs), distance.n_samples, self.corrections)
            total = total + distance.measure(audio)[0] / len(self.distances)
        (gradient,) = torch.autograd.grad(total.sum(), knobs)
        return total.detach(), gradient

    def _candidate(self, item: int, knobs: Tensor) -> Candidate:
        start, values = self.paths[item].start, knobs[item].tolist()
        moved = {name: value for name, value in zip(TABLE.names, values, strict=True) if name in self.free[item]}
        return Candidate(start.patch.with_knobs(moved), start.note, origin="descend")


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="descend")


def free_knobs(patch: Patch, constraints: Constraints) -> frozenset[str]:
    """Names of the continuous knobs that gradient descent may change in a patch."""
    table = patch.table
    rows = map(table.parameter, constraints.free(table))
    return frozenset(
        row.name
        for row in rows
        if not row.discrete and row.descended and row is not table.level and patch.sounds(row.name)
    )


def _part(controls: Controls, items: Sequence[int], knobs: Tensor) -> Controls:
    """The controls of some items of a batch, with their knobs replaced by ``knobs``, shape ``(items, parameters)``."""
    return Controls(
        knobs=knobs,
        choices={name: choice[items] for name, choice in controls.choices.items()},
        number=controls.number[items],
        velocity=controls.velocity[items],
        gate_seconds=controls.gate_seconds[items],
        editor=controls.editor[items],
    )


def warm_up(corrections: Corrections) -> None:
    """Run every compiled loop of the proxy once. They are compiled on the first run and cached on disk."""
    notes = [Note(60, 100, 0.03, 0.06)] * len(EVERYTHING)
    controls = Controls.from_patches(EVERYTHING, notes)
    part = _part(controls, range(len(EVERYTHING)), controls.knobs.clone().requires_grad_())
    render(part, notes[0].n_samples, corrections).square().sum().backward()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class ProxyDescender:
    """``descend`` on the trained proxy; see ``inference.ports.Descender``."""

    corrections: Corrections
    settings: Settings = field(default_factory=Settings)
    batch_size: int = 24
    threads: int = 1

    @classmethod
    def load(cls, threads: int = 1) -> Self:
        """Load the package's weights, and compile the proxy; raises ``FileError`` or ``FormatError``."""
        corrections = load_corrections()
        warm_up(corrections)
        return cls(corrections, threads=threads)

    def descend(self, job: DescentJob) -> Descent:
        """Descend from every start."""
        paths = descend(job, corrections=self.corrections, settings=self.settings, threads=self.threads)
        lost = sum(not path.finite for path in paths)
        notices = (
            (f"{lost} of {len(paths)} descents ended early because of values that are not finite",) if lost else ()
        )
        paths.sort(key=lambda path: min(path.losses, default=math.inf))  # a small budget allows only the first ones
        ends = [path.kept[-1] for path in paths if path.kept]
        on_the_way = [kept for path in paths for kept in path.kept[:-1]]
        # Two paths may meet, and one may have kept its closest patch before.
        return Descent(tuple(dict.fromkeys(ends + on_the_way)), notices)

    def changes(
        self, answer: Candidate, others: Sequence[Candidate], constraints: Constraints, rng: Generator, *, gate: bool
    ) -> list[Candidate]:
        """See ``inference.stages.neighbours``."""
        changed = neighbours(NOISEMAKER, answer, constraints, rng, gate=gate)
        return changed + crossovers(NOISEMAKER, answer, others, constraints)
