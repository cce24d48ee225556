"""The proxy as a renderer: one patch at a time, like a host."""

from __future__ import annotations

import torch

from proxy.synth.controls import Controls
from proxy.synth.corrections import Corrections
from proxy.synth.voice import render
from render.audio import Audio
from render.instruments.patch import Patch
from render.note import Note


def play(patch: Patch, note: Note, corrections: Corrections | None = None) -> Audio:
    """Render a patch without gradient.

    Args:
        patch: patch to play.
        note: key press, and length of the render.
        corrections: corrections of the proxy; None for the formulas alone.

    Returns:
        Shape ``(2, note.n_samples)``, the key press at sample 0.

    Example:
        >>> from render.noisemaker.table import TABLE
        >>> play(TABLE.default, Note(60, seconds=0.1)).shape
        (2, 4410)
    """
    with torch.no_grad():
        return render(Controls.from_patches([patch], [note]), note.n_samples, corrections)[0].numpy()
