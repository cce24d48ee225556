"""The weights of the networks that are shipped load bit by bit, and nothing else passes for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from inference.network.proposals import shipped_weights
from inference.network.weights import NETWORKS, read_network, read_tensors, write_tensors
from render.errors import FormatError


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_shipped_networks_load_bit_by_bit(kind: str) -> None:
    path = shipped_weights(kind)
    kept, loaded = load_file(path), read_network(path, kind).state_dict()
    assert kept.keys() == loaded.keys()
    for name, tensor in kept.items():
        expected = tensor.float() if tensor.is_floating_point() else tensor
        assert loaded[name].dtype == expected.dtype
        assert loaded[name].numpy().tobytes() == expected.numpy().tobytes()


def test_a_checkpoint_is_no_network_and_a_network_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    write_tensors(path, {"x": torch.ones(1)}, {"step": 7})
    assert read_tensors(path)[1]["step"] == 7
    with pytest.raises(FormatError, match="kind 'training checkpoint'; allowed: 'network'"):
        read_network(path, "network")
    with pytest.raises(FormatError, match="kind 'network'; allowed: 'training checkpoint'"):
        read_tensors(shipped_weights("network"))
