"""What training makes small: nats per clip, or the squared error of the knobs."""

from __future__ import annotations

import functools

import torch
from torch.nn import functional

from inference.network.coding.editor_heights import FIRST_HEIGHT
from inference.network.coding.variables import N_BINS, N_UNIT
from inference.network.model import GuessNetwork, RegressionNetwork
from inference.network.training.examples import Batch

_WEIGHT_OF_HEIGHTS = 0.25  # loss weight of the envelope editor's heights, which are memorised first
_BLUR_BINS = 1.0  # standard deviation


def loss_of(network: GuessNetwork | RegressionNetwork, batch: Batch) -> torch.Tensor:
    """Nats per clip, or mean squared error of the knobs."""
    if isinstance(network, GuessNetwork):
        blur = blurred_bins(batch.codes.device)
        nats: torch.Tensor = network(batch.spectrograms, batch.notes, batch.codes, blur)
        nats[:, network.coding.index(FIRST_HEIGHT) :] *= _WEIGHT_OF_HEIGHTS
        return nats.sum(dim=1).mean()
    return functional.mse_loss(network(batch.spectrograms, batch.notes), batch.knobs)


@functools.cache
def blurred_bins(device: torch.device | str = "cpu") -> torch.Tensor:
    """Target distributions of a continuous variable's categories, smoothed over neighbouring bins, on a device.

    Shape:
        Returns: ``(N_UNIT, N_UNIT)``, rows of sum 1.
    """
    bins = torch.arange(N_BINS)
    near = torch.exp(-0.5 * ((bins[:, None] - bins) / _BLUR_BINS).square())
    result = torch.eye(N_UNIT)
    result[:N_BINS, :N_BINS] = near / near.sum(dim=1, keepdim=True)
    return result.to(device)
