"""Kept calibrations belong to one plug-in, and whatever is wrong with them costs a notice."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from proxy.synth.calibrations import (
    Calibration,
    calibration_path,
    corrections_for,
    is_calibrated,
    kept_calibrations,
    plugin_digest,
    read_calibration,
    save_calibration,
)
from proxy.synth.corrections import Corrections
from proxy.synth.weights import load_corrections, save_corrections
from render.errors import FileError, FormatError

FOUND = Calibration("TAL-NoiseMaker", "1.0.1 (VST3)", 300, 100, (0.52, 0.41), (0.021, 0.018), 0.77, True)


@pytest.fixture(autouse=True)
def _data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.synth.calibrations.data_folder", lambda: tmp_path / "data")


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A bundle."""
    binary = tmp_path / "NoiseMaker.vst3" / "Contents" / "x86_64-linux" / "NoiseMaker.so"
    binary.parent.mkdir(parents=True)
    binary.write_bytes(b"version 1")
    return tmp_path / "NoiseMaker.vst3"


def fitted() -> Corrections:
    corrections = Corrections()
    with torch.no_grad():
        corrections.log_factors[0] = 0.5
    return corrections


def first_factor(where: Path | str) -> float:
    return float(corrections_for(str(where))[0].log_factors[0].detach())


def test_a_calibration_is_used_for_its_plugin_wherever_it_lies(plugin: Path, tmp_path: Path) -> None:
    shipped = float(load_corrections().log_factors[0].detach())
    assert not is_calibrated(str(plugin))
    assert corrections_for(str(plugin))[1] is None
    save_calibration(calibration_path(plugin), fitted(), FOUND)
    assert read_calibration(calibration_path(plugin))[1] == FOUND
    assert list(kept_calibrations()) == [calibration_path(plugin)]
    copy = tmp_path / "elsewhere" / "Other name.vst3"
    shutil.copytree(plugin, copy)
    for path in (plugin, copy):
        assert is_calibrated(str(path))
        assert first_factor(path) == 0.5
        notice = corrections_for(str(path))[1]
        assert notice is not None
        assert "calibrated to TAL-NoiseMaker 1.0.1 (VST3): median MSS 0.520 -> 0.410 dB" in notice
    assert first_factor("embedded") == shipped
    (copy / "Contents" / "x86_64-linux" / "NoiseMaker.so").write_bytes(b"version 2")
    assert not is_calibrated(str(copy))
    assert first_factor(copy) == shipped


def test_one_without_a_gain_leaves_the_shipped_corrections(plugin: Path) -> None:
    save_calibration(calibration_path(plugin), fitted(), replace(FOUND, closer=False))
    assert is_calibrated(str(plugin))
    assert first_factor(plugin) != 0.5
    assert corrections_for(str(plugin))[1] is None


@pytest.mark.parametrize("damage", ["cut", "no weights", "other notes"])
def test_a_damaged_one_costs_a_notice(damage: str, plugin: Path) -> None:
    path = calibration_path(plugin)
    save_calibration(path, fitted(), FOUND)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:200])
    elif damage == "no weights":
        path.write_bytes(b"")
    else:
        save_corrections(path, fitted(), {"mss": 1.0})
    with pytest.raises(FormatError):
        read_calibration(path)
    corrections, notice = corrections_for(str(plugin))
    assert float(corrections.log_factors[0].detach()) != 0.5
    assert notice is not None
    assert "cannot be used, the shipped corrections are" in notice
    assert "\n" not in notice


def test_a_plugin_that_is_not_there_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"cannot read .*missing"):
        plugin_digest(tmp_path / "missing.vst3")
