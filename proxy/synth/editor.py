"""The envelope editor's curve over a note, differentiable in the curve."""

from __future__ import annotations

import torch
from torch import Tensor

from render.noisemaker.facts import EDITOR_LOOP_SECONDS, EDITOR_SPEEDS
from render.note import SAMPLE_RATE


def curve(points: Tensor, speed: Tensor, one_shot: Tensor, n_samples: int) -> Tensor:
    """The curve's height over a note, with straight lines between its points.

    Args:
        points: heights at even distances over one loop, both ends included.
        speed: position in ``facts.EDITOR_SPEEDS``, int64.
        one_shot: whether to hold the last value after one loop.
        n_samples: length.

    Shape:
        points: ``(batch, points)``
        speed: ``(batch,)``
        one_shot: ``(batch,)``
        output: ``(batch, n_samples)``
    """
    factors = torch.tensor(EDITOR_SPEEDS, dtype=torch.float64, device=points.device)[speed]
    loops = factors / (EDITOR_LOOP_SECONDS * SAMPLE_RATE)
    position = torch.arange(n_samples, device=points.device) * loops[:, None]  # (batch, samples)
    position = torch.where(one_shot[:, None], position.clamp(max=1.0), position.frac()) * (points.shape[1] - 1)
    index = position.long().clamp(max=points.shape[1] - 2)
    fraction = (position - index).to(points.dtype)
    return torch.lerp(points.gather(1, index), points.gather(1, index + 1), fraction)
