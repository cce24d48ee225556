"""Examples that are used several times: how often, in which company, and after a run was resumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pytest
import torch

from inference import __main__ as command
from inference.network.features.log_mel import SHAPE
from inference.network.training.replay import Replay
from inference.network.weights import read_network
from render.data.dataset import make_dataset, make_row, plan
from render.data.rows import EncodedRow
from render.errors import HostError, OutOfRange
from tests.inference.numbered_examples import NumberedExamples
from tests.scale_host import ScaleHost

BLOCK = 4


def numbers(replay: Replay, start: int, stop: int) -> list[int]:
    return [int(number) for number in replay.batch(start, stop).knobs[:, 0]]


@pytest.fixture
def source() -> NumberedExamples:
    torch.set_num_threads(1)
    return NumberedExamples()


def test_every_example_is_used_equally_often_and_fresh_ones_come_in_order(source: NumberedExamples) -> None:
    replay = Replay(source, reuse=3, block=BLOCK, remembered=5 * BLOCK + 1)
    blocks = [numbers(replay, first, first + BLOCK) for first in range(0, 60 * BLOCK, BLOCK)]
    assert list(chain(*blocks[::3])) == list(range(20 * BLOCK))
    assert source.asked == [(first, first + BLOCK) for first in range(0, 20 * BLOCK, BLOCK)]
    uses = Counter(chain(*blocks))
    assert {uses[k] for k in range(5 * BLOCK, 14 * BLOCK)} == {3}
    assert sum(uses.values()) == 60 * BLOCK
    later = [set(block) for k, block in enumerate(blocks) if k % 3 and k > 15]
    assert all(len(block) == BLOCK for block in later)
    assert all(len({number // BLOCK for number in block}) > 1 for block in later[:4])
    ages = [k // 3 - number // BLOCK for k, block in enumerate(blocks) for number in block]
    assert min(ages) == 0
    assert max(ages) == 4


def test_an_example_is_a_function_of_its_number(source: NumberedExamples) -> None:
    replay = Replay(source, 2, BLOCK, 3 * BLOCK)
    whole = replay.batch(0, 14 * BLOCK)
    assert whole.spectrograms.dtype == torch.uint8
    assert whole.spectrograms.shape == (14 * BLOCK, *SHAPE)
    n_asked = len(source.asked)
    resumed = NumberedExamples()
    for begun, first, last in ((replay, 3, 5), (Replay(resumed, 2, BLOCK, 3 * BLOCK), 45, 56), (replay, 30, 33)):
        part = begun.batch(first, last)
        for name in ("spectrograms", "notes", "codes", "knobs"):
            assert torch.equal(getattr(part, name), getattr(whole, name)[first:last]), (name, first)
    assert resumed.asked == [(12, 16), (16, 20), (20, 24), (24, 28)]  # from the oldest that is still needed
    assert len(source.asked) > n_asked


def test_what_it_is_depends_on_everything(source: NumberedExamples) -> None:
    replay = Replay(source, 2, BLOCK, 8 * BLOCK)
    others = (
        Replay(source, 3, BLOCK, 8 * BLOCK),
        Replay(source, 2, 2 * BLOCK, 8 * BLOCK),
        Replay(source, 2, BLOCK, 64),
    )
    assert all(replay.identity() != other.identity() for other in others)
    assert replay.identity() != Replay(NumberedExamples(3), 2, BLOCK, 8 * BLOCK).identity()
    assert replay.coding is source.coding
    assert len(replay.frequencies()) == len(source.frequencies())
    for reuse, remembered in ((0, 99), (2, 2 * BLOCK - 1)):
        with pytest.raises(OutOfRange):
            Replay(source, reuse, BLOCK, remembered)


def test_the_command_trains_a_transformer_on_repeated_examples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def render_here(indices: Iterable[int]) -> Iterator[EncodedRow | HostError]:
        return (make_row(ScaleHost(), 3, index) for index in indices)

    make_dataset(tmp_path / "set", plan(ScaleHost().info, seed=3, count=12, shard_size=8), render_here)
    arguments = ["train", "--data", str(tmp_path / "set"), "--out", str(tmp_path / "out"), "--sounds", "0"]
    arguments += ["--architecture", "transformer", "--hidden", "32", "--batch", "4", "--held-out", "4"]
    arguments += ["--reuse", "2", "--remember", "8", "--examples"]
    assert command.main([*arguments, "8"]) == 0
    assert "8 examples" in capsys.readouterr().err
    assert command.main([*arguments, "12"]) == 0
    assert "continuing from example 8" in capsys.readouterr().out
    assert read_network(tmp_path / "out" / "network.safetensors", "network").size.architecture == "transformer"
    assert command.main([*arguments, "16", "--reuse", "3"]) == 1
    assert "has source" in capsys.readouterr().err
    assert command.main([*arguments, "16", "--device", "abacus"]) == 1
    assert "abacus" in capsys.readouterr().err
