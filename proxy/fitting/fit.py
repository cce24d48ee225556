"""The fit of the corrections to renders, by gradient descent on the multi-resolution STFT distance.

The formulas are close from the start, and the remaining distance differs by orders of magnitude from sound to sound:
the plug-in's random numbers in one, a hundredth of a decibel in another. The fit therefore minimises the mean
*logarithm* of the distances, so that ten percent less counts the same for each of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from proxy.fitting.settings import Settings
from proxy.loss.distance import TargetDistance
from proxy.synth.controls import Controls
from proxy.synth.corrections import Corrections
from proxy.synth.voice import render
from proxy.tensor_file import must_fit, read_tensors, write_tensors
from render.audio import Audio
from render.data.accept import SILENT_PEAK
from render.data.shards import Dataset
from render.errors import FileError
from render.instruments.patch import Patch
from render.measures.golden import GoldenRow
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note

CHECKPOINT = "fit checkpoint"
CHECKPOINT_SCHEMA = 1
LONGEST_SECONDS = 2.0
"""Only this much of the beginning of each render is compared."""
TINY = 1e-4
"""Added to a distance before its logarithm: about the distance of a render from itself after 16-bit storage."""
ADAM = (0.9, 0.99)
"""Decay rates of Adam's two moments."""


@dataclass(frozen=True)
class Example:
    """A render to imitate.

    Attributes:
        patch: patch that was rendered.
        note: key press that it was rendered with.
        audio: the render, ``(2, samples)``.
    """

    patch: Patch
    note: Note
    audio: Audio


class Examples:
    """The renders of each step, drawn from golden ones and from a data set.

    Args:
        golden: golden rows for fitting.
        data: data set made by ``python -m render dataset``.
        settings: number of renders in a step, share of golden ones, and seed.
        rows: rows of the data set for fitting; all of them if missing.

    Raises:
        FileError: if there are neither golden rows nor a data set.
    """

    def __init__(
        self, golden: Sequence[GoldenRow], data: Dataset | None, settings: Settings, rows: range | None = None
    ) -> None:
        self.rows = range(len(data or ())) if rows is None else rows
        self.golden = [row for row in golden if row.peak >= SILENT_PEAK]
        self.data, self.settings = data, settings
        if not self.golden and not data:
            raise FileError("there is nothing to fit to: no golden renders, no data set")

    def step(self, number: int) -> list[Example]:
        """The renders of a step, a pure function of the seed and the step's number.

        Golden rows are used one after the other, in an order that is shuffled again each time all have been used.

        Args:
            number: number of the step, from 0.
        """
        settings = self.settings
        n_golden = round(settings.items * settings.golden_share) if self.data else settings.items
        n_golden = n_golden if self.golden else 0
        examples = []
        for position in range(number * n_golden, (number + 1) * n_golden):
            turn, place = divmod(position, len(self.golden))
            order = np.random.default_rng((settings.seed, turn)).permutation(len(self.golden))
            row = self.golden[order[place]]
            examples.append(Example(row.patch, row.note, row.audio()))
        if self.data:
            rng = np.random.default_rng((settings.seed, number, 1))
            for place in rng.integers(len(self.rows), size=settings.items - n_golden).tolist():
                kept = self.data[self.rows[place]]
                examples.append(Example(kept.patch, kept.note, kept.audio))
        return examples


class Fit:
    """A fit of corrections to renders, which can be interrupted and resumed.

    Args:
        examples: renders to imitate.
        settings: options of the fit.
        corrections: corrections to start from; fresh ones by default.

    Attributes:
        corrections: the corrections after the steps so far.
        step: number of steps so far.
    """

    def __init__(self, examples: Examples, settings: Settings, corrections: Corrections | None = None) -> None:
        self.examples, self.settings = examples, settings
        self.corrections = Corrections() if corrections is None else corrections
        self.step = 0
        self._adam = torch.optim.Adam(self.corrections.parameters(), lr=settings.rate, betas=ADAM)
        learned = [row.learned and not row.discrete and not row.silent for row in TABLE.parameters]
        self._learned = torch.tensor(learned)[:, None]

    def steps(self) -> Iterator[dict[str, float]]:
        """Take the remaining steps.

        Yields:
            After each step its number, the mean logarithm of the distances (``loss``), and the number of renders whose
            distance was not finite and that were left out (``lost``).
        """
        while self.step < self.settings.steps:
            examples = self.examples.step(self.step)
            self._adam.zero_grad()
            logs: list[float] = []
            for first in range(0, len(examples), self.settings.part):
                part = examples[first : first + self.settings.part]
                distances = distances_of(part, self.corrections)
                heard = distances[distances.isfinite()]
                log = torch.log(heard + TINY)
                torch.autograd.backward(log.sum() / len(examples))
                logs += log.tolist()
            self._update()
            self.step += 1
            yield {"step": self.step, "loss": sum(logs) / len(logs), "lost": len(examples) - len(logs)}

    def _update(self) -> None:
        """Take one step of Adam; the curves of knobs that are not learned (``Parameter.learned``) do not change."""
        settings = self.settings
        for one in self.corrections.parameters():
            assert one.grad is not None
            one.grad.nan_to_num_(0.0, 0.0, 0.0).add_(one.detach(), alpha=settings.pull / one.numel())
        assert self.corrections.bends.grad is not None
        self.corrections.bends.grad.mul_(self._learned)
        for group in self._adam.param_groups:
            group["lr"] = settings.rate * 0.5 * (1.0 + math.cos(math.pi * self.step / settings.steps))
        self._adam.step()

    def save(self, path: Path) -> None:
        """Write a checkpoint.

        Args:
            path: file to write.

        Raises:
            FileError: if the file cannot be written.
        """
        tensors = {f"now.{name}": tensor for name, tensor in self.corrections.named_parameters()}
        for (name, _), state in zip(
            self.corrections.named_parameters(), self._adam.state_dict()["state"].values(), strict=False
        ):
            tensors |= {f"{key}.{name}": tensor for key, tensor in state.items()}
        fields = self._options() | {"step": self.step}
        write_tensors(path, tensors, kind=CHECKPOINT, schema=CHECKPOINT_SCHEMA, fields=fields)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint.

        Args:
            path: file to read.

        Raises:
            FileError: if the file cannot be read.
            FormatError: if it is damaged, of another table or schema, or was made with other settings.
        """
        tensors, description = read_tensors(path, kind=CHECKPOINT, schema=CHECKPOINT_SCHEMA, expected=self._options())
        state = self._adam.state_dict()
        names = [name for name, _ in self.corrections.named_parameters()]
        with must_fit(path, CHECKPOINT):
            self.corrections.load_state_dict({name: tensors[f"now.{name}"] for name in names})
            for number, name in enumerate(names):
                state["state"][number] = {key: tensors[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
            self.step = int(description["step"])
        self._adam.load_state_dict(state)

    def _options(self) -> dict[str, Any]:
        """Settings with which a checkpoint must have been made."""
        return {"settings": asdict(self.settings)}


def distances_of(examples: Sequence[Example], corrections: Corrections | None) -> Tensor:
    """Distance of the proxy from each render, at the level that both have.

    Args:
        examples: renders, of any lengths.
        corrections: corrections of the proxy; None for the formulas alone.

    Shape:
        Returns: ``(examples,)``.
    """
    lengths = [min(one.audio.shape[1], round(LONGEST_SECONDS * SAMPLE_RATE)) for one in examples]
    controls = Controls.from_patches([one.patch for one in examples], [one.note for one in examples])
    audio = render(controls, max(lengths), corrections)
    parts = []
    for item, (one, length) in enumerate(zip(examples, lengths, strict=True)):
        target = torch.from_numpy(np.ascontiguousarray(one.audio[:, :length], np.float32))
        parts.append(TargetDistance(target)(audio[item : item + 1, :, :length]))
    return torch.cat(parts)
