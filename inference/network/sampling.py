"""Drawing patches from a guess network's chain, variable by variable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from inference.network.coding.variables import N_BINS, N_UNIT, SILENT, Codes, unit_value
from inference.network.model import GuessNetwork


@dataclass(frozen=True, slots=True)
class Draws:
    """Rows drawn from a chain.

    Attributes:
        codes: shape ``(rows, variables)``.
        fractions: where in its bin each continuous variable is expected, 0 to 1, shape ``(rows, variables)``.
        log_probs: log-probability in nats of what was drawn and not given, shape ``(rows,)``.
    """

    codes: Codes
    fractions: NDArray[np.float64]
    log_probs: NDArray[np.float64]


@torch.inference_mode()
def draw(
    network: GuessNetwork,
    heard: torch.Tensor,
    given: Mapping[int, Codes],
    *,
    temperature: NDArray[np.float64],
    generator: torch.Generator,
) -> Draws:
    """Draw rows for a clip.

    Args:
        network: network on the CPU, in evaluation mode.
        heard: what its encoder returns for the clip, a batch of one.
        given: known categories by variable; ``SILENT`` in rows in which the variable is unknown.
        temperature: temperature of each row: 1 draws from the network's distribution, 0 takes the likeliest category
            of every choice and the median of every continuous variable.
        generator: source of all random numbers.

    Shape:
        given: ``(rows,)`` each.
        temperature: ``(rows,)``.
    """
    rows, coding = len(temperature), network.coding
    codes = np.full((rows, len(coding)), SILENT, np.int64)
    fractions = np.full((rows, len(coding)), 0.5)
    log_probs = torch.zeros(rows)
    temperatures = torch.from_numpy(temperature).float()[:, None]
    unknown = np.full(rows, SILENT, np.int64)
    drawing = network.chain.drawing(heard, rows)
    for k, variable in enumerate(coding.variables):
        audible = coding.sounding(k, codes)
        if audible.any():
            logs = functional.log_softmax(drawing.logits(k), dim=1)
            noise = -torch.log(-torch.log(torch.rand(logs.shape, generator=generator).clamp(1e-9, 1.0 - 1e-7)))
            drawn = (logs + temperatures * noise).argmax(1)  # the Gumbel trick: a draw from logs / temperatures
            if variable.unit:
                drawn = torch.where(temperatures[:, 0] > 0.0, drawn, _medians(logs.exp()))
            known = torch.from_numpy(given.get(k, unknown))
            free = (known == SILENT) & torch.from_numpy(audible)
            drawn = torch.where(known == SILENT, drawn, known)
            log_probs += logs.gather(1, drawn[:, None])[:, 0] * free
            if variable.unit:
                fractions[:, k] = _fractions(logs.exp()[:, :N_BINS], drawn)
            codes[audible, k] = drawn.numpy()[audible]
        drawing.extend(k, torch.from_numpy(codes[:, k]))
    return Draws(codes, fractions, log_probs.double().numpy())


def _fractions(bins: torch.Tensor, drawn: torch.Tensor) -> NDArray[np.float64]:
    """Where in its bin a value is expected: closer to the likelier neighbour; ``(rows, bins)``, ``(rows,)``."""
    around = functional.pad(bins, (1, 1))
    first = drawn.clamp(max=N_BINS - 1)[:, None]
    below, here, above = (around.gather(1, first + k)[:, 0] for k in range(3))
    lean = 0.5 * (above - below) / (below + here + above).clamp(min=1e-12)
    fractions: NDArray[np.float64] = (0.5 + lean).clamp(0.0, 1.0).double().numpy()
    return fractions


def _medians(shares: torch.Tensor) -> torch.Tensor:
    """Categories at which half of a distribution lies below: shape ``(rows, N_UNIT)`` to ``(rows,)``.

    The likeliest category would nearly always be an exact one, even an improbable one, because bins divide the
    probability around it.
    """
    order = torch.tensor(_BY_VALUE)
    below = (shares[:, order].cumsum(dim=1) < 0.5).sum(dim=1)
    medians: torch.Tensor = order[below.clamp(max=len(_BY_VALUE) - 1)]
    return medians


_BY_VALUE = tuple(sorted(range(N_UNIT), key=unit_value))
