"""Examples that the proxy renders: functions of their numbers, and the same as those of a host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inference import __main__ as command
from inference.network.coding.codings import SOUND
from inference.network.size import Size
from inference.network.training import proxy_examples
from inference.network.training.examples import Batch
from inference.network.training.live import make_chunk
from inference.network.training.proxy_examples import Drawn, Found, ProxyExamples, drawn_chunk, draws_pool
from render.errors import HostError
from render.hosts.pool import Pool
from render.noisemaker.hosts import open_host

SIZE = Size(spectrogram="stretched")
SET = 3


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool[tuple[int, int], Drawn]]:
    torch.set_num_threads(1)
    with draws_pool(SOUND, 1) as workers:
        yield workers


@pytest.fixture(scope="module")
def first(pool: Pool[tuple[int, int], Drawn]) -> Batch:
    return ProxyExamples(pool, SIZE, SET, "cpu", block=32).batch(0, 64)


def test_an_example_depends_on_its_number_only(pool: Pool[tuple[int, int], Drawn], first: Batch) -> None:
    later = ProxyExamples(pool, SIZE, SET, "cpu", block=32).batch(20, 50)
    for name in ("spectrograms", "notes", "codes", "knobs"):
        assert torch.equal(getattr(first, name)[20:50], getattr(later, name))
    assert first.spectrograms.dtype == torch.uint8
    assert (first.codes.numpy() < np.array(SOUND.sizes)).all()


def test_they_are_the_examples_of_the_embedded_host(first: Batch) -> None:
    hosted = make_chunk(open_host(), "stretched", SOUND, (SET, 0))
    codes = SOUND.relative(hosted.codes.astype(np.int64), hosted.notes)
    same = [k for k in range(len(codes)) if np.array_equal(hosted.knobs[k], first.knobs[k].numpy())]
    assert len(same) >= 6  # the others were refused by one of the two
    for k in same:
        assert first.notes[k] == hosted.notes[k]
        assert np.abs(first.codes[k].numpy() - codes[k]).max() <= 1  # the gate is counted from the onset
    apart = [np.abs(hosted.spectrograms[k].astype(float) - first.spectrograms[k].numpy()).mean() for k in same]
    assert np.median(apart) * 80.0 / 255.0 < 0.5  # dB


def test_a_refused_draw_is_replaced_by_the_next_one(
    pool: Pool[tuple[int, int], Drawn], first: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ProxyExamples._found

    def found(self: ProxyExamples, *given: Any) -> Found:
        places, spectrograms, onsets = whole(self, *given)
        kept = places % 4 == 1
        return places[kept], spectrograms[kept], onsets[kept]

    knobs = np.concatenate([drawn_chunk(SOUND, (SET, 0)).knobs])
    monkeypatch.setattr(ProxyExamples, "_found", found)
    batch = ProxyExamples(pool, SIZE, SET, "cpu", block=32).batch(0, 32)
    taken = [int(np.flatnonzero((knobs == row).all(axis=1))[0]) for row in batch.knobs.numpy()]
    assert all(place % 4 == 1 for place in taken)
    assert all(place >= k for k, place in enumerate(taken[:24]))
    monkeypatch.setattr(ProxyExamples, "_found", lambda self, *given: tuple(one[:0] for one in whole(self, *given)))
    with pytest.raises(HostError, match="all 32 renders"):
        ProxyExamples(pool, SIZE, SET, "cpu", block=32).batch(0, 32)


def test_a_part_that_is_too_large_for_the_gpu_is_rendered_in_halves(
    pool: Pool[tuple[int, int], Drawn], first: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, sizes = ProxyExamples._found, []

    def found(self: ProxyExamples, drawn: Drawn, items: Any, *given: Any) -> Found:
        sizes.append(len(items))
        if len(items) > 12:
            raise torch.cuda.OutOfMemoryError
        return whole(self, drawn, items, *given)

    monkeypatch.setattr(ProxyExamples, "_found", found)
    batch = ProxyExamples(pool, SIZE, SET, "cpu", block=32).batch(0, 32)
    assert max(sizes) > 12
    assert torch.equal(batch.codes, first.codes[:32])
    difference = batch.spectrograms.int() - first.spectrograms[:32].int()
    assert difference.abs().max() <= 1


def test_the_command_trains_on_renders_of_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_examples, "BLOCKS", {"cpu": 32})
    monkeypatch.setattr("inference.network.training.live._COUNTED", 64)
    given = ["train", "--live", "--renderer", "proxy", "--out", str(tmp_path), "--examples", "32", "--batch", "16"]
    assert command.main([*given, "--held-out", "32", "--hidden", "16", "--regression-beside"]) == 0
    assert (tmp_path / "network.safetensors").exists()
    assert (tmp_path / "regression" / "regression.safetensors").exists()
