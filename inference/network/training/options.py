"""The settings of a training run."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from inference.network.size import Size
from inference.network.weights import NETWORKS
from render.errors import OutOfRange, UnknownName

DEFAULTS: dict[str, dict[str, Any]] = {
    "chain": {
        "learning_rate": 1.5e-3, "weight_decay": 0.05, "warm_up": 100, "largest_gradient": 5.0, "average": 0.999,
    },
    "transformer": {
        "learning_rate": 1e-3, "weight_decay": 0.05, "warm_up": 500, "largest_gradient": 20.0, "average": 0.999,
    },
}  # fmt: skip
"""Settings of the optimiser that suit each architecture; those of ``chain`` are the defaults of ``TrainOptions``."""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Settings of a training run.

    Attributes:
        model: ``network`` or ``regression``.
        size: inputs, outputs and size of the network.
        start: weights to begin with instead of random ones.
        examples, minutes: when to end; exactly one of them. The learning rate follows a cosine up to there.
        batch: examples per step.
        learning_rate: highest learning rate of AdamW.
        weight_decay: weight decay of AdamW.
        warm_up: steps over which the learning rate rises at the beginning.
        largest_gradient: norm to which longer gradients are shortened.
        average: decay of the moving average of the weights, which is validated and shipped.
        augmented: whether spectrograms are augmented.
        seed: seed of all random numbers.
        device: device of torch.

    Raises:
        UnknownName: for a model that does not exist.
        OutOfRange: for a number that makes no sense.
    """

    model: str = "network"
    size: Size = field(default_factory=Size)
    start: Path | None = None
    examples: int | None = None
    minutes: float | None = None
    batch: int = 64
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warm_up: int = 100
    largest_gradient: float = 5.0
    average: float = 0.999
    augmented: bool = True
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.model not in NETWORKS:
            raise UnknownName("model", self.model, NETWORKS)
        if (self.examples is None) == (self.minutes is None):
            raise OutOfRange("examples and minutes", (self.examples, self.minutes), "exactly one of them")
        length = self.examples if self.examples is not None else self.minutes
        if not length or not 0.0 < length < math.inf:
            raise OutOfRange("examples or minutes", length, "above 0")
        for name in ("warm_up", "batch"):
            if getattr(self, name) < 1:
                raise OutOfRange(name.replace("_", "-"), getattr(self, name), "1 or more")
        for name in ("learning_rate", "largest_gradient"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise OutOfRange(name.replace("_", " "), getattr(self, name), "above 0")
        for name in ("weight_decay", "average"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise OutOfRange(name.replace("_", " "), getattr(self, name), "0 or more, less than 1")

    def fixed(self) -> dict[str, Any]:
        """Settings that must not change when a run is resumed, in JSON's types."""
        ignored = {"start", "examples", "minutes", "device"}
        content = {name: value for name, value in asdict(self).items() if name not in ignored}
        return json.loads(json.dumps(content | {"size": self.size.as_json()}))  # type: ignore[no-any-return]
