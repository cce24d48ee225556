"""Stage 2: gradient descent on the proxy, a batch of candidates at once.

The variables are the knobs themselves, and the heights of the envelope editor's curve if it is audible. Adam changes
them, and they are clamped to their limits after every step, so that a knob at a limit can leave it again. Choices do
not change; neither do knobs that are locked, inaudible, or excluded because their gradient is unreliable
(``Parameter.descended``). The level is solved in closed form.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from inference.candidate import Candidate
from inference.ports import DescentJob
from inference.stages.descended import free_curve, free_knobs, step_factors
from proxy.loss.heard import Distances
from proxy.loss.mss import JudgedLoss
from proxy.synth.controls import EDITOR_POINTS, Controls
from proxy.synth.corrections import Corrections
from proxy.synth.voice import render
from render.audio import Audio
from render.noisemaker.editor_curves import N_DESCENDED, lines
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE

AT_ONCE = 8  # voices that are computed at the same time, which limits the memory of a step


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
        curve_rate: learning rate of the heights of the envelope editor's curve.
        homing: weight decay towards the defaults: how far a step also moves a knob towards its default, as a share of
            the longest step, so that others need not compensate for knobs with little effect.
        continued_rate: factor of the rate for starts that continue an earlier descent, because they are close already.
        survivors: successive halving of the other starts: ``{5: 8, 10: 4}`` keeps the 8 closest after step 5 and the 4
            closest after step 10.
        short_steps: number of first steps that use the beginning of a clip only, because most starts are dropped after
            them.
        short_share: share of the clip that is their beginning, if it is at least ``short_seconds`` long.
        short_seconds: shortest beginning.
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
    curve_rate: float = 0.06
    homing: float = 0.02
    continued_rate: float = 0.3
    survivors: Mapping[int, int] = field(default_factory=lambda: {5: 8, 10: 4, 20: 2})
    short_steps: int = 5
    short_share: float = 0.5
    short_seconds: float = 0.8
    patience: int = 12
    least_gain: float = 0.005
    kept_every: int = 10


@dataclass
class Path:
    """The path of one candidate.

    Attributes:
        start: candidate that it starts from.
        losses: losses on the proxy, that of the start first.
        closest: the smallest of them, of those that are of the whole clip once there are any.
        kept: candidates on the way, the closest on the proxy last unless that is the start. They have no losses,
            because those are not the host's.
        finite: False if the loss or a gradient was not finite, which ends the path.
    """

    start: Candidate
    losses: list[float] = field(default_factory=list)
    closest: float = math.inf
    kept: list[Candidate] = field(default_factory=list)
    finite: bool = True


def descend(
    job: DescentJob,
    *,
    corrections: Corrections | None = None,
    settings: Settings | None = None,
    threads: int = 1,
    distances: Distances | None = None,
) -> list[Path]:
    """Descend from every start.

    Args:
        job: starts, clips, and when to end.
        corrections: learned corrections of the proxy; None for the formulas alone.
        settings: number and size of the steps.
        threads: number of parts of the batch that are computed in parallel; torch's own threads help less with small
            batches.
        distances: distances from the clips that were made before.

    Returns:
        A path for each start, in order. The same starts give the same paths.
    """
    settings = settings or Settings()
    batch = _Batch(job, corrections, settings, threads, distances or Distances())
    for step in range(settings.steps + 1):
        batch.look(step)
        done = max(step / settings.steps, job.used())
        if done >= 1.0 or not batch.active:
            break
        batch.move(step, done)
        job.on_step(len(batch.active))
    return batch.finish()


class _Loss(Protocol):
    """The loss of a descent for one clip."""

    n_samples: int

    def measure(self, renders: Tensor) -> tuple[Tensor, Tensor]:
        """Losses of renders, and gains."""


class _Batch:
    """The candidates of one descent.

    Attributes:
        active: positions among the starts of those that still descend.
    """

    def __init__(
        self, job: DescentJob, corrections: Corrections | None, settings: Settings, threads: int, distances: Distances
    ) -> None:
        starts, targets, n_continued = job.starts, job.targets, job.n_continued
        self.settings, self.corrections = settings, corrections
        self.n_continued, self.threads = n_continued, min(threads, AT_ONCE)
        self.paths = [Path(start) for start in starts]
        self.active = list(range(len(starts)))
        clips = [(target.audio, target.conditions) for target in targets]
        self.losses: list[_Loss] = [distances.of(*clip) for clip in clips]
        self.beginnings: list[_Loss] = [distances.of(*clip, self._n_short(clip[0])) for clip in clips]
        if job.judged:
            self.losses = [JudgedLoss(*clip, distances.of(*clip)) for clip in clips]
        patches = [start.patch for start in starts]
        notes = [[start.note for start in starts], *([target.note] * len(starts) for target in targets[1:])]
        self.controls = [Controls.from_patches(patches, of_clip) for of_clip in notes]
        self.free = [free_knobs(one.patch, job.constraints, sparse=one.sparse) for one in starts]
        group_rates = torch.tensor([settings.group_rates.get(row.group, 1.0) for row in TABLE.parameters])
        free = torch.tensor([[name in names for name in TABLE.names] for names in self.free])
        again = torch.tensor([settings.continued_rate if item < n_continued else 1.0 for item in range(len(starts))])
        factors = torch.tensor([[one.get(name, 1.0) for name in TABLE.names] for one in map(step_factors, patches)])
        self.rates = settings.rate * again[:, None] * group_rates * factors * free
        self.curves = [free_curve(one.patch, job.constraints) for one in starts]
        drawn = torch.tensor([[curve is not None] for curve in self.curves])
        self.rates = torch.cat(
            [self.rates, settings.curve_rate * again[:, None] * drawn.expand(-1, N_DESCENDED)], dim=1
        )
        heights = [[0.5] * N_DESCENDED if curve is None else curve.tolist() for curve in self.curves]
        spans = [job.constraints.span(row) for row in TABLE.parameters] + [(0.0, 1.0)] * N_DESCENDED
        self.lowest, self.highest = torch.tensor(spans).T
        self.defaults = torch.tensor([row.default for row in TABLE.parameters])
        self.knobs = torch.cat([self.controls[0].knobs, torch.tensor(heights)], dim=1)  # and heights
        self.closest = self.knobs.clone()
        self.closest_step = [0] * len(starts)
        self.gradient = torch.zeros_like(self.knobs)
        self.mean, self.square = torch.zeros_like(self.knobs), torch.zeros_like(self.knobs)

    def look(self, step: int) -> None:
        """Measure the active candidates and their gradients; drop those that are not finite or do not improve."""
        losses, gradient = self._losses(self.beginnings if step < self.settings.short_steps else self.losses)
        self.gradient[self.active] = gradient
        if step == self.settings.short_steps:
            for path in self.paths:
                path.closest = math.inf  # losses of the whole clip cannot be compared with those before
        going = []
        for item, loss, finite in zip(self.active, losses, gradient.isfinite().all(1).tolist(), strict=True):
            path = self.paths[item]
            if not (math.isfinite(loss) and finite):
                path.finite = False
                continue
            # A tiny improvement does not count, or a slow descent would never stop.
            if loss < (1.0 - self.settings.least_gain) * path.closest:
                self.closest[item], self.closest_step[item], path.closest = self.knobs[item], step, loss
            path.losses.append(loss)
            if step and step % self.settings.kept_every == 0:
                path.kept.append(self._candidate(item, self.knobs))
            if step - self.closest_step[item] < self.settings.patience:
                going.append(item)
        # Starts that continue earlier descents are ahead, and do not compete with the others.
        new = sorted((item for item in going if item >= self.n_continued), key=lambda item: self.paths[item].closest)
        self.active = [item for item in going if item < self.n_continued] + sorted(
            new[: self.settings.survivors.get(step)]
        )

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
        longest = decay * self.rates[items]
        moved = self.knobs[items] - longest * mean / scale
        n_knobs = len(self.defaults)
        reach = settings.homing * longest[:, :n_knobs]
        moved[:, :n_knobs] += (self.defaults - self.knobs[items, :n_knobs]).clamp(-reach, reach)
        self.knobs[items] = torch.maximum(torch.minimum(moved, self.highest), self.lowest)

    def finish(self) -> list[Path]:
        """The paths; what they kept ends with the closest candidate, unless that is the start."""
        for item, path in enumerate(self.paths):
            if self.closest_step[item]:
                path.kept.append(self._candidate(item, self.closest))
        return self.paths

    def _n_short(self, audio: Audio) -> int:
        """Number of samples of the beginning that the first steps use."""
        share, seconds = self.settings.short_share, self.settings.short_seconds
        return max(round(share * int(audio.shape[1])), round(seconds * SAMPLE_RATE))

    def _losses(self, distances: Sequence[_Loss]) -> tuple[list[float], Tensor]:
        """Losses of the active candidates, and their gradients, shape ``(active, parameters)``."""
        n_voices = len(self.controls[0].voices)
        size = min(-(-len(self.active) // self.threads), max(AT_ONCE // (self.threads * n_voices), 1))
        parts = [self.active[first : first + size] for first in range(0, len(self.active), size)]
        losses_of = functools.partial(self._losses_of, distances)
        results = list((map if self.threads == 1 else pool(self.threads).map)(losses_of, parts))
        return torch.cat([losses for losses, _ in results]).tolist(), torch.cat([slopes for _, slopes in results])

    def _losses_of(self, distances: Sequence[_Loss], items: list[int]) -> tuple[Tensor, Tensor]:
        knobs = self.knobs[items].requires_grad_()
        total = knobs.new_zeros(len(items))
        for controls, distance in zip(self.controls, distances, strict=True):
            audio = render(self._part(controls, items, knobs), distance.n_samples, self.corrections)
            total = total + distance.measure(audio)[0] / len(distances)
        (gradient,) = torch.autograd.grad(total.sum(), knobs)
        return total.detach(), gradient

    def _part(self, controls: Controls, items: Sequence[int], values: Tensor) -> Controls:
        """The controls of some items with their variables: knobs, and heights of curves that are moved."""
        n_knobs = len(TABLE.names)
        part = part_of(controls, items, values[:, :n_knobs])
        drawn = torch.tensor([[self.curves[item] is not None] for item in items])
        if not bool(drawn.any()):
            return part
        curves = torch.nn.functional.interpolate(
            values[:, None, n_knobs:], EDITOR_POINTS, mode="linear", align_corners=True
        )[:, 0]
        return replace(part, editor=torch.where(drawn, curves, part.editor))

    def _candidate(self, item: int, knobs: Tensor) -> Candidate:
        start, values = self.paths[item].start, knobs[item].tolist()
        moved = {name: value for name, value in zip(TABLE.names, values, strict=False) if name in self.free[item]}
        patch = start.patch.with_knobs(moved)
        if self.curves[item] is not None:
            patch = patch.with_extra(lines(values[len(TABLE.names) :]))
        return Candidate(patch, start.note, origin="descend", sparse=start.sparse)


@functools.cache
def pool(n_threads: int) -> ThreadPoolExecutor:
    """Threads that share a batch."""
    return ThreadPoolExecutor(n_threads, thread_name_prefix="descend")


def part_of(controls: Controls, items: Sequence[int], knobs: Tensor) -> Controls:
    """The controls of some items of a batch, with their knobs replaced by ``knobs``, shape ``(items, parameters)``."""
    return Controls(
        knobs=knobs,
        choices={name: choice[items] for name, choice in controls.choices.items()},
        number=controls.number[items],
        velocity=controls.velocity[items],
        gate_seconds=controls.gate_seconds[items],
        editor=controls.editor[items],
    )
