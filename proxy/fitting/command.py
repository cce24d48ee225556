"""``python -m proxy fit``: fit the corrections, then evaluate them on the golden renders that are held out."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from proxy.fitting.settings import Settings
from render.data.shards import Dataset
from render.errors import FileError
from render.held_out import held_out
from render.measures.fidelity import MUSICAL, audible_rows
from render.measures.golden import GoldenRow, read_rows
from render.measures.metrics import mss
from render.note import SAMPLE_RATE

if TYPE_CHECKING:
    from proxy.synth.corrections import Corrections

CHECKPOINT = "checkpoint.safetensors"
WEIGHTS = "corrections.safetensors"
LOG = "fit.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to a parser."""
    settings = Settings()
    parser.add_argument("--data", type=Path, metavar="DIR", help="shards made by python -m render dataset")
    parser.add_argument(
        "--golden", type=Path, metavar="DIR", help="golden renders: half are for fitting, the other half for evaluation"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the checkpoint, the log and the corrections"
    )
    parser.add_argument("--steps", type=int, default=settings.steps, metavar="N", help="steps of Adam")
    parser.add_argument("--items", type=int, default=settings.items, metavar="N", help="renders per step")
    parser.add_argument(
        "--rate", type=float, default=settings.rate, metavar="R", help="learning rate at the first step"
    )
    parser.add_argument(
        "--golden-share", type=float, default=settings.golden_share, metavar="S", help="share of golden renders"
    )
    parser.add_argument("--seed", type=int, default=settings.seed, metavar="N", help="seed of the order of the renders")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of torch")
    parser.add_argument("--save-every", type=int, default=10, metavar="N", help="steps between checkpoints")


def run(arguments: argparse.Namespace) -> int:
    """Run the command, or continue where it was interrupted; returns the exit code."""
    import torch
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from proxy.fitting.fit import Examples, Fit
    from proxy.synth.weights import save_corrections

    torch.set_num_threads(arguments.threads)
    golden = audible_rows(read_rows(arguments.golden)) if arguments.golden else []
    data = Dataset(arguments.data) if arguments.data else None
    settings = Settings(
        steps=arguments.steps,
        items=arguments.items,
        rate=arguments.rate,
        golden_share=arguments.golden_share,
        seed=arguments.seed,
    )
    fit = Fit(Examples(rows_to_fit_to(golden), data, settings), settings)
    checkpoint = arguments.out / CHECKPOINT
    if checkpoint.is_file():
        fit.resume(checkpoint)
    columns = TextColumn("fit"), BarColumn(), TextColumn("{task.completed}/{task.total}  loss {task.fields[loss]:.4f}")
    with Progress(*columns, TimeRemainingColumn()) as progress:
        task = progress.add_task("fit", total=settings.steps, completed=fit.step, loss=float("nan"))
        began = time.monotonic()
        for done in fit.steps():
            _log(arguments.out, {**done, "seconds": round(time.monotonic() - began, 1)})
            progress.update(task, completed=fit.step, loss=done["loss"])
            if fit.step % arguments.save_every == 0 or fit.step == settings.steps:
                fit.save(checkpoint)
    notes = {"data": data.manifest.host if data else None, "golden": len(fit.examples.golden), "steps": fit.step}
    save_corrections(arguments.out / WEIGHTS, fit.corrections, notes)
    judges = [row for row in golden if held_out(row.name)]
    for title, figures in judged(judges, fit.corrections).items():
        _log(arguments.out, {"held_out": title, **figures})
        print(f"{title:10s}" + "".join(f"  {name} {value:.4g}" for name, value in figures.items()))
    return 0


def rows_to_fit_to(rows: Sequence[GoldenRow]) -> list[GoldenRow]:
    """The golden rows that are not held out (``render.held_out``)."""
    return [row for row in rows if not held_out(row.name)]


def judged(rows: Sequence[GoldenRow], corrections: Corrections) -> dict[str, dict[str, float]]:
    """The effect of the corrections on the distance from golden renders that are held out, in MSS.

    Args:
        rows: golden rows that are held out.
        corrections: corrections to evaluate.

    Returns:
        For all rows, for whole patches and for blocks: their number, the median MSS in dB without and with the
        corrections, and the share of rows that come closer with them.
    """
    from proxy.synth.play import play

    before, after = (
        np.array([mss(row.audio(), play(row.patch, row.note, some), SAMPLE_RATE) for row in rows])
        for some in (None, corrections)
    )
    whole = np.array([row.group in MUSICAL for row in rows], bool)
    return {
        title: {
            "rows": int(mask.sum()),
            "before": float(np.median(before[mask])),
            "after": float(np.median(after[mask])),
            "closer": float(np.mean(after[mask] < before[mask])),
        }
        for title, mask in (("all", whole | True), ("whole", whole), ("blocks", ~whole))
        if mask.any()
    }


def _log(folder: Path, line: Mapping[str, Any]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOG).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
    except OSError as error:
        raise FileError(f"cannot write {folder / LOG}: {error.strerror or error}") from error
