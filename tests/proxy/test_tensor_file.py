"""Kept tensors come back bit by bit with their description, and a file that does not fit is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from proxy import tensor_file
from proxy.synth.weights import SHIPPED, load_corrections, notes_of
from proxy.tensor_file import must_fit, read_tensors, write_tensors
from render.errors import FileError, FormatError
from render.noisemaker.table import TABLE

TENSORS = {
    "weights": torch.tensor([[1.0, float("nan")], [-0.0, 1e-45]]),
    "halves": torch.linspace(-1.0, 1.0, 5).half(),
    "counts": torch.arange(6).reshape(2, 3).T,  # not contiguous
}


def bits(tensor: Tensor) -> bytes:
    return tensor.contiguous().numpy().tobytes()


def write(path: Path, **fields: Any) -> None:
    write_tensors(path, TENSORS, kind="test", schema=3, fields=fields)


def test_a_round_trip_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.safetensors"
    write(path, sizes=(1, 2), notes={"of": "a test"})
    tensors, description = read_tensors(path, kind="test", schema=3, expected={"sizes": (1, 2)})
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert tensors[name].shape == tensor.shape
        assert bits(tensors[name]) == bits(tensor)
    assert description == {
        "kind": "test",
        "schema": 3,
        "table_hash": TABLE.hash,
        "sizes": [1, 2],
        "notes": {"of": "a test"},
    }


def test_tensors_with_gradients_are_kept_without_them(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    write_tensors(path, {"x": torch.ones(2, requires_grad=True)}, kind="test", schema=3)
    assert not read_tensors(path, kind="test", schema=3)[0]["x"].requires_grad


@pytest.mark.parametrize(("field", "value"), [("kind", "other"), ("schema", 4), ("sizes", [3])])
def test_another_kind_schema_or_field_is_named(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "file.safetensors"
    write(path, **{"sizes": [1, 2], field: value})
    with pytest.raises(FormatError, match=rf"file.safetensors has {field} .*; allowed: "):
        read_tensors(path, kind="test", schema=3, expected={"sizes": [1, 2]})


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    write(tmp_path / "file.safetensors")
    with pytest.raises(FormatError, match="has sizes None; allowed: 7"):
        read_tensors(tmp_path / "file.safetensors", kind="test", schema=3, expected={"sizes": 7})


def test_another_table_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.safetensors"
    with monkeypatch.context() as patched:
        patched.setattr(tensor_file, "TABLE_HASH", "0123")
        write(path)
    with pytest.raises(FormatError, match="has table_hash '0123'"):
        read_tensors(path, kind="test", schema=3)


def test_a_file_without_a_kind_passes(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    save_file({"x": torch.ones(1)}, path, {"description": json.dumps({"schema": 3, "table_hash": TABLE.hash})})
    assert read_tensors(path, kind="test", schema=3)[0]["x"] == 1.0


@pytest.mark.parametrize("metadata", [None, {}, {"description": "no json"}, {"description": "[1]"}])
def test_a_file_without_a_description_is_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "file.safetensors"
    save_file({"x": torch.ones(1)}, path, metadata)
    with pytest.raises(FormatError, match="holds no test"):
        read_tensors(path, kind="test", schema=3)


def test_missing_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    for missing in (path, tmp_path):
        with pytest.raises(FileError, match="no such file"):
            read_tensors(missing, kind="test", schema=3)
    write(path)
    whole = path.read_bytes()
    for content in (b"", b"no tensors", whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(content)
        with pytest.raises(FormatError, match="holds no test"):
            read_tensors(path, kind="test", schema=3)
    path.write_bytes(whole)
    with pytest.raises(FileError, match="cannot write"):
        write(path / "below a file")


def test_what_does_not_fit_is_one_line_that_names_the_file() -> None:
    with pytest.raises(FormatError, match=r"^a/b does not fit the network: 'x'$"), must_fit(Path("a/b"), "network"):
        {}["x"]
    with pytest.raises(FormatError, match=r"^a/b does not fit the layer: Error"), must_fit(Path("a/b"), "layer"):
        torch.nn.Linear(2, 3).load_state_dict({})


# The files that are shipped


def test_the_shipped_corrections_load_bit_by_bit() -> None:
    kept, loaded = load_file(SHIPPED), load_corrections().state_dict()
    assert kept.keys() == loaded.keys()
    assert all(bits(kept[name]) == bits(loaded[name]) for name in kept)


def test_the_shipped_corrections_say_where_they_come_from() -> None:
    with safe_open(SHIPPED, "pt") as file:
        description = json.loads(file.metadata()["description"])
    assert notes_of() == notes_of(SHIPPED) == description["notes"]
