"""Kept corrections come back as they were, and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from proxy import tensor_file
from proxy.synth import weights
from proxy.synth.corrections import Corrections
from proxy.synth.weights import load_corrections, notes_of, save_corrections
from render.errors import FileError, FormatError


def bent() -> Corrections:
    corrections = Corrections()
    with torch.no_grad():
        for number, one in enumerate(corrections.parameters()):
            one.copy_(torch.linspace(-0.1, 0.2, one.numel()).reshape(one.shape) * (number + 1))
    return corrections


def test_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "corrections.safetensors"
    path.parent.mkdir()
    save_corrections(path, bent(), {"data": "a test"})
    for expected, found in zip(bent().parameters(), load_corrections(path).parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert notes_of(path) == {"data": "a test"}


def test_the_shipped_ones_load() -> None:
    knobs = torch.tensor([[0.0], [1.0]]).expand(-1, len(Corrections().bends))
    torch.testing.assert_close(load_corrections().bent(knobs), knobs)


def test_other_tables_schemas_and_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "corrections.safetensors"
    with pytest.raises(FileError, match="no such file"):
        load_corrections(path)
    others = ((tensor_file, "TABLE_HASH", "0123"), (weights, "SCHEMA", 99), (weights, "FACTORS", ("none",)))
    for module, name, value in others:
        with monkeypatch.context() as patched:
            patched.setattr(module, name, value)
            save_corrections(path, bent())
        for read in (load_corrections, notes_of):
            with pytest.raises(FormatError, match=rf"has {name.lower()} .*; allowed: "):
                read(path)
    path.write_bytes(b"no weights at all")
    with pytest.raises(FormatError, match="holds no corrections"):
        load_corrections(path)
    save_file({"other": torch.zeros(1)}, path)
    with pytest.raises(FormatError, match="holds no corrections"):
        load_corrections(path)


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "corrections.safetensors"
    broken = bent()
    with torch.no_grad():
        broken.log_factors[0] = torch.nan
    save_corrections(path, broken)
    assert "log_factors" in load_file(path)
    with pytest.raises(FormatError, match="not finite in log_factors"):
        load_corrections(path)
