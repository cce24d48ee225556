"""Weights of the guess networks, and checkpoints of their training, as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from inference.network.features.log_mel import FEATURES_SCHEMA
from inference.network.model import GuessNetwork, RegressionNetwork
from inference.network.size import Size
from proxy import tensor_file

WEIGHTS_SCHEMA = 1
CHECKPOINT = "training checkpoint"
NETWORKS: dict[str, type[GuessNetwork] | type[RegressionNetwork]] = {
    "network": GuessNetwork,
    "regression": RegressionNetwork,
}
"""Networks by the kind of their weights."""

Tensors = Mapping[str, torch.Tensor]

_FEATURES = {"features_schema": FEATURES_SCHEMA}


def write_tensors(path: Path, tensors: Tensors, description: Mapping[str, Any]) -> None:
    """Write a checkpoint of a training run, completely or not at all.

    Args:
        path: file to write.
        tensors: state of the run by name.
        description: further fields of the file's description, in JSON's types.

    Raises:
        FileError: if the file cannot be written.
    """
    fields = {**_FEATURES, **description}
    tensor_file.write_tensors(path, tensors, kind=CHECKPOINT, schema=WEIGHTS_SCHEMA, fields=fields)


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors and the description of a checkpoint.

    Args:
        path: file to read.

    Raises:
        FileError: if it cannot be read.
        FormatError: if it is damaged, or of another kind, schema or table.
    """
    return tensor_file.read_tensors(path, kind=CHECKPOINT, schema=WEIGHTS_SCHEMA, expected=_FEATURES)


def write_network(path: Path, kind: str, size: Size, tensors: Tensors) -> None:
    """Write the weights of a network in half precision, completely or not at all.

    Args:
        path: file to write.
        kind: ``network`` or ``regression``.
        size: size of the network.
        tensors: its weights by name.

    Raises:
        FileError: if the file cannot be written.
    """
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    fields = {**_FEATURES, "size": size.as_json()}
    tensor_file.write_tensors(path, halves, kind=kind, schema=WEIGHTS_SCHEMA, fields=fields)


def read_network(path: Path, kind: str, size: Size | None = None) -> GuessNetwork | RegressionNetwork:
    """A network that is ready to be used.

    Args:
        path: file of its weights.
        kind: ``network`` or ``regression``.
        size: expected size; any size by default.

    Raises:
        FileError: if the file cannot be read.
        FormatError: if it is damaged, or of another kind, schema, table or size.
    """
    tensors, description = tensor_file.read_tensors(path, kind=kind, schema=WEIGHTS_SCHEMA, expected=_FEATURES)
    with tensor_file.must_fit(path, kind):
        found = size_from(description)
        if size not in (None, found):
            raise ValueError(f"its size is {found}; allowed: {size}")
        network = NETWORKS[kind](found)
        network.load_state_dict(tensors)
    return network.float().eval()


def size_from(description: Mapping[str, Any]) -> Size:
    """The size that a description states."""
    return Size.parse(description["size"])
