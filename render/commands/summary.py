"""``python -m render summary``: check and describe a data set."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from render.data.shards import Dataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the data set")
    parser.add_argument("--verify", action="store_true", help="compare the checksum of every shard with the manifest")


def run(arguments: argparse.Namespace) -> int:
    """Describe a data set; returns the exit code."""
    dataset = Dataset(arguments.folder)
    if arguments.verify:
        for _ in dataset.verify():
            pass
        print("every shard matches its checksum")
    print(summary(dataset))
    return 0


def summary(dataset: Dataset) -> str:
    """Size, host, refused draws, distributions and parts in use of a data set, as lines of text."""
    manifest = dataset.manifest
    refused = manifest.refused or {}
    n_draws = len(dataset) + sum(refused.values())
    n_bytes = sum(shard.path.stat().st_size for shard in dataset.shards)
    lines = [
        f"{len(dataset)} renders, {dataset.seconds.sum() / 3600:.2f} hours, {n_bytes / 1e6:.0f} MB",
        f"host {manifest.host['name']} {manifest.host['version']}, seed {manifest.seed}, prior {manifest.prior_hash}",
        f"refused of {n_draws} draws: " + ", ".join(f"{n / n_draws:.1%} {reason}" for reason, n in refused.items()),
    ]
    columns = {
        "note": dataset.numbers,
        "velocity": dataset.velocities,
        "gate / s": dataset.gate_seconds,
        "length / s": dataset.seconds,
        "peak / dB": 20.0 * np.log10(dataset.gains),
    }
    lines.append(f"{'':12}" + "".join(f"{name:>9}" for name in ("5 %", "25 %", "median", "75 %", "95 %")))
    for name, values in columns.items():
        quantiles = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
        lines.append(f"{name:12}" + "".join(f"{value:9.2f}" for value in quantiles))
    patches = [shard.patch(k) for shard in dataset.shards for k in range(len(shard))]
    parts = dataset.instrument.parts.items()
    shares = {name: np.mean([condition(patch) for patch in patches]) for name, condition in parts}
    if shares:
        lines.append("share with " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()))
    return "\n".join(lines)
