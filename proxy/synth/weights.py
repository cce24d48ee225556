"""The learned corrections as a file; the fitted ones are part of the package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from proxy.synth.corrections import FACTORS, Corrections
from proxy.tensor_file import must_fit, read_tensors, write_tensors
from render.errors import FormatError

KIND = "corrections"
SCHEMA = 1
SHIPPED = Path(__file__).parent / "corrections.safetensors"
"""The corrections that the product uses."""


def save_corrections(path: Path, corrections: Corrections, notes: Mapping[str, object] | None = None) -> None:
    """Write corrections to a file, completely or not at all.

    Args:
        path: file to write.
        corrections: corrections to write.
        notes: their origin, for people, in JSON's types.

    Raises:
        FileError: if the file cannot be written.
    """
    fields = {"factors": FACTORS, "notes": dict(notes or {})}
    write_tensors(path, corrections.state_dict(), kind=KIND, schema=SCHEMA, fields=fields)


def load_corrections(path: Path | None = None) -> Corrections:
    """The corrections of a file, by default the shipped ones.

    Args:
        path: file to read.

    Raises:
        FileError: if it cannot be read.
        FormatError: if it is damaged, of another schema or table, or does not fit.
    """
    path = SHIPPED if path is None else path
    tensors, _ = _read(path)
    corrections = Corrections()
    with must_fit(path, KIND):
        corrections.load_state_dict(tensors)
    wrong = [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]
    if wrong:
        raise FormatError(f"{path} has numbers that are not finite in {', '.join(wrong)}")
    return corrections


def notes_of(path: Path | None = None) -> dict[str, Any]:
    """The origin of corrections as stated in their file, by default the shipped one.

    Args:
        path: file to read.

    Raises:
        FileError: if it cannot be read.
        FormatError: if it is damaged, or of another schema or table.
    """
    _, description = _read(SHIPPED if path is None else path)
    return dict(description.get("notes", {}))


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    return read_tensors(path, kind=KIND, schema=SCHEMA, expected={"factors": FACTORS})
