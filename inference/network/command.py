"""The flags of ``python -m inference train`` and its progress display."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inference.network.train import Training

_MODELS = ("network", "regression")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--data", type=Path, action="append", required=True, metavar="DIR",
        help="a data set of python -m render dataset; may be given again",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoint, weights and log; resumed")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="where pictures are kept (default: in --out)")
    parser.add_argument("--model", choices=_MODELS, default="network")
    parser.add_argument("--start", type=Path, metavar="FILE", help="weights to begin with")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--epochs", type=float, metavar="E", help="passes over the data")
    length.add_argument("--minutes", type=float, metavar="M", help="of training, whatever number of passes that is")
    parser.add_argument("--batch", type=int, default=64, metavar="N")
    parser.add_argument("--learning-rate", type=float, default=1.5e-3, metavar="R")
    parser.add_argument("--hidden", type=int, default=256, metavar="N", help="width of the embedding and the chain")
    parser.add_argument("--held-out", type=int, default=512, metavar="N", help="rows to judge by")
    parser.add_argument("--sounds", type=int, default=24, metavar="N", help="held-out rows to judge by sound")
    parser.add_argument("--judge-minutes", type=float, default=10.0, metavar="M", help="between judgements")
    parser.add_argument("--plain", action="store_true", help="do not damage the pictures")
    parser.add_argument("--seed", type=int, default=0, metavar="K")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of torch")
    parser.add_argument("--device", default="cpu", metavar="cpu|cuda")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    import torch
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from inference.network.examples import Examples
    from inference.network.model import Size
    from inference.network.train import Training, TrainOptions, train
    from render.errors import UnknownName
    from render.noisemaker.hosts import open_host

    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        raise UnknownName("device", arguments.device, ["cpu"])
    torch.set_num_threads(arguments.threads)
    options = TrainOptions(
        model=arguments.model,
        size=Size(hidden=arguments.hidden),
        start=arguments.start,
        epochs=arguments.epochs,
        minutes=arguments.minutes,
        batch=arguments.batch,
        learning_rate=arguments.learning_rate,
        augmented=not arguments.plain,
        held_out=arguments.held_out,
        sounds=arguments.sounds,
        seed=arguments.seed,
        device=arguments.device,
    )
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[say]}"), TimeElapsedColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("pictures", total=1.0, say="")
        examples = Examples.load(
            arguments.data,
            arguments.pictures or arguments.out,
            lambda done, count: progress.update(task, completed=done / count, say=f"{done} of {count} shards"),
        )
        training = Training(examples, options, arguments.out)
        began, first = time.monotonic(), training.step
        if first:
            print(f"going on from step {first}", flush=True)
        progress.update(task, description="training", completed=training.progress)

        def on_step(training: Training, loss: float) -> None:
            per_second = (training.step - first) * training.batch / (time.monotonic() - began)
            say = f"epoch {training.step / training.steps_per_epoch:.2f}  loss {loss:.4g}  {per_second:.0f} clips/s"
            progress.update(task, completed=training.progress, say=say)

        host = open_host() if options.sounds else None
        train(training, host, judge_seconds=60.0 * arguments.judge_minutes, on_step=on_step, on_judged=_print_line)
    print(f"weights: {arguments.out / options.model}.safetensors", file=sys.stderr)
    return 0


def _print_line(line: dict[str, Any]) -> None:
    print("  ".join(f"{name} {value:.4g}" for name, value in line.items()), flush=True)
