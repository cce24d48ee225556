"""The options of ``python -m inference train`` and its progress display."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from inference.network.model import GuessNetwork, RegressionNetwork
    from inference.network.size import Size
    from inference.network.training.examples import ExampleSource
    from inference.network.training.train import Judge, Training

_MODELS = ("network", "regression")
_ARCHITECTURES = ("chain", "transformer")
_RENDERERS = ("host", "proxy")
_SPECTROGRAMS = ("mel", "stretched")
_SAVE_SECONDS, _LIVE_SAVE_SECONDS = 120.0, 60.0
_BATCHES_AHEAD = 3  # that workers make while a step is taken
_JUDGE = 3  # stream of random numbers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--data", type=Path, action="append", metavar="DIR",
        help="data set made by python -m render dataset; may be repeated",
    )  # fmt: skip
    parser.add_argument("--live", action="store_true", help="draw and render examples instead of reading --data")
    parser.add_argument(
        "--renderer", choices=_RENDERERS, default="host",
        help="what renders with --live: the host in the workers, or the proxy on --device",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that draw or render with --live")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the run, which is resumed")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder for spectrograms (default: in --out)")
    parser.add_argument("--model", choices=_MODELS, default="network")
    parser.add_argument(
        "--regression-beside", action="store_true", help="train a regression on the same examples, in OUT/regression"
    )
    parser.add_argument("--architecture", choices=_ARCHITECTURES, default="chain")
    parser.add_argument(
        "--start", type=Path, metavar="FILE",
        help="weights to begin with; a regression beside begins with regression.safetensors of the same folder",
    )  # fmt: skip
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--epochs", type=float, metavar="E", help="passes over the data, with --data")
    length.add_argument("--examples", type=int, metavar="N", help="number of training examples, repetitions included")
    length.add_argument("--minutes", type=float, metavar="M", help="training time")
    parser.add_argument("--batch", type=int, default=64, metavar="N")
    for name, explanation in (
        ("--learning-rate", "highest learning rate"),
        ("--weight-decay", "weight decay of AdamW"),
        ("--warm-up", "steps over which the learning rate rises"),
        ("--largest-gradient", "norm to which longer gradients are shortened"),
        ("--average", "decay of the moving average of the weights"),
    ):
        parser.add_argument(
            name, type=int if name == "--warm-up" else float, metavar="N",
            help=f"{explanation} (default: by architecture)",
        )  # fmt: skip
    parser.add_argument("--reuse", type=int, default=1, metavar="N", help="how often each example is used, with --live")
    parser.add_argument(
        "--remember", type=int, default=50_000, metavar="N", help="recent examples to choose from with --reuse"
    )
    parser.add_argument("--hidden", type=int, default=256, metavar="N", help="width of the embedding and the chain")
    parser.add_argument(
        "--spectrogram", choices=_SPECTROGRAMS, help="kind of the input (default: mel; stretched for a transformer)"
    )
    parser.add_argument(
        "--held-out", type=int, default=512, metavar="N", help="rows for validation, or draws with --live"
    )
    parser.add_argument("--sounds", type=int, default=24, metavar="N", help="validation rows to judge by sound")
    parser.add_argument("--judge-minutes", type=float, default=10.0, metavar="M", help="time between validations")
    parser.add_argument("--plain", action="store_true", help="no data augmentation")
    parser.add_argument("--seed", type=int, default=0, metavar="K")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of torch")
    parser.add_argument("--device", default="cpu", metavar="cpu|cuda")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    import torch
    from rich.progress import Progress

    from inference.network.size import Size, default_size
    from inference.network.training.devices import device_errors, open_device
    from inference.network.training.options import DEFAULTS, TrainOptions
    from inference.network.training.replay import Replay
    from inference.network.training.train import Training, train

    open_device(arguments.device)
    torch.set_num_threads(arguments.threads)
    usual = default_size(arguments.architecture)
    size = replace(
        usual,
        hidden=arguments.hidden,
        spectrogram=arguments.spectrogram or usual.spectrogram,
    )
    settings = {
        name: default if getattr(arguments, name) is None else getattr(arguments, name)
        for name, default in DEFAULTS[arguments.architecture].items()
    }
    with ExitStack() as stack:
        stack.enter_context(device_errors(arguments.device))
        progress = stack.enter_context(Progress(*_columns(), transient=True))
        task = progress.add_task("examples", total=1.0, say="")

        def say_shards(done: int, count: int) -> None:
            progress.update(task, completed=done / count, say=f"{done} of {count} shards")

        prepare = _live if arguments.live else _on_data_sets
        source, judge, count = prepare(arguments, size, stack, say_shards)
        if arguments.reuse != 1:
            source = Replay(source, arguments.reuse, arguments.batch, arguments.remember, arguments.device)
        options = TrainOptions(
            model=arguments.model,
            size=size,
            start=arguments.start,
            examples=count,
            minutes=arguments.minutes,
            batch=arguments.batch,
            augmented=not arguments.plain,
            seed=arguments.seed,
            device=arguments.device,
            **settings,
        )
        training = Training(source, options, arguments.out)
        beside = None
        if arguments.regression_beside:
            plain = Size(coding=size.coding, spectrogram=size.spectrogram)
            start = arguments.start and arguments.start.with_name("regression.safetensors")
            own = {"model": "regression", "size": plain, "start": start, **DEFAULTS["chain"]}
            beside = Training(source, replace(options, **own), arguments.out / "regression")
        began, first = time.monotonic(), training.seen
        if first:
            print(f"continuing from example {first}", flush=True)
        progress.update(task, description="training", completed=training.progress)

        def on_step(training: Training, loss: float) -> None:
            seconds = time.monotonic() - began
            say = (
                f"example {training.seen}  loss {loss:.4g}  {(training.seen - first) / seconds:.0f} examples/s"
                f"  {training.waited / seconds:.0%} waiting for them"
            )
            progress.update(task, completed=training.progress, say=say)

        save_seconds = _LIVE_SAVE_SECONDS if arguments.live else _SAVE_SECONDS
        train(
            training,
            judge,
            beside=beside,
            save_seconds=save_seconds,
            judge_seconds=60.0 * arguments.judge_minutes,
            on_step=on_step,
            on_judged=_print_line,
        )
        per_second = (training.seen - first) / max(time.monotonic() - began, 1e-9)
        print(f"{training.seen} examples, {per_second:.1f} per second", file=sys.stderr)
    print(f"weights: {arguments.out / options.model}.safetensors", file=sys.stderr)
    return 0


def _on_data_sets(
    arguments: argparse.Namespace, size: Size, stack: ExitStack, say_shards: Callable[[int, int], None]
) -> tuple[ExampleSource, Judge, int | None]:
    """The rows of data sets."""
    import numpy as np

    from inference.network.training.examples import Examples, ShuffledRows, split
    from inference.network.training.validate import judge
    from render.errors import OutOfRange
    from render.noisemaker.hosts import open_host

    if not arguments.data:
        raise OutOfRange("number of --data", 0, "1 or more, or --live")
    examples = Examples.load(arguments.data, arguments.cache or arguments.out, size, say_shards)
    rows, judged = split(examples, arguments.held_out)
    if len(rows) == 0:
        raise OutOfRange("rows to train on", 0, f"more rows than the {arguments.held_out} that are held out")
    host = open_host() if arguments.sounds else None

    def figures(network: GuessNetwork | RegressionNetwork) -> dict[str, Any]:
        rng = np.random.default_rng((arguments.seed, _JUDGE))
        return judge(network, examples, rows, judged, rng, host, arguments.sounds)

    count = arguments.examples if arguments.epochs is None else round(arguments.epochs * len(rows))
    return ShuffledRows(examples, rows, arguments.seed), figures, count


def _live(
    arguments: argparse.Namespace, size: Size, stack: ExitStack, say_shards: Callable[[int, int], None]
) -> tuple[ExampleSource, Judge, int | None]:
    """Fresh draws of the prior; those for validation are of another set and rendered once."""
    from inference.network.coding.codings import CODINGS
    from inference.network.model import GuessNetwork
    from inference.network.training.live import FIRST_SET, VALIDATION_SET
    from inference.network.training.validate import nats_by_variable, summary
    from render.errors import OutOfRange, UnknownName

    if arguments.data or arguments.epochs is not None:
        raise OutOfRange("options with --live", "--data or --epochs", "--examples or --minutes")
    if arguments.model != "network":
        raise UnknownName("model with --live", arguments.model, ["network"])
    source: ExampleSource
    unseen: ExampleSource
    if arguments.renderer == "proxy":
        from inference.network.training.proxy_examples import CHUNK, ProxyExamples, draws_pool

        draws = stack.enter_context(draws_pool(CODINGS[size.coding], arguments.workers))
        block = -(-arguments.held_out // CHUNK) * CHUNK
        unseen = ProxyExamples(draws, size, VALIDATION_SET, arguments.device, block)
        unseen.begin(0, 1)
        source = ProxyExamples(draws, size, FIRST_SET + arguments.seed, arguments.device)
        shares = source.frequencies()
    else:
        from inference.network.training.live import LiveExamples, live_pool
        from render.noisemaker.hosts import open_host

        renders = stack.enter_context(live_pool(open_host, size, arguments.workers))
        unseen = LiveExamples(renders, CODINGS[size.coding], VALIDATION_SET)
        ahead = _BATCHES_AHEAD * arguments.batch
        source = LiveExamples(renders, CODINGS[size.coding], FIRST_SET + arguments.seed, ahead)
        shares = source.frequencies()
    batches = unseen.batch(0, arguments.held_out).split(arguments.batch)

    def figures(network: GuessNetwork | RegressionNetwork) -> dict[str, Any]:
        assert isinstance(network, GuessNetwork)
        return summary(nats_by_variable(network, batches, shares))

    return source, figures, arguments.examples


def _columns() -> tuple[ProgressColumn, ...]:
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

    return (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[say]}"), TimeElapsedColumn())


def _print_line(line: dict[str, Any]) -> None:
    from inference.network.training.validate import format_table

    variables = line.get("variables")
    if variables:
        print(format_table(variables))
    print("  ".join(f"{name} {value:.4g}" for name, value in line.items() if name != "variables"), flush=True)
