"""The fit to one plug-in: it finds what is tuned otherwise, keeps nothing that is no gain, and can be continued."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch

from proxy.fitting.calibrate import calibrate
from proxy.fitting.settings import Settings
from proxy.synth.corrections import FACTORS, Corrections
from proxy.synth.play import play
from proxy.synth.weights import load_corrections
from render.data.dataset import make_dataset, plan
from render.data.flac import encode
from render.data.rows import EncodedRow
from render.data.shards import Dataset
from render.instruments.host import HostInfo
from render.noisemaker.table import TABLE
from render.note import Note

NOTE = Note(48, 100, 0.1, 0.2)
COUNT = 16
FITS = (Settings(steps=7, items=4, part=4, rate=0.03), Settings(steps=1, items=4, part=4, rate=1e-4))


def louder_second() -> Corrections:
    corrections = load_corrections()
    with torch.no_grad():
        corrections.log_factors[FACTORS.index("osc2 gain")] += 0.4
    return corrections


def rendered(folder: Path, corrections: Corrections) -> Dataset:
    """Renders of a synthesizer that is the proxy with these corrections."""

    def render_all(indices: Iterable[int]) -> Iterator[EncodedRow]:
        for index in indices:
            patch = TABLE.patch({"osc1volume": 0.4 + 0.02 * index, "osc2volume": 0.6, "osc2tune": 0.7, "cutoff": 0.8})
            flac, gain = encode(play(patch, NOTE, corrections))
            yield EncodedRow(index, 0, patch, NOTE, gain, flac)

    make_dataset(folder, plan(HostInfo("plugin", "TAL-NoiseMaker", "2.0"), seed=970, count=COUNT), render_all)
    return Dataset(folder)


def nothing(what: str, done: int, count: int) -> None:
    pass


def same(one: Corrections, other: Corrections) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(mine, theirs) for mine, theirs in pairs)


def test_a_gain_that_differs_is_found_and_measured_on_renders_kept_aside(tmp_path: Path) -> None:
    data = rendered(tmp_path / "data", louder_second())
    corrections, found = calibrate(data, tmp_path, nothing, FITS)
    assert (found.fitted, found.judged) == (12, 4)
    assert found.plugin == "TAL-NoiseMaker 2.0"
    assert found.closer
    assert found.share == 1.0
    assert found.mss[1] < 0.8 * found.mss[0]
    assert found.distance[1] < found.distance[0]
    assert not same(corrections, load_corrections())


def test_where_nothing_can_be_gained_the_shipped_corrections_stay(tmp_path: Path) -> None:
    data = rendered(tmp_path / "data", load_corrections())
    corrections, found = calibrate(data, tmp_path, nothing, FITS[:1])
    assert not found.closer
    assert found.mss[1] > found.mss[0]  # of the fit that was tried
    assert same(corrections, load_corrections())


def test_an_interrupted_calibration_goes_on_where_it_stopped(tmp_path: Path) -> None:
    data = rendered(tmp_path / "data", louder_second())
    expected, _ = calibrate(data, tmp_path / "whole", nothing, FITS)

    def interrupt(what: str, done: int, count: int) -> None:
        if (what, done) == ("fit 1 of 2", 6):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrate(data, tmp_path / "parts", interrupt, FITS)
    said: list[tuple[str, int]] = []
    found, _ = calibrate(data, tmp_path / "parts", lambda what, done, count: said.append((what, done)), FITS)
    assert [done for what, done in said if what == "fit 1 of 2"] == [6, 7]
    assert same(found, expected)


def test_a_damaged_checkpoint_is_not_used(tmp_path: Path) -> None:
    data = rendered(tmp_path / "data", louder_second())
    (tmp_path / "fit-1.safetensors").write_bytes(b"half a checkpoint")
    assert calibrate(data, tmp_path, nothing, FITS)[1].closer
