"""Training of the guess networks on a source of examples.

A run is a pure function of its source and options (without ``minutes``): examples are numbered, and all random numbers
are drawn from the seed and these numbers. So a killed run continues from its last checkpoint to the same result.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from inference.network.features.augment import augment
from inference.network.model import GuessNetwork, RegressionNetwork
from inference.network.training.examples import Batch, ExampleSource
from inference.network.training.loss import loss_of
from inference.network.training.options import TrainOptions
from inference.network.transformer import TransformerEncoder
from inference.network.weights import NETWORKS, read_network, read_tensors, write_network, write_tensors
from render.errors import FormatError, OutOfRange
from render.files import write_text

CHECKPOINT_FILE, LOG_FILE = "checkpoint.safetensors", "log.jsonl"

_LAST_RATE = 0.02  # of the learning rate, at the end of the cosine
_STEP = 2  # stream of random numbers
_REPORTED = 20  # steps after which the loss is read from a GPU, which waits for the steps to end


Judge = Callable[[GuessNetwork | RegressionNetwork], dict[str, Any]]
"""Returns figures of a network for the log."""


class Training:
    """A training run: the network, its optimiser and its progress.

    Args:
        source: examples to train on.
        options: settings of the run.
        folder: folder of the checkpoint, the log and the weights; a checkpoint in it is resumed.

    Raises:
        FormatError: if the checkpoint is of another run, or the weights to begin with do not fit.
    """

    def __init__(self, source: ExampleSource, options: TrainOptions, folder: Path) -> None:
        self.source, self.options, self.folder = source, options, folder
        self.step, self.seconds = 0, 0.0
        self.waited = 0.0
        torch.manual_seed(options.seed)
        self.network = NETWORKS[options.model](options.size)
        if options.start is not None:
            self.network.load_state_dict(_started(self.network, read_network(options.start, options.model)))
        elif isinstance(self.network, GuessNetwork):
            shares = source.frequencies()
            self.network.chain.begin_with([torch.from_numpy(share).float() for share in shares])
        self.average = NETWORKS[options.model](options.size)
        self.average.load_state_dict(self.network.state_dict())
        for network in (self.network, self.average):
            network.to(options.device)
        groups = parameter_groups(self.network, options.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=options.learning_rate, fused=True)
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

    def take_step(self) -> torch.Tensor:
        """Train on the next batch; returns its loss, on the device, without waiting for it."""
        before = time.monotonic()
        batch = self._next_batch()
        torch.manual_seed(hash((self.options.seed, self.step)))  # of the dropout
        progress = min(self.progress, 1.0)
        rate = _LAST_RATE + (1.0 - _LAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * progress))
        rate *= self.options.learning_rate * min((self.step + 1) / self.options.warm_up, 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        with torch.autocast(self.options.device.split(":")[0], torch.bfloat16):
            loss = loss_of(self.network, batch)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.options.largest_gradient)
        self.optimizer.step()
        self.step += 1
        self._move_average()
        self.seconds += time.monotonic() - before
        return loss.detach()

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
        batch = batch.on(self.options.device)
        if not self.options.augmented:
            return batch
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return replace(batch, spectrograms=augment(batch.spectrograms, generator, self.options.size.spectrogram))

    def _move_average(self) -> None:
        keep = min(self.options.average, (1.0 + self.step) / (10.0 + self.step))
        with torch.no_grad():
            move = get_ema_multi_avg_fn(keep)  # type: ignore[no-untyped-call]
            move(list(self.average.parameters()), list(self.network.parameters()), self.step)
            for copied, buffer in zip(self.average.buffers(), self.network.buffers(), strict=True):
                copied.copy_(buffer)


def train(
    training: Training,
    judge: Judge | None,
    *,
    beside: Training | None = None,
    save_seconds: float = 120.0,
    judge_seconds: float = 600.0,
    on_step: Callable[[Training, float], None] | None = None,
    on_judged: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Train to the end, with checkpoints and validation in between.

    Args:
        training: the run, new or resumed.
        judge: returns figures of the averaged network; None for no validation.
        beside: another run on the same examples and as many steps; it is not validated.
        save_seconds: seconds between checkpoints.
        judge_seconds: seconds between validations; there is always one at the end.
        on_step: called with the run and a running mean of the loss after every step, on a GPU after some of them.
        on_judged: called with each line of the log.

    Raises:
        FileError: if a file cannot be written.
        OutOfRange: if the loss is no longer a finite number.
    """
    log = _kept_log(training.folder / LOG_FILE, training.step)
    saved = judged = time.monotonic()
    every = 1 if training.options.device == "cpu" else _REPORTED
    mean: torch.Tensor | None = None
    running = math.nan
    while training.progress < 1.0:
        loss = training.take_step()
        if beside is not None:
            beside.seconds = training.seconds
            beside.take_step()
        mean = loss if mean is None else mean.lerp(loss, 0.01)
        now = time.monotonic()
        over = training.progress >= 1.0
        to_judge, to_save = over or now - judged >= judge_seconds, over or now - saved >= save_seconds
        if to_judge or to_save or training.step % every == 0:
            running = float(mean)
            training.seconds += time.monotonic() - now  # in which a GPU finished what it was told to do
            if not math.isfinite(running):
                allowed = "a finite number; try a lower learning rate"
                raise OutOfRange(f"loss at step {training.step}", running, allowed)
            if on_step is not None:
                on_step(training, running)
        if to_judge:
            line = {"step": training.step, "seconds": round(training.seconds, 1), "loss": running}
            line |= {"examples": training.seen, "waited": round(training.waited, 1)}
            line |= {} if judge is None else judge(training.average)
            log.append(line)
            if on_judged is not None:
                on_judged(line)
            judged = time.monotonic()
        if to_save:
            training.save()
            if beside is not None:
                beside.save()
            write_text(training.folder / LOG_FILE, "".join(json.dumps(line) + "\n" for line in log))
            saved = time.monotonic()


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The optimiser's groups: in a transformer only matrices decay, not biases, norms and embeddings.

    Its squared gradients are averaged over 50 steps instead of 1,000, as its runs are short.
    """
    if not isinstance(getattr(network, "encoder", None), TransformerEncoder):
        return [{"params": list(network.parameters()), "weight_decay": weight_decay}]
    matrices = [module.weight for module in network.modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    decaying = {id(weight) for weight in matrices}
    others = [weight for weight in network.parameters() if id(weight) not in decaying]
    return [
        {"params": weights, "weight_decay": decay, "betas": (0.9, 0.98)}
        for weights, decay in ((matrices, weight_decay), (others, 0.0))
    ]


def _started(network: nn.Module, start: nn.Module) -> dict[str, torch.Tensor]:
    """Weights of a network that begins with those of another one.

    A transformer's encoder may have more layers than the start: the further ones begin as the identity.
    """
    state, given = network.state_dict(), start.state_dict()
    further = {name: tensor for name, tensor in state.items() if name not in given}
    if set(given) - set(state) or any(state[name].shape != tensor.shape for name, tensor in given.items()):
        raise FormatError("the weights to begin with are of a network of another size")
    for name, tensor in further.items():
        if not name.startswith("encoder.layers."):
            raise FormatError(f"the weights to begin with lack {name}")
        if ".out." in name or ".narrow." in name:
            tensor.zero_()
    return state | given


def _kept_log(path: Path, step: int) -> list[dict[str, Any]]:
    """The lines of a log up to a step; what a killed run wrote after its checkpoint is repeated by the resumed one."""
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [line for line in lines if line["step"] <= step]


def _below(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
