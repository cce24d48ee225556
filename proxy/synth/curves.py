"""The instrument's curves in torch, for knobs of any shape; ``render.noisemaker.curves`` has their table and their
inverses.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def log20(knob: Tensor) -> Tensor:
    """``(20^v - 1) / 19``: 0 to 1."""
    return torch.expm1(math.log(20.0) * knob) / 19.0


def log8(knob: Tensor) -> Tensor:
    """``(8^v - 1) / 7``: 0 to 1."""
    return torch.expm1(math.log(8.0) * knob) / 7.0


def cube(knob: Tensor) -> Tensor:
    """``(2v - 1)^3``: -1 to 1, flat around the middle."""
    centred = 2.0 * knob - 1.0
    return centred * centred * centred


def gain(knob: Tensor) -> Tensor:
    """The master volume, ``(400^v - 1) / 19``."""
    return torch.expm1(math.log(400.0) * knob) / 19.0
