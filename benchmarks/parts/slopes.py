"""Agreement between the gradient of the loss on the proxy and finite differences of the loss on a host.

Each patch of the prior has the render of a similar patch as its target. Every audible continuous knob is moved a little
up and down on the host, and the central difference of the loss is compared with the proxy's gradient. The gain is
solved once for each patch and then fixed, for the host and for the proxy: solving it after each move would give another
loss, whose gradient with respect to levels is not that of the sound.

Knobs at a value that means "off" are left out, because the gradient there says nothing about values above it. Hosts are
passed as functions; nothing here opens one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch

from proxy.loss.distance import TargetDistance
from proxy.synth.controls import SEARCHED, Controls
from proxy.synth.corrections import Corrections
from proxy.synth.voice import render
from render.audio import Audio
from render.data.accept import refusal
from render.files import write_csv
from render.instruments.patch import Patch
from render.noisemaker.curves import BIPOLAR
from render.noisemaker.prior import draw
from render.noisemaker.table import TABLE
from render.note import Note

Play = Callable[[Patch, Note, int], Audio]
"""Renders a patch with a seed for what the instrument draws at random: shape ``(2, note.n_samples)``."""

SEED = 41
"""Seed of the patches, which differs from those of the data sets and the other benchmarks."""
NEAR = 0.15
"""Largest distance of a target's knobs from the patch's, as in the smaller perturbation of ``recovery``."""
STEP = 0.01
"""Distance by which a knob is moved up and down."""
SECONDS = 2.0
FLOOR_SEEDS = (1, 2)
"""Seeds of renders that show how much the loss varies by itself."""


@dataclass(frozen=True, slots=True)
class Slope:
    """One knob of one patch.

    Attributes:
        case: number of the patch.
        knob: name of the knob.
        proxy: derivative of the loss on the proxy.
        host: central difference quotient of the loss on the host.
        change: absolute difference of the loss on the host.
        floor: variation of the host's loss between renders.
    """

    case: int
    knob: str
    proxy: float
    host: float
    change: float
    floor: float

    @property
    def counts(self) -> bool:
        """Whether the host's change is larger than its variation between renders."""
        return self.change > self.floor

    @property
    def agrees(self) -> bool:
        """Whether both slopes point the same way."""
        return self.proxy * self.host > 0.0


@dataclass(frozen=True)
class Case:
    """A patch, its note and its target."""

    number: int
    patch: Patch
    note: Note
    target: Audio


def cases(play: Play, wanted: int) -> Iterator[Case]:
    """The first patches of the prior with an audible target, always the same ones for one host."""
    return islice(_cases(play), wanted)


def _cases(play: Play) -> Iterator[Case]:
    for number in count():
        patch, drawn = draw(SEED, number)
        note = Note(drawn.number, drawn.velocity, min(drawn.gate_seconds, SECONDS), SECONDS)
        rng = np.random.default_rng((SEED, number))
        moved = {name: patch[name] + rng.uniform(-NEAR, NEAR) for name in audible(patch)}
        near = patch.with_knobs({name: min(max(knob, 0.0), 1.0) for name, knob in moved.items()})
        target = play(near, note, 0)
        if refusal(target) is None and refusal(play(patch, note, 0)) is None:
            yield Case(number, patch, note, target)


def audible(patch: Patch) -> list[str]:
    """Audible continuous knobs of a patch, except the volume, which the gain replaces."""
    return [
        row.name for row in TABLE.parameters if not row.discrete and row is not TABLE.level and patch.sounds(row.name)
    ]


def has_slope(name: str, knob: float) -> bool:
    """Whether a knob can move to both sides and is not at a neutral middle."""
    neutral = TABLE.parameter(name).curve is BIPOLAR and abs(knob - 0.5) < STEP
    return STEP <= knob <= 1.0 - STEP and not neutral


def slopes(case: Case, play: Play, corrections: Corrections | None = None) -> list[Slope]:
    """Both slopes of every audible knob that is not "off".

    Args:
        case: patch and target.
        play: renders on the host.
        corrections: learned corrections of the proxy; None for the formulas alone.
    """
    distance = TargetDistance(torch.from_numpy(case.target))
    controls = Controls.from_patches([case.patch], [case.note])
    controls.knobs.requires_grad_()
    with torch.no_grad():
        _, gain = distance.measure(torch.from_numpy(play(case.patch, case.note, 0))[None])
    loss = distance(gain * render(controls, case.note.n_samples, corrections))
    (gradient,) = torch.autograd.grad(loss.sum(), controls.knobs)

    def on_host(patch: Patch, seed: int = 0) -> float:
        with torch.no_grad():
            return float(distance(gain * torch.from_numpy(play(patch, case.note, seed))[None]))

    here = on_host(case.patch)
    floor = max(abs(on_host(case.patch, seed) - here) for seed in FLOOR_SEEDS)
    found = []
    for name in audible(case.patch):
        knob = case.patch[name]
        if has_slope(name, knob):
            higher, lower = (on_host(case.patch.with_knobs({name: knob + step})) for step in (STEP, -STEP))
            proxy, difference = float(gradient[0, TABLE.position(name)]), higher - lower
            found.append(Slope(case.number, name, proxy, difference / (2.0 * STEP), abs(difference), floor))
    return found


def table(found: Sequence[Slope]) -> Iterator[str]:
    """Agreement for each knob, worst first, and for all descended knobs together.

    ``sign`` is the share of the slopes above the floor that agree, ``size`` the median ratio of proxy to host of
    those.
    """
    yield f"{'knob':22s}{'slopes':>7s}{'counted':>8s}{'sign':>7s}{'size':>7s}"
    names = dict.fromkeys(slope.knob for slope in found)
    lines = [(name, [slope for slope in found if slope.knob == name]) for name in names]
    for name, some in sorted(lines, key=lambda line: _agreement(line[1])):
        yield _line(name, some) + ("  searched" if name in SEARCHED else "")
    yield _line("all descended", [slope for slope in found if slope.knob not in SEARCHED])


def _line(title: str, some: Sequence[Slope]) -> str:
    counted = [slope for slope in some if slope.counts]
    ratios = [slope.proxy / slope.host for slope in counted if slope.agrees]
    size = f"{np.median(ratios):7.2f}" if ratios else f"{'-':>7s}"
    agreement = f"{100.0 * _agreement(some):6.0f}%" if counted else f"{'-':>7s}"
    return f"{title:22s}{len(some):7d}{len(counted):8d}{agreement}{size}"


def _agreement(some: Sequence[Slope]) -> float:
    counted = [slope for slope in some if slope.counts]
    return sum(slope.agrees for slope in counted) / len(counted) if counted else math.inf


def write_slopes(found: Sequence[Slope], path: Path) -> None:
    """Write one line per slope; raises ``FileError``."""
    cells = ([value if isinstance(value, int | str) else f"{value:.6g}" for value in astuple(one)] for one in found)
    write_csv(path, [[field.name for field in fields(Slope)], *cells])
