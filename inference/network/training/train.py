"""Training of the guess networks on a source of examples.

A run is a pure function of its source and options (without ``minutes``): examples are numbered, and all random numbers
are drawn from the seed and these numbers. So a killed run continues from its last checkpoint to the same result.
"""

from __future__ import annotations

import functools
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from inference.network.coding.editor_heights import FIRST_HEIGHT
from inference.network.coding.variables import N_BINS, N_UNIT
from inference.network.features.augment import augment
from inference.network.model import GuessNetwork, RegressionNetwork
from inference.network.size import Size
from inference.network.training.examples import Batch, ExampleSource
from inference.network.weights import NETWORKS, read_network, read_tensors, write_network, write_tensors
from proxy.tensor_file import must_fit
from render.errors import FormatError, OutOfRange, UnknownName
from render.files import write_text

CHECKPOINT_FILE, LOG_FILE = "checkpoint.safetensors", "log.jsonl"

_WARM_UP_STEPS = 100
_LAST_RATE = 0.02  # of the learning rate, at the end of the cosine
_LARGEST_GRADIENT = 5.0
_WEIGHT_OF_HEIGHTS = 0.25  # loss weight of the envelope editor's heights, which are memorised first
_BLUR_BINS = 1.0  # standard deviation
_STEP = 2  # stream of random numbers


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Settings of a training run.

    Attributes:
        model: ``network`` or ``regression``.
        size: inputs, outputs and size of the network.
        start: weights to begin with instead of random ones.
        encoder: weights of a guess network, of any coding, whose encoder to begin with.
        frozen: whether the encoder's convolutions are frozen and only the following layers are trained, which takes
            half of the time; for a new coding on a trained encoder.
        examples, minutes: when to end; exactly one of them. The learning rate follows a cosine up to there.
        batch: examples per step.
        learning_rate: highest learning rate of AdamW.
        weight_decay: weight decay of AdamW.
        average: decay of the moving average of the weights, which is validated and shipped.
        augmented: whether spectrograms are augmented.
        seed: seed of all random numbers.
        device: device of torch.
    """

    model: str = "network"
    size: Size = field(default_factory=Size)
    start: Path | None = None
    encoder: Path | None = None
    frozen: bool = False
    examples: int | None = None
    minutes: float | None = None
    batch: int = 64
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
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

    def fixed(self) -> dict[str, Any]:
        """Settings that must not change when a run is resumed, in JSON's types."""
        ignored = {"start", "encoder", "examples", "minutes", "device"}
        content = {name: value for name, value in asdict(self).items() if name not in ignored}
        return json.loads(json.dumps(content | {"size": self.size.as_json()}))  # type: ignore[no-any-return]


Judge = Callable[[GuessNetwork | RegressionNetwork], dict[str, Any]]
"""Returns figures of a network for the log."""


class Training:
    """A training run: the network, its optimiser and its progress.

    Args:
        source: examples to train on.
        options: settings of the run.
        folder: folder of the checkpoint, the log and the weights; a checkpoint in it is resumed.

    Raises:
        FormatError: if the checkpoint is of another run.
    """

    def __init__(self, source: ExampleSource, options: TrainOptions, folder: Path) -> None:
        self.source, self.options, self.folder = source, options, folder
        self.step, self.seconds = 0, 0.0
        self.waited = 0.0
        torch.manual_seed(options.seed)
        self.network = NETWORKS[options.model](options.size)
        if options.start is not None:
            self.network.load_state_dict(read_network(options.start, options.model, options.size).state_dict())
        elif isinstance(self.network, GuessNetwork):
            shares = source.frequencies()
            self.network.chain.begin_with([torch.from_numpy(share).float() for share in shares])
        if options.encoder is not None:
            with must_fit(options.encoder, "encoder"):
                self.network.encoder.load_state_dict(read_network(options.encoder, "network").encoder.state_dict())
        if options.frozen:
            for name, weight in self.network.encoder.named_parameters():
                weight.requires_grad_(name.startswith("out."))
        self.average = NETWORKS[options.model](options.size)
        self.average.load_state_dict(self.network.state_dict())
        for network in (self.network, self.average):
            network.to(options.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, fused=True
        )
        if (folder / CHECKPOINT_FILE).exists():
            self._resume()

    @property
    def seen(self) -> int:
        """Number of examples so far, counted every time that one is used."""
        return self.step * self.options.batch

    @property
    def progress(self) -> float:
        """Share of the run that is done; 1 or more when it is over."""
        if self.options.examples is not None:
            return self.seen / self.options.examples
        assert self.options.minutes is not None
        return self.seconds / (60.0 * self.options.minutes)

    def take_step(self) -> float:
        """Train on the next batch; returns its loss."""
        before = time.monotonic()
        batch = self._next_batch()
        torch.manual_seed(hash((self.options.seed, self.step)))  # of the dropout
        progress = min(self.progress, 1.0)
        rate = _LAST_RATE + (1.0 - _LAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * progress))
        self.optimizer.param_groups[0]["lr"] = (
            self.options.learning_rate * rate * min((self.step + 1) / _WARM_UP_STEPS, 1.0)
        )
        self.network.train()
        if self.options.frozen:
            self.network.encoder.eval().dropout.train()
        with torch.autocast(self.options.device.split(":")[0], torch.bfloat16):
            loss = loss_of(self.network, batch)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        self.optimizer.step()
        self.step += 1
        self._move_average()
        self.seconds += time.monotonic() - before
        return float(loss.detach())

    def save(self) -> None:
        """Write the checkpoint and the averaged weights, each as a whole; raises ``FileError``."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        for k, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{k}.{name}": tensor for name, tensor in state.items()}
        description = {"options": self.options.fixed(), "source": self.source.identity(), "step": self.step}
        tensors = {name: tensor.cpu() for name, tensor in tensors.items()}
        write_tensors(self.folder / CHECKPOINT_FILE, tensors, description | {"seconds": self.seconds})
        weights = {name: tensor.cpu() for name, tensor in self.average.state_dict().items()}
        write_network(self.folder / f"{self.options.model}.safetensors", self.options.model, self.options.size, weights)

    def _resume(self) -> None:
        path = self.folder / CHECKPOINT_FILE
        tensors, description = read_tensors(path)
        for name, expected in (("options", self.options.fixed()), ("source", self.source.identity())):
            if description.get(name) != expected:
                raise FormatError(f"{path} has {name} {description.get(name)}; allowed: {expected}, or another folder")
        self.step, self.seconds = description["step"], description["seconds"]
        self.network.load_state_dict(_below("network.", tensors))
        self.average.load_state_dict(_below("average.", tensors))
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in _below("optimizer.", tensors).items():
            k, _, field = name.partition(".")
            state.setdefault(int(k), {})[field] = tensor
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})

    def _next_batch(self) -> Batch:
        rng = np.random.default_rng((self.options.seed, _STEP, self.step))
        began = time.monotonic()
        batch = self.source.batch(self.seen, self.seen + self.options.batch)
        self.waited += time.monotonic() - began
        spectrograms = batch.spectrograms
        if self.options.augmented:
            spectrograms = augment(spectrograms, torch.Generator().manual_seed(int(rng.integers(2**62))))
        device = self.options.device
        return Batch(spectrograms.to(device), batch.notes.to(device), batch.codes.to(device), batch.knobs.to(device))

    def _move_average(self) -> None:
        keep = min(self.options.average, (1.0 + self.step) / (10.0 + self.step))
        with torch.no_grad():
            for kept, weight in zip(self.average.parameters(), self.network.parameters(), strict=True):
                kept.lerp_(weight, 1.0 - keep)
            for copied, buffer in zip(self.average.buffers(), self.network.buffers(), strict=True):
                copied.copy_(buffer)


def loss_of(network: GuessNetwork | RegressionNetwork, batch: Batch) -> torch.Tensor:
    """Nats per clip, or mean squared error of the knobs."""
    if isinstance(network, GuessNetwork):
        blur = blurred_bins().to(batch.codes.device)
        nats: torch.Tensor = network(batch.spectrograms, batch.notes, batch.codes, blur)
        nats[:, network.coding.index(FIRST_HEIGHT) :] *= _WEIGHT_OF_HEIGHTS
        return nats.sum(dim=1).mean()
    return functional.mse_loss(network(batch.spectrograms, batch.notes), batch.knobs)


@functools.cache
def blurred_bins() -> torch.Tensor:
    """Target distributions of a continuous variable's categories, smoothed over neighbouring bins.

    Shape:
        Returns: ``(N_UNIT, N_UNIT)``, rows of sum 1.
    """
    bins = torch.arange(N_BINS)
    near = torch.exp(-0.5 * ((bins[:, None] - bins) / _BLUR_BINS).square())
    result = torch.eye(N_UNIT)
    result[:N_BINS, :N_BINS] = near / near.sum(dim=1, keepdim=True)
    return result


def train(
    training: Training,
    judge: Judge | None,
    *,
    save_seconds: float = 120.0,
    judge_seconds: float = 600.0,
    on_step: Callable[[Training, float], None] | None = None,
    on_judged: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Train to the end, with checkpoints and validation in between.

    Args:
        training: the run, new or resumed.
        judge: returns figures of the averaged network; None for no validation.
        save_seconds: seconds between checkpoints.
        judge_seconds: seconds between validations; there is always one at the end.
        on_step: called with the run and a running mean of the loss after every step.
        on_judged: called with each line of the log.

    Raises:
        FileError: if a file cannot be written.
    """
    log = _kept_log(training.folder / LOG_FILE, training.step)
    saved = judged = time.monotonic()
    running = math.nan
    while training.progress < 1.0:
        loss = training.take_step()
        running = loss if math.isnan(running) else running + 0.01 * (loss - running)
        if on_step is not None:
            on_step(training, running)
        now = time.monotonic()
        over = training.progress >= 1.0
        if over or now - judged >= judge_seconds:
            line = {"step": training.step, "seconds": round(training.seconds, 1), "loss": running}
            line["examples"] = training.seen
            line |= {} if judge is None else judge(training.average)
            log.append(line)
            if on_judged is not None:
                on_judged(line)
            judged = time.monotonic()
        if over or now - saved >= save_seconds:
            training.save()
            write_text(training.folder / LOG_FILE, "".join(json.dumps(line) + "\n" for line in log))
            saved = time.monotonic()


def _kept_log(path: Path, step: int) -> list[dict[str, Any]]:
    """The lines of a log up to a step; what a killed run wrote after its checkpoint is repeated by the resumed one."""
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [line for line in lines if line["step"] <= step]


def _below(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
