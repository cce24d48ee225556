"""Live training: examples are functions of their numbers, whatever makes them, and a run goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from inference import __main__ as command
from inference.clip.target import Target
from inference.network.coding.codings import SOUND
from inference.network.model import GuessNetwork
from inference.network.size import Size
from inference.network.training.examples import Batch
from inference.network.training.live import CHUNK, LiveExamples, live_pool, make_chunk
from inference.network.training.options import TrainOptions
from inference.network.training.train import LOG_FILE, Training, train
from inference.network.training.validate import format_table, nats_by_variable, summary
from render.errors import HostError
from render.noisemaker.prior import draw
from render.note import Note
from tests.scale_host import ScaleHost

SMALL = Size(channels=(8, 8, 16, 16), hidden=32)
OPTIONS = TrainOptions(size=SMALL, examples=48, batch=12, augmented=True)


def equal(one: Batch, other: Batch) -> bool:
    pairs = ((getattr(one, name), getattr(other, name)) for name in ("spectrograms", "notes", "codes", "knobs"))
    return all(torch.equal(left, right) for left, right in pairs)


@pytest.fixture(scope="module")
def live() -> Iterator[LiveExamples]:
    torch.set_num_threads(1)
    with live_pool(ScaleHost, SMALL, 1) as pool:
        yield LiveExamples(pool, SOUND, 3)


@pytest.fixture(scope="module")
def with_two_workers() -> Iterator[LiveExamples]:
    with live_pool(ScaleHost, SMALL, 2) as pool:
        yield LiveExamples(pool, SOUND, 3, ahead=20)


def test_an_example_depends_on_its_number_only(live: LiveExamples, with_two_workers: LiveExamples) -> None:
    whole = live.batch(0, 20)
    assert whole.spectrograms.shape == (20, 2, 128, 192)
    assert (whole.codes.numpy() < np.array(SOUND.sizes)).all()
    assert not torch.equal(whole.spectrograms[0], whole.spectrograms[1])
    later = live.batch(5, 17)
    assert torch.equal(whole.spectrograms[5:17], later.spectrograms)
    assert torch.equal(whole.notes[5:17], later.notes)
    assert equal(with_two_workers.batch(5, 17), later)
    assert equal(with_two_workers.batch(0, 20), whole)
    chunk = make_chunk(ScaleHost(), "mel", SOUND, (3, 1))
    np.testing.assert_array_equal(chunk.notes, whole.notes[CHUNK : 2 * CHUNK])
    patch, _ = draw(3, CHUNK)
    np.testing.assert_allclose(chunk.knobs[0], patch.knobs, atol=1e-6)


def test_the_codes_of_a_chunk_are_those_of_its_draws() -> None:
    chunk = make_chunk(ScaleHost(), "mel", SOUND, (3, 0))
    drawn = [draw(3, index) for index in range(CHUNK)]
    wanted = SOUND.encode([patch for patch, _ in drawn], [note for _, note in drawn])
    unmoved = [k for k, var in enumerate(SOUND.variables) if var.name != "gate"]  # which the onset shortens
    np.testing.assert_array_equal(chunk.codes[:, unmoved], wanted[:, unmoved])


def test_a_resumed_live_run_ends_as_one_that_was_not_stopped(
    tmp_path: Path, live: LiveExamples, with_two_workers: LiveExamples
) -> None:
    whole = Training(live, OPTIONS, tmp_path / "whole")
    train(whole, None)
    assert whole.seen == 48
    stopped = Training(live, OPTIONS, tmp_path / "stopped")

    def stop(training: Training, loss: float) -> None:
        if training.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(stopped, None, save_seconds=0.0, on_step=stop)
    resumed = Training(with_two_workers, OPTIONS, tmp_path / "stopped")
    assert resumed.seen == 24
    train(resumed, None, save_seconds=0.0)
    for name, tensor in whole.average.state_dict().items():
        assert torch.equal(tensor, resumed.average.state_dict()[name]), name


class Broken(ScaleHost):
    """A host that plays nothing."""

    def render(self, *_: object, **__: object) -> np.ndarray:
        raise HostError("no sound today")


def test_a_host_that_fails_ends_the_run() -> None:
    with pytest.raises(HostError, match="200 draws were refused"):
        make_chunk(Broken(), "mel", SOUND, (3, 0))


def test_frequencies_make_a_network_without_a_clip_as_good_as_the_baseline(live: LiveExamples) -> None:
    torch.manual_seed(0)
    network = GuessNetwork(SMALL)
    shares = live.frequencies()
    network.chain.begin_with([torch.from_numpy(share).float() for share in shares])
    network.chain.weight.data.zero_()
    figures = summary(nats_by_variable(network, [live.batch(0, 20)], shares))
    assert figures["nats"] == pytest.approx(figures["nats_marginal"], rel=1e-3)
    assert len(figures["variables"]) <= len(SOUND)
    table = format_table(figures["variables"])
    assert "cutoff" in table
    assert len(table.splitlines()) == 1 + len(figures["variables"])


def test_the_command_trains_live_and_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--live", "--out", str(tmp_path), "--hidden", "16", "--batch", "8", "--held-out", "8"]
    assert command.main([*arguments, "--examples", "16"]) == 0
    printed = capsys.readouterr()
    assert "nats_marginal" in printed.out
    assert "filtertype" in printed.out
    assert "16 examples" in printed.err
    assert command.main([*arguments, "--examples", "24"]) == 0
    assert "continuing from example 16" in capsys.readouterr().out
    lines = [json.loads(line) for line in (tmp_path / LOG_FILE).read_text().splitlines()]
    assert [line["examples"] for line in lines] == [16, 24]
    assert set(lines[0]["variables"]["filtertype"]) >= {1.0}
    assert command.main([*arguments, "--epochs", "1"]) == 1
    assert command.main([*arguments, "--examples", "32", "--data", str(tmp_path)]) == 1


def test_a_network_of_sounds_proposes_on_the_key_that_is_known() -> None:
    from inference.network.proposals import Guesser

    torch.manual_seed(0)
    network = GuessNetwork(replace(SMALL, spectrogram="stretched"))
    network.chain.begin_with([torch.ones(size) / size for size in SOUND.sizes])
    t = np.arange(30000) / 44100
    clip = (0.2 * np.sin(2 * np.pi * 261.6 * t) * np.exp(-3.0 * t)).astype(np.float32)[None]
    note = Note(61, 90, 0.3, 0.7)
    fixed = Guesser(network).propose(Target("", clip, note, True, True, 0.0, note_fixed=True), count=6, seed=4)
    assert {proposal.note for proposal in fixed} == {note}
    free = Guesser(network).propose(Target("", clip, note, True, False, 0.0), count=6, seed=4)
    assert len({proposal.note.number for proposal in free}) > 1
