"""What the differentiable synthesizer plays: a batch of patches and notes or chords as tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from render.errors import OutOfRange, ReconstructError, UnknownName
from render.instruments.patch import Patch
from render.noisemaker.envelope_editor import INITIAL_POINTS, spline
from render.noisemaker.pitches import sounding_keys
from render.noisemaker.table import TABLE
from render.note import Note

EDITOR_POINTS = 1025
"""Points over one loop of the envelope editor's curve, both ends included: 8 ms apart in the slowest loop."""

DISCRETE = tuple(row.name for row in TABLE.parameters if row.discrete)

SEARCHED = frozenset(row.name for row in TABLE.parameters if not row.discrete and not row.descended)
"""Continuous knobs whose gradient is misleading, so that they are searched and not descended (``docs/proxy.md``)."""


class WrongShape(ReconstructError):
    """A tensor does not have the shape or dtype that is needed."""

    def __init__(self, name: str, tensor: Tensor, allowed: str) -> None:
        super().__init__(f"{name} has shape {tuple(tensor.shape)} and type {tensor.dtype}; allowed: {allowed}")


@dataclass(frozen=True)
class Controls:
    """A batch of patches, each with its note.

    Attributes:
        knobs: 0..1, one row per patch, columns in the table's order, ``(batch, parameters)``; may require a gradient.
            Columns of discrete parameters are not read.
        choices: for every discrete parameter the position of the choice, ``(batch,)`` int64, or one weight per choice,
            ``(batch, choices)``, which may require a gradient. Waveforms, destinations and switches of effects sound
            as the weighted sum of their choices; every other parameter takes the choice of the largest weight.
        number: MIDI note numbers, ``(batch,)``; or ``(batch, voices)`` for chords, NaN for a voice that an item lacks.
        velocity: MIDI velocities, ``(batch,)``.
        gate_seconds: how long each key is held, ``(batch,)``.
        editor: the envelope editor's curve over one loop, 0..1, ``(batch, EDITOR_POINTS)``.
        factors: learned corrections by name, scalars or ``(batch,)``; a missing one counts as 1.

    Raises:
        WrongShape: for a tensor of the wrong shape or kind.
        OutOfRange: for a knob or point outside 0..1 or not finite, an index outside its choices, or a note, velocity
            or gate that is not finite.
        UnknownName: for a missing or unknown discrete parameter.
    """

    knobs: Tensor
    choices: Mapping[str, Tensor]
    number: Tensor
    velocity: Tensor
    gate_seconds: Tensor
    editor: Tensor
    factors: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.knobs.ndim != 2 or self.knobs.shape[1] != len(TABLE.names) or not self.knobs.is_floating_point():
            raise WrongShape("knobs", self.knobs, f"(batch, {len(TABLE.names)}) of floats")
        _check_unit("knob", self.knobs, TABLE.names)
        batch = (len(self.knobs),)
        for name in ("number", "velocity", "gate_seconds"):
            tensor: Tensor = getattr(self, name)
            voices = tensor.shape[1:] if name == "number" else ()
            if tensor.shape != (*batch, *voices) or len(voices) > 1 or 0 in voices:
                raise WrongShape(name, tensor, f"{batch}")
            if not bool((tensor[:, 0] if voices else tensor).isfinite().all()):
                raise OutOfRange(name, tensor.tolist(), "finite numbers")
        if self.editor.shape != (*batch, EDITOR_POINTS):
            raise WrongShape("editor", self.editor, f"({len(self.knobs)}, {EDITOR_POINTS})")
        _check_unit("editor point", self.editor)
        for name in {*DISCRETE, *self.choices}:
            if name not in self.choices or name not in DISCRETE:
                raise UnknownName("discrete parameter", name, DISCRETE)
            self._check_choice(name, self.choices[name])

    def _check_choice(self, name: str, choice: Tensor) -> None:
        batch, n_choices = len(self.knobs), len(TABLE.parameter(name).choices)
        if choice.shape == (batch,) and choice.dtype == torch.int64:
            if not bool(((choice >= 0) & (choice < n_choices)).all()):
                raise OutOfRange(f"choice of {name}", choice.tolist(), f"0 to {n_choices - 1}")
        elif choice.shape != (batch, n_choices) or not choice.is_floating_point():
            raise WrongShape(f"choice of {name}", choice, f"({batch},) of int64 or ({batch}, {n_choices}) of floats")
        elif not bool(choice.isfinite().all()):
            raise OutOfRange(f"weights of {name}", choice.tolist(), "finite numbers")

    @classmethod
    def from_patches(
        cls,
        patches: Sequence[Patch],
        notes: Sequence[Note],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Controls:
        """Controls of patches and as many notes.

        Args:
            patches: one or more.
            notes: a key press for each patch.
            dtype: floating-point type of the tensors.
            device: where the tensors lie.

        Raises:
            OutOfRange: if there is no patch, or not one note for each.
        """
        if len(patches) != len(notes) or not patches:
            raise OutOfRange(
                "number of notes", len(notes), f"one for each of {len(patches)} patches, of which 1 or more"
            )

        def tensor(values: ArrayLike) -> Tensor:
            return torch.as_tensor(np.asarray(values, np.float64), dtype=dtype, device=device)

        positions = np.linspace(0.0, 1.0, EDITOR_POINTS)
        curves = [spline(p.extra if len(p.extra) > 1 else INITIAL_POINTS, positions) for p in patches]
        return cls(
            knobs=tensor([patch.snapped().knobs for patch in patches]),
            choices={name: torch.tensor([p.index(name) for p in patches], device=device) for name in DISCRETE},
            number=tensor(_numbers(patches, notes)),
            velocity=tensor([note.velocity for note in notes]),
            gate_seconds=tensor([note.gate_seconds for note in notes]),
            editor=tensor(np.clip(curves, 0.0, 1.0)),
        )

    @property
    def voices(self) -> tuple[Tensor, ...]:
        """MIDI note numbers of each voice, ``(batch,)``; a voice that an item lacks is NaN."""
        return self.number.unbind(1) if self.number.ndim == 2 else (self.number,)

    @property
    def batch(self) -> int:
        """Number of patches."""
        return len(self.knobs)

    @cached_property
    def _columns(self) -> tuple[Tensor, ...]:
        return self.knobs.unbind(1)

    def knob(self, name: str) -> Tensor:
        """Knobs of a continuous parameter, shape ``(batch,)``; raises ``UnknownName``."""
        return self._columns[TABLE.position(name)]

    def choice(self, name: str) -> Tensor:
        """Positions of a discrete parameter's choices, shape ``(batch,)``.

        Where weights are given, it is the position of the largest one.
        """
        choice = self._given(name)
        return choice if choice.ndim == 1 else choice.argmax(1)

    def weights(self, name: str) -> Tensor:
        """Weights of a discrete parameter's choices, shape ``(batch, choices)``; 0 and 1 where positions are given."""
        choice = self._given(name)
        if choice.ndim == 2:
            return choice
        return torch.nn.functional.one_hot(choice, len(TABLE.parameter(name).choices)).to(self.knobs)

    def weight(self, name: str, choice: str) -> Tensor:
        """Weights of one choice, shape ``(batch,)``; raises ``UnknownName``."""
        choices = TABLE.parameter(name).choices
        if choice not in choices:
            raise UnknownName(f"{name} choice", choice, choices)
        return self.weights(name)[:, choices.index(choice)]

    def factor(self, name: str) -> Tensor | float:
        """A learned correction, 1 unless there is one."""
        return self.factors.get(name, 1.0)

    def _given(self, name: str) -> Tensor:
        if name not in self.choices:
            raise UnknownName("discrete parameter", name, DISCRETE)
        return self.choices[name]


def _numbers(patches: Sequence[Patch], notes: Sequence[Note]) -> list[float] | list[list[float]]:
    """Keys that sound; one row for each chord, or numbers if there is no chord."""
    keys = [sounding_keys(patch, note) for patch, note in zip(patches, notes, strict=True)]
    most = max(map(len, keys))
    return [[*one, *[math.nan] * (most - len(one))] for one in keys] if most > 1 else [float(one[0]) for one in keys]


def _check_unit(name: str, values: Tensor, columns: Sequence[str] | None = None) -> None:
    wrong = ~((values >= 0.0) & (values <= 1.0))  # true for NaN too
    if bool(wrong.any()):
        row, column = wrong.nonzero()[0].tolist()
        what = columns[column] if columns else column
        raise OutOfRange(f"{name} {what} of item {row}", float(values[row, column]), "0 to 1")
