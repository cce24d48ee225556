"""The file format of all tensors: a safetensors file with a description of its content.

The description is a JSON object in the file's metadata. It states the kind of the content, the schema of that kind, the
hash of the parameter table that the tensors were made for, and further fields of the kind. A file is rejected if one of
them differs, so weights are never used with another table or by code of another schema.

    >>> import tempfile, torch
    >>> path = Path(tempfile.mkdtemp()) / "gains.safetensors"
    >>> write_tensors(path, {"gain": torch.ones(3)}, kind="corrections", schema=1, fields={"notes": "none"})
    >>> tensors, description = read_tensors(path, kind="corrections", schema=1)
    >>> tensors["gain"], description["notes"]
    (tensor([1., 1., 1.]), 'none')
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from render.errors import FileError, FormatError
from render.files import write_bytes
from render.noisemaker.table import TABLE

_METADATA_KEY = "description"

TABLE_HASH = TABLE.hash


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], *, kind: str, schema: int, fields: Mapping[str, Any] | None = None
) -> None:
    """Write a file, completely or not at all.

    Args:
        path: file to write; its folder is made when it is missing.
        tensors: content by name, on any device.
        kind: kind of the content, as error messages name it: "corrections", "network".
        schema: version of the kind's layout.
        fields: further fields of the description, in JSON's types.

    Raises:
        FileError: if the file cannot be written.
    """
    description = {"kind": kind, "schema": schema, "table_hash": TABLE_HASH, **(fields or {})}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(plain, {_METADATA_KEY: json.dumps(description)}))


def read_tensors(
    path: Path, *, kind: str, schema: int, expected: Mapping[str, Any] | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file, and its description.

    Args:
        path: file to read.
        kind: expected kind. A file that states none, as older ones, is accepted.
        schema: expected version.
        expected: expected values of further fields of the description.

    Raises:
        FileError: if the file cannot be read.
        FormatError: if it is damaged, or of another kind, schema or table, or if another field has another value.
    """
    if not path.is_file():
        raise FileError(f"cannot read {path}: no such file")
    try:
        with safe_open(path, "pt") as file:
            description = dict(json.loads((file.metadata() or {})[_METADATA_KEY]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path} holds no {kind}: {error}") from error
    wanted = {"kind": kind, "schema": schema, "table_hash": TABLE_HASH, **(expected or {})}
    found = {"kind": kind} | description
    for name, value in json.loads(json.dumps(wanted)).items():  # tuples become lists, as in the file
        if found.get(name) != value:
            raise FormatError(f"{path} has {name} {found.get(name)!r}; allowed: {value!r}")
    return tensors, description


@contextmanager
def must_fit(path: Path, kind: str) -> Iterator[None]:
    """Turn errors in the use of a file's content into a ``FormatError`` that names the file.

    Args:
        path: file with the content.
        kind: expected kind.

    Raises:
        FormatError: if the block fails because of a missing name or a wrong shape, type or value.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise FormatError(f"{path} does not fit the {kind}: {str(error).splitlines()[0]}") from error
