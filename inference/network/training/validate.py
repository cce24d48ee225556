"""Validation of a guess network on held-out rows of its data: by parameters and by sound, beside a mean baseline."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch.nn import functional

from inference.clip.target import Target
from inference.network.coding.variables import SILENT
from inference.network.model import GuessNetwork, RegressionNetwork
from inference.network.proposals import Guesser, Regression
from inference.network.training.examples import Batch, Examples, frequencies
from inference.ports import Guess
from render.audio import Audio
from render.errors import HostError
from render.instruments.host import Host
from render.instruments.patch import Patch
from render.measures.distance import TargetDistance
from render.measures.metrics import MssTarget
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note

N_HYPOTHESES = 8
_BATCH = 64
_SILENT_MSS = 40.0
"""MSS in dB assigned to a guess that is silent or cannot be rendered: half of the metric's range."""


def judge(
    network: GuessNetwork | RegressionNetwork,
    examples: Examples,
    trained: NDArray[np.int64],
    judged: NDArray[np.int64],
    rng: Generator,
    host: Host | None,
    sounds: int,
) -> dict[str, Any]:
    """Figures of a network, each beside that of the mean of the training rows.

    Args:
        network: network on any device.
        examples: the data.
        trained: rows that it was trained on.
        judged: rows for validation; without any there are no figures.
        rng: source of the simulated note estimates.
        host: renders guesses; None for no figures of sound.
        sounds: number of the rows whose guesses are rendered.

    Returns:
        ``nats``, ``nats_marginal`` and ``variables`` (see ``summary``), or ``mse`` and ``mse_mean`` of knobs.
        With a host also medians of MSS in dB, levels matched: ``mss`` (the first guess), ``mss_best`` (the best of
        ``N_HYPOTHESES``, where the network has several) and ``mss_mean`` (the mean patch).
    """
    if len(judged) == 0:
        return {}
    network.eval()
    device = next(network.parameters()).device
    batches = [examples.batch(judged[k : k + _BATCH], rng) for k in range(0, len(judged), _BATCH)]
    with torch.inference_mode():
        if isinstance(network, GuessNetwork):
            notes = examples.estimated_notes(trained, rng)
            known = network.coding.relative(examples.codes[trained].astype(np.int64), notes)
            table = nats_by_variable(network, batches, frequencies(network.coding, known))
            figures: dict[str, Any] = summary(table)
        else:
            errors = [
                functional.mse_loss(network(here.spectrograms, here.notes), here.knobs, reduction="none").mean(1).cpu()
                for here in (batch.on(device) for batch in batches)
            ]
            mean = examples.knobs[trained].mean(axis=0)
            figures = {"mse": float(torch.cat(errors).mean())}
            figures["mse_mean"] = float(np.square(examples.knobs[judged] - mean).mean())
    if host is None or sounds == 0:
        return figures
    guesser: Guess = Guesser(network) if isinstance(network, GuessNetwork) else Regression(network)
    device_before = device
    network.cpu()
    mean_patch = Patch(
        TABLE, tuple(examples.knobs[trained].mean(axis=0).astype(float).clip(0.0, 1.0).tolist())
    ).snapped()
    first: list[float] = []
    best: list[float] = []
    mean_mss: list[float] = []
    for k in judged[np.linspace(0, len(judged) - 1, min(sounds, len(judged))).astype(int)]:
        dataset, position = examples.row(int(k))
        row = dataset[position]
        number = int(examples.batch(np.array([k]), rng).notes[0])
        pitched = number < 128
        note = replace(row.note, number=number if pitched else 60, seconds=min(row.note.seconds, 2.0))
        audio = row.audio[:, : note.n_samples]
        if not audio.any():
            continue
        target = Target("", audio, note, pitched=pitched, gate_fixed=False, onset_seconds=0.0)
        proposals = guesser.propose(target, count=N_HYPOTHESES)
        found = list(sound_distances(host, audio, [(p.patch, p.note) for p in proposals]))
        first.append(found[0])
        best.append(min(found))
        mean_mss += sound_distances(host, audio, [(mean_patch, replace(note, number=row.note.number))])
    network.to(device_before)
    figures["mss"] = statistics.median(first)
    if isinstance(network, GuessNetwork):
        figures["mss_best"] = statistics.median(best)
    return figures | {"mss_mean": statistics.median(mean_mss)}


def sound_distances(host: Host, audio: Audio, guesses: Iterable[tuple[Patch, Note]]) -> Iterable[float]:
    """MSS in dB between a clip of shape ``(channels, samples)`` and renders of guesses, their levels matched to it."""
    target, distance = MssTarget(audio, SAMPLE_RATE), TargetDistance(audio)
    for patch, note in guesses:
        try:
            render = host.render(patch, note, clean=False)
        except HostError:
            yield _SILENT_MSS
            continue
        if not render.any():
            yield _SILENT_MSS
            continue
        _, gain = distance.measure(render)
        yield target.distance(render * np.float32(gain))


def nats_by_variable(
    network: GuessNetwork, batches: Sequence[Batch], shares: Sequence[NDArray[np.float64]]
) -> dict[str, tuple[float, float, float]]:
    """Mean negative log likelihood of each variable.

    Args:
        network: network on any device; it is put in evaluation mode.
        batches: examples that it was not trained on.
        shares: frequencies of the categories, for each variable.

    Returns:
        For each variable the share of examples in which it is audible, and over those the mean nats of its frequencies
        alone (the marginal) and of the network.
    """
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        here = (batch.on(device) for batch in batches)
        nats = torch.cat([network(batch.spectrograms, batch.notes, batch.codes).cpu() for batch in here]).numpy()
    codes = torch.cat([batch.codes for batch in batches]).cpu().numpy()
    table = {}
    for k, (variable, share) in enumerate(zip(network.coding.variables, shares, strict=True)):
        audible = codes[:, k] != SILENT
        if audible.any():
            marginal = -np.log(share[codes[audible, k]])
            table[variable.name] = (float(audible.mean()), float(marginal.mean()), float(nats[audible, k].mean()))
    return table


def summary(table: dict[str, tuple[float, float, float]]) -> dict[str, Any]:
    """``nats`` and ``nats_marginal`` per example, and the ``variables``, rounded."""
    return {
        "nats": sum(share * nats for share, _, nats in table.values()),
        "nats_marginal": sum(share * marginal for share, marginal, _ in table.values()),
        "variables": {name: [round(value, 4) for value in row] for name, row in table.items()},
    }


def format_table(variables: dict[str, Sequence[float]]) -> str:
    """The ``variables`` of a ``summary`` as lines of text, the largest gain first."""
    lines = [f"{'variable':22}{'audible':>9}{'marginal':>10}{'nats':>7}{'gained':>8}"]
    gains = {name: share * (marginal - nats) for name, (share, marginal, nats) in variables.items()}
    for name, gain in sorted(gains.items(), key=lambda pair: -pair[1]):
        share, marginal, nats = variables[name]
        lines.append(f"{name:22}{share:9.0%}{marginal:10.2f}{nats:7.2f}{gain:8.2f}")
    return "\n".join(lines)
