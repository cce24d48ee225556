"""The proxy as the stages use it: it descends from candidates, evaluates them, and proposes changes of the answer."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from numpy.random import Generator

from inference.candidate import Candidate
from inference.clip.target import Target
from inference.constraints import Constraints
from inference.ports import Descent, DescentJob
from inference.stages.descended import steep_knobs
from inference.stages.neighbours import crossovers, neighbours
from inference.stages.proxy_descent import AT_ONCE, Settings, descend, part_of, pool
from proxy.loss.distance import TargetDistance
from proxy.loss.heard import Distances, HeardDistance
from proxy.synth.controls import Controls
from proxy.synth.corrections import Corrections
from proxy.synth.voice import render
from proxy.synth.weights import load_corrections
from render.audio import Audio
from render.background import apart
from render.instruments.patch import Patch
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.trials.auditions import EVERYTHING
from render.note import Note

_JUDGED_RATE, _JUDGED_GAIN = 0.25, 0.001  # factor of the rates, and least gain, of a descent on the judging measure
_JUDGED_SURVIVORS = {6: 4, 20: 2}


def _for_judging_measure(settings: Settings) -> Settings:
    """Settings of a descent on the judging measure: its starts are already close, and its loss is in dB."""
    rate, curve_rate = _JUDGED_RATE * settings.rate, _JUDGED_RATE * settings.curve_rate
    return replace(
        settings, rate=rate, curve_rate=curve_rate, survivors=_JUDGED_SURVIVORS, short_steps=0, least_gain=_JUDGED_GAIN
    )


def _screened(
    targets: Sequence[Target],
    distances: Sequence[HeardDistance],
    corrections: Corrections,
    candidates: Sequence[Candidate],
) -> list[float]:
    """Losses of a few candidates on the proxy."""
    patches = [one.patch for one in candidates]
    notes = [[one.note for one in candidates], *([target.note] * len(candidates) for target in targets[1:])]
    total = torch.zeros(len(candidates))
    with torch.no_grad():
        for of_clip, distance in zip(notes, distances, strict=True):
            audio = render(Controls.from_patches(patches, of_clip), distance.n_samples, corrections)
            total += distance.measure(audio)[0] / len(distances)
    losses: list[float] = total.tolist()
    return losses


def warm_up(corrections: Corrections) -> None:
    """Run every compiled loop of the proxy and its loss. They are compiled on the first run and cached on disk."""
    notes = [Note(60, 100, 0.03, 0.06)] * len(EVERYTHING)
    controls = Controls.from_patches(EVERYTHING, notes)
    part = part_of(controls, range(len(EVERYTHING)), controls.knobs.clone().requires_grad_())
    audio = render(part, notes[0].n_samples, corrections)
    losses, _ = TargetDistance(audio.detach()[0]).measure(audio)
    losses.sum().backward()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class ProxyDescender:
    """``descend`` on the trained proxy; see ``inference.ports.Descender``."""

    corrections: Corrections
    settings: Settings = field(default_factory=Settings)
    batch_size: int = 24
    threads: int = 1
    distances: Distances = field(default_factory=Distances, repr=False, compare=False)

    @classmethod
    def load(cls, threads: int = 1, corrections: Corrections | None = None) -> Self:
        """Load the package's weights, unless others are given, and compile the proxy.

        Args:
            threads: number of threads of a descent.
            corrections: corrections of the proxy; those of the package where missing.

        Raises:
            FileError: if the package's weights cannot be read.
            FormatError: if they do not fit.
        """
        corrections = load_corrections() if corrections is None else corrections

        def warm() -> None:
            torch.set_num_threads(1)  # each thread has a number of its own
            warm_up(corrections)

        apart(warm)
        return cls(corrections, threads=threads)

    def descend(self, job: DescentJob) -> Descent:
        """Descend from every start."""
        settings = self.settings
        if job.judged:
            settings = _for_judging_measure(settings)
        paths = descend(
            job,
            corrections=self.corrections,
            settings=settings,
            threads=self.threads,
            distances=self.distances,
        )
        lost = sum(not path.finite for path in paths)
        notices = (
            (f"{lost} of {len(paths)} descents ended early because of values that are not finite",) if lost else ()
        )
        paths.sort(key=lambda path: path.closest)  # a small budget allows only the first ones
        ends = [path.kept[-1] for path in paths if path.kept]
        on_the_way = [kept for path in paths for kept in path.kept[:-1]]
        # Two paths may meet, and one may have kept its closest patch before.
        return Descent(tuple(dict.fromkeys(ends + on_the_way)), notices)

    def screen(self, candidates: Sequence[Candidate], targets: Sequence[Target]) -> list[Candidate]:
        """See ``inference.ports.Descender``."""
        if not candidates:
            return []
        distances = [self.distances.of(target.audio, target.conditions) for target in targets]
        at_once = AT_ONCE // min(self.threads, AT_ONCE) // len(candidates[0].note.keys)
        size = min(-(-len(candidates) // self.threads), max(at_once, 1))
        parts = [candidates[first : first + size] for first in range(0, len(candidates), size)]
        losses_of = functools.partial(_screened, targets, distances, self.corrections)
        losses = (map if self.threads == 1 else pool(self.threads).map)(losses_of, parts)
        found = zip(candidates, (loss for part in losses for loss in part), strict=True)
        return [replace(one, loss=loss) for one, loss in found if math.isfinite(loss)]

    def steep_knobs(self, patch: Patch) -> frozenset[str]:
        """See ``inference.ports.Descender``."""
        return steep_knobs(patch)

    def play(self, candidate: Candidate, n_samples: int) -> Audio:
        """See ``inference.ports.Descender``."""
        with torch.no_grad():
            controls = Controls.from_patches([candidate.patch], [candidate.note])
            sound: Audio = render(controls, n_samples, self.corrections)[0].numpy()
        return sound

    def changes(
        self, answer: Candidate, others: Sequence[Candidate], constraints: Constraints, rng: Generator, *, gate: bool
    ) -> list[Candidate]:
        """See ``inference.stages.neighbours``."""
        changed = neighbours(NOISEMAKER, answer, constraints, rng, gate=gate)
        return changed + crossovers(NOISEMAKER, answer, others, constraints)
