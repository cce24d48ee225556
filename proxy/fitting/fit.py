"""Training: the corrections are fitted to renders by gradient descent on the multi-resolution STFT loss.

The formulas come close to begin with, and what is left differs by orders of magnitude from sound to sound: the
plug-in's random numbers in one, a hundredth of a decibel in the next. So it is the mean *logarithm* of the distances
that is minimised: a tenth off any of them counts the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from proxy.fitting.settings import Settings
from proxy.loss.distance import TargetDistance
from proxy.synth.controls import SEARCHED, Controls
from proxy.synth.corrections import Corrections
from proxy.synth.voice import render
from render.audio import Audio
from render.data.accept import SILENT_PEAK
from render.data.shards import Dataset
from render.errors import FileError, FormatError
from render.files import write_bytes
from render.instruments.patch import Patch
from render.measures.golden import GoldenRow
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note

CHECKPOINT_SCHEMA = 1
LONGEST_SECONDS = 2.0
"""What lies behind it in a render is not looked at."""
TINY = 1e-4
"""Added to a distance before its logarithm: about the distance of a render from itself after 16-bit storage."""
ADAM = (0.9, 0.99)

KEPT = SEARCHED | {
    *("osc1pw", "osc2fm", "oscbitcrusher", "vintagenoise", "lfo1amount", "lfo2amount"),
    *("freeadattack", "freeaddecay", "freeadamount", "envelopeeditoramount"),
}
"""Knobs whose curves are not learned: gradients along them are the least true (``docs/proxy.md``)."""


@dataclass(frozen=True)
class Example:
    """A render to imitate; audio ``(2, samples)``."""

    patch: Patch
    note: Note
    audio: Audio


class Examples:
    """The renders of each step, drawn from golden ones and from a data set.

    Args:
        golden: rows that may be fitted to.
        data: shards made by ``python -m render dataset``.
        settings: shares and seed.

    Raises:
        FileError: if there is nothing to draw from.
    """

    def __init__(self, golden: Sequence[GoldenRow], data: Dataset | None, settings: Settings) -> None:
        self.golden = [row for row in golden if row.peak >= SILENT_PEAK]
        self.data, self.settings = data, settings
        if not self.golden and not data:
            raise FileError("there is nothing to fit to: no golden renders, no data set")

    def step(self, number: int) -> list[Example]:
        """The renders of a step, a function of the seed and the number. Golden ones come in turn, newly shuffled."""
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
            for index in rng.integers(len(self.data), size=settings.items - n_golden).tolist():
                kept = self.data[index]
                examples.append(Example(kept.patch, kept.note, kept.audio))
        return examples


class Fit:
    """A fit under way.

    Args:
        examples: what to imitate.
        settings: how.
        corrections: where to start; fresh ones by default.

    Attributes:
        corrections: as they are now.
        step: how many steps are done.
    """

    def __init__(self, examples: Examples, settings: Settings, corrections: Corrections | None = None) -> None:
        self.examples, self.settings = examples, settings
        self.corrections = Corrections() if corrections is None else corrections
        self.step = 0
        self._adam = torch.optim.Adam(self.corrections.parameters(), lr=settings.rate, betas=ADAM)
        learned = [not (row.discrete or row.silent or row.name in KEPT) for row in TABLE.parameters]
        self._learned = torch.tensor(learned)[:, None]

    def steps(self) -> Iterator[dict[str, float]]:
        """Do the steps that are left; yields what each one measured."""
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
        """One step of Adam; the knobs of ``KEPT`` keep their curves."""
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
        """Write a checkpoint; raises ``FileError``."""
        tensors = {f"now.{name}": tensor.detach() for name, tensor in self.corrections.named_parameters()}
        for (name, _), state in zip(
            self.corrections.named_parameters(), self._adam.state_dict()["state"].values(), strict=False
        ):
            tensors |= {f"{key}.{name}": tensor for key, tensor in state.items()}
        said = self._said() | {"step": self.step}
        write_bytes(path, save({k: v.contiguous() for k, v in tensors.items()}, {"description": json.dumps(said)}))

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            FileError: if it cannot be read.
            FormatError: if it is damaged, of another table or schema, or was made with other settings.
        """
        try:
            with safe_open(path, "pt") as file:
                said: Mapping[str, Any] = json.loads((file.metadata() or {})["description"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except OSError as error:
            raise FileError(f"cannot read {path}: {error.strerror or error}") from error
        except (SafetensorError, KeyError, ValueError) as error:
            raise FormatError(f"{path} is no checkpoint: {error}") from error
        for name, expected in self._said().items():
            if said.get(name) != expected:
                raise FormatError(f"{path} has {name} {said.get(name)!r}; allowed: {expected!r}")
        state = self._adam.state_dict()
        names = [name for name, _ in self.corrections.named_parameters()]
        try:
            self.corrections.load_state_dict({name: tensors[f"now.{name}"] for name in names})
            for number, name in enumerate(names):
                state["state"][number] = {key: tensors[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
        except (KeyError, RuntimeError) as error:
            raise FormatError(f"{path} does not fit: {str(error).splitlines()[0]}") from error
        self._adam.load_state_dict(state)
        self.step = int(said["step"])

    def _said(self) -> dict[str, Any]:
        return {"schema": CHECKPOINT_SCHEMA, "table_hash": TABLE.hash, "settings": asdict(self.settings)}


def distances_of(examples: Sequence[Example], corrections: Corrections | None) -> Tensor:
    """How far the proxy is from each render, at their own level.

    Shape:
        ``(examples,)``.
    """
    lengths = [min(one.audio.shape[1], round(LONGEST_SECONDS * SAMPLE_RATE)) for one in examples]
    controls = Controls.from_patches([one.patch for one in examples], [one.note for one in examples])
    audio = render(controls, max(lengths), corrections)
    parts = []
    for item, (one, length) in enumerate(zip(examples, lengths, strict=True)):
        target = torch.from_numpy(np.ascontiguousarray(one.audio[:, :length], np.float32))
        parts.append(TargetDistance(target)(audio[item : item + 1, :, :length]))
    return torch.cat(parts)
