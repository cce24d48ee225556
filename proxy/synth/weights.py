"""The learned corrections as a safetensors file; the ones that fit found are shipped in the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from proxy.synth.corrections import FACTORS, Corrections
from render.errors import FileError, FormatError
from render.files import write_bytes
from render.noisemaker.table import TABLE

SCHEMA = 1
SHIPPED = Path(__file__).parent / "corrections.safetensors"


def save_corrections(path: Path, corrections: Corrections, notes: Mapping[str, object] | None = None) -> None:
    """Write a whole file or nothing.

    Args:
        path: of the file.
        corrections: what to keep.
        notes: where they come from; kept for people.

    Raises:
        FileError: if it cannot be written.
    """
    said = {"schema": SCHEMA, "table_hash": TABLE.hash, "factors": FACTORS, "notes": dict(notes or {})}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in corrections.state_dict().items()}
    write_bytes(path, save(tensors, {"description": json.dumps(said)}))


def load_corrections(path: Path | None = None) -> Corrections:
    """The corrections of a file, by default the shipped ones.

    Raises:
        FileError: if it cannot be read.
        FormatError: if it is damaged, of another schema or table, or does not fit.
    """
    path = SHIPPED if path is None else path
    if not path.is_file():
        raise FileError(f"cannot read {path}: no such file")
    try:
        with safe_open(path, "pt") as file:
            said = json.loads((file.metadata() or {})["description"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    except (SafetensorError, KeyError, ValueError) as error:
        raise FormatError(f"{path} holds no corrections: {error}") from error
    for name, expected in (("schema", SCHEMA), ("table_hash", TABLE.hash), ("factors", list(FACTORS))):
        if said.get(name) != expected:
            raise FormatError(f"{path} has {name} {said.get(name)!r}; allowed: {expected!r}")
    corrections = Corrections()
    try:
        corrections.load_state_dict(tensors)
    except RuntimeError as error:
        raise FormatError(f"{path} does not fit the corrections: {str(error).splitlines()[0]}") from error
    wrong = [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if wrong:
        raise FormatError(f"{path} has numbers that are not finite in {', '.join(wrong)}")
    return corrections
