"""A source of examples for tests: noise whose codes are draws of the prior, each a function of its number.

The first knob is the number.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inference.network.coding.codings import SOUND
from inference.network.coding.variables import Coding
from inference.network.features.log_mel import SHAPE, as_batch
from inference.network.training.examples import Batch
from render.noisemaker.prior import draw

_DRAWN = 16


class NumberedExamples:
    """An ``ExampleSource``; ``asked`` lists the ranges that were asked for.

    Args:
        period: number of different examples; they come again and again then.
    """

    def __init__(self, period: int = 1 << 30) -> None:
        self.period, self.asked = period, list[tuple[int, int]]()

    @property
    def coding(self) -> Coding:
        return SOUND

    def identity(self) -> Any:
        return {"period": self.period}

    def frequencies(self) -> list[NDArray[np.float64]]:
        return [np.full(size, 1.0 / size) for size in SOUND.sizes]

    def batch(self, start: int, stop: int) -> Batch:
        self.asked.append((start, stop))
        numbers = np.arange(start, stop) % self.period
        codes, knobs = _drawn()
        notes = numbers % 129
        return Batch(
            spectrograms=as_batch(
                np.stack([np.random.default_rng(n).integers(0, 256, SHAPE, np.uint8) for n in numbers])
            ),
            notes=torch.from_numpy(notes),
            codes=torch.from_numpy(SOUND.relative(codes[numbers % _DRAWN], notes)),
            knobs=torch.from_numpy(np.column_stack([numbers, knobs[numbers % _DRAWN, 1:]]).astype(np.float32)),
        )


@cache
def _drawn() -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    drawn = [draw(5, index) for index in range(_DRAWN)]
    patches = [patch for patch, _ in drawn]
    return SOUND.encode(patches, [note for _, note in drawn]), np.array([patch.knobs for patch in patches], np.float32)
