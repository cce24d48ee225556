"""Weights and checkpoints as safetensors files that say what they are for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from inference.network.log_mel import FEATURES_SCHEMA
from inference.network.model import GuessNetwork, RegressionNetwork, Size
from render.errors import FileError, FormatError
from render.files import write_bytes
from render.noisemaker.table import TABLE_HASH

WEIGHTS_SCHEMA = 1
NETWORKS: dict[str, type[GuessNetwork] | type[RegressionNetwork]] = {
    "network": GuessNetwork,
    "regression": RegressionNetwork,
}

Tensors = Mapping[str, torch.Tensor]


def write_tensors(path: Path, tensors: Tensors, description: Mapping[str, Any]) -> None:
    """Write a whole file or nothing; raises ``FileError``."""
    content = {
        "schema": WEIGHTS_SCHEMA,
        "features_schema": FEATURES_SCHEMA,
        "table_hash": TABLE_HASH,
        **description,
    }
    plain = {name: tensor.contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(plain, {"description": json.dumps(content)}))


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors and the description of a file.

    Raises:
        FileError: if it cannot be read.
        FormatError: if it is damaged, or of another schema or table.
    """
    if not path.is_file():
        raise FileError(f"cannot read {path}: no such file")
    try:
        with safe_open(path, "pt") as file:
            description = json.loads((file.metadata() or {})["description"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    except (SafetensorError, KeyError, ValueError) as error:
        raise FormatError(f"{path} holds no weights of this project: {error}") from error
    expected = {"schema": WEIGHTS_SCHEMA, "features_schema": FEATURES_SCHEMA, "table_hash": TABLE_HASH}
    for name, value in expected.items():
        if description.get(name) != value:
            raise FormatError(f"{path} has {name} {description.get(name)!r}; allowed: {value!r}")
    return tensors, description


def write_network(path: Path, kind: str, size: Size, tensors: Tensors) -> None:
    """Write the weights of a network in half precision; raises ``FileError``."""
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    write_tensors(path, halves, {"kind": kind, "size": asdict(size)})


def read_network(path: Path, kind: str, size: Size | None = None) -> GuessNetwork | RegressionNetwork:
    """A network ready to be used.

    Args:
        path: of its weights.
        kind: ``network`` or ``regression``.
        size: that it must have; any where missing.

    Raises:
        FileError: if the file cannot be read.
        FormatError: if it is damaged, or of another schema, table or kind.
    """
    tensors, description = read_tensors(path)
    if description.get("kind") != kind:
        raise FormatError(f"{path} has kind {description.get('kind')!r}; allowed: {kind!r}")
    try:
        found = size_from(description)
        if size not in (None, found):
            raise ValueError(f"its size is {found}; allowed: {size}")
        network = NETWORKS[kind](found)
        network.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise FormatError(f"{path} does not fit the network: {str(error).splitlines()[0]}") from error
    return network.float().eval()


def size_from(description: Mapping[str, Any]) -> Size:
    """The size that a description states."""
    return Size.parse(description["size"])
