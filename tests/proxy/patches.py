"""Patches for the tests of the differentiable synthesizer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from proxy.synth.controls import Controls
from render.instruments.patch import Patch
from render.noisemaker.envelope_editor import EnvelopePoint
from render.noisemaker.table import TABLE
from render.note import Note

POINTS = (
    EnvelopePoint(0.0, 0.2, 0.0, 0.2, 0.1, 0.9),
    EnvelopePoint(0.3, 0.8, 0.2, 0.8, 0.4, 0.7),
    EnvelopePoint(1.0, 0.4, 0.8, 0.1, 1.0, 0.4),
)
"""A curve for the envelope editor."""

NO_EFFECTS = {"delaywet": 0.0, "reverbwet": 0.0, "chorus1enable": 0.0, "chorus2enable": 0.0}


def random_patch(seed: int, **knobs: float) -> Patch:
    """Any knobs but the given ones."""
    values = np.random.default_rng(seed).uniform(0.05, 0.95, len(TABLE.names))
    return Patch(TABLE, tuple(values), POINTS).snapped().with_knobs(knobs)


def settings(**choices: str) -> dict[str, float]:
    """Knobs of some choices."""
    rows = {row.name: row for row in TABLE.parameters}
    return {name: rows[name].knob(choice) for name, choice in choices.items()}


def extremes(value: float) -> Iterator[Patch]:
    """Patches with every continuous knob at 0 or 1 and every choice in turn."""
    for turn in range(8):
        knobs = [row.choice_knobs[turn % len(row.choices)] if row.discrete else value for row in TABLE.parameters]
        yield Patch(TABLE, tuple(knobs), POINTS)


def controls(*patches: Patch, note: Note | None = None, dtype: torch.dtype = torch.float64) -> Controls:
    """Controls of some patches, all with the same note."""
    return Controls.from_patches(patches, [note or Note(57, 90, 0.02, 0.05)] * len(patches), dtype=dtype)
