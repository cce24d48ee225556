"""Both architectures of the guess network: likelihoods, drawing, files, resumed runs, and what a step changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from inference.network.coding.codings import SOUND
from inference.network.coding.variables import SILENT
from inference.network.features.augment import augment
from inference.network.features.log_mel import SHAPE, as_floats
from inference.network.model import GuessNetwork, RegressionNetwork
from inference.network.sampling import draw
from inference.network.size import Size, default_size
from inference.network.training.devices import device_errors, open_device
from inference.network.training.examples import Batch
from inference.network.training.loss import loss_of
from inference.network.training.options import DEFAULTS, TrainOptions
from inference.network.training.train import Training, parameter_groups, train
from inference.network.weights import read_network, write_network
from render.errors import DeviceError, FormatError, OutOfRange, UnknownName
from render.noisemaker.table import TABLE
from tests.inference.numbered_examples import NumberedExamples

SMALL = {
    "chain": Size((8, 8, 8, 8), 32),
    "transformer": Size((8, 8, 16), 64, spectrogram="stretched", architecture="transformer", layers=(1, 2)),
}
OPTIONS = TrainOptions(size=SMALL["transformer"], examples=24, batch=4, warm_up=2)


@pytest.fixture(params=SMALL.values(), ids=list(SMALL))
def network(request: pytest.FixtureRequest) -> GuessNetwork:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = GuessNetwork(request.param)
    network.chain.begin_with([torch.ones(size) / size for size in SOUND.sizes])
    for weight in network.parameters():  # also of those that begin at zero
        weight.data += 0.1 * torch.randn_like(weight)
    return network.eval()


def rows_of(count: int) -> Batch:
    return NumberedExamples().batch(0, count)


@torch.inference_mode()
def test_what_is_drawn_is_as_likely_as_forward_says(network: GuessNetwork) -> None:
    spectrograms, notes = torch.rand(1, *SHAPE), torch.tensor([57])
    heard = network.encoder(spectrograms, notes)
    drawn = draw(network, heard, {}, temperature=np.ones(7), generator=torch.Generator().manual_seed(1))
    codes = torch.from_numpy(drawn.codes)
    assert (codes == SILENT).any()
    assert (codes[:, 1:] != codes[:1, 1:]).any()
    nats = network(spectrograms.expand(7, -1, -1, -1), notes.expand(7), codes)
    np.testing.assert_allclose(drawn.log_probs, -nats.sum(dim=1), rtol=1e-4)
    first = np.where(np.arange(7) < 4, drawn.codes[:, 0], SILENT)
    again = draw(network, heard, {0: first}, temperature=np.ones(7), generator=torch.Generator().manual_seed(2))
    assert (again.codes[:4, 0] == drawn.codes[:4, 0]).all()
    assert (again.codes != drawn.codes).any(axis=1).all()


@torch.inference_mode()
def test_rows_do_not_depend_on_each_other(network: GuessNetwork) -> None:
    batch, order = rows_of(5), torch.tensor([3, 0, 4, 1, 2])
    nats = network(batch.spectrograms, batch.notes, batch.codes)
    moved = network(batch.spectrograms[order], batch.notes[order], batch.codes[order])
    torch.testing.assert_close(moved, nats[order], rtol=1e-4, atol=1e-4)
    assert nats[:, 0].std() > 0.0
    assert not nats[batch.codes == SILENT].any()


@torch.inference_mode()
def test_a_variable_does_not_depend_on_later_ones_but_on_the_clip_and_earlier_ones(network: GuessNetwork) -> None:
    batch = rows_of(3)
    nats = network(batch.spectrograms, batch.notes, batch.codes)
    for k in (0, 36, len(SOUND) - 1):
        other = batch.codes.clone()
        other[:, k] = (other[:, k] + 1) % SOUND.sizes[k]
        changed = network(batch.spectrograms, batch.notes, other) - nats
        torch.testing.assert_close(changed[:, :k], torch.zeros_like(changed[:, :k]), rtol=0.0, atol=1e-5)
        if k + 1 < len(SOUND):
            assert (changed[:, k + 1 :].abs() > 1e-4).any(dim=1).all()
    deaf = network(torch.zeros_like(batch.spectrograms), batch.notes, batch.codes)
    unpitched = network(batch.spectrograms, (batch.notes + 12) % 128, batch.codes)
    assert (deaf - nats).abs().max() > 1e-3
    assert (unpitched - nats).abs().max() > 1e-3


def test_gradients_are_finite_in_half_precision_and_reach_every_weight(network: GuessNetwork) -> None:
    network.train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = loss_of(network, rows_of(4))
    loss.backward()  # type: ignore[no-untyped-call]
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        assert weight.grad.any(), name


def test_weights_survive_a_file_and_name_their_architecture(tmp_path: Path, network: GuessNetwork) -> None:
    path, batch = tmp_path / "network.safetensors", rows_of(2)
    halves = GuessNetwork(network.size)
    halves.load_state_dict({name: t.half() if t.is_floating_point() else t for name, t in network.state_dict().items()})
    write_network(path, "network", network.size, network.state_dict())
    found = read_network(path, "network")
    assert found.size == network.size
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, halves.state_dict()[name]), name
    assert torch.isfinite(found(batch.spectrograms, batch.notes, batch.codes)).all()
    other = next(size for size in SMALL.values() if size != network.size)
    with pytest.raises(FormatError, match="size"):
        read_network(path, "network", other)
    write_network(path, "network", other, network.state_dict())
    with pytest.raises(FormatError, match="does not fit"):
        read_network(path, "network")


def test_sizes_are_checked_and_files_without_an_architecture_are_chains() -> None:
    assert Size.parse({"channels": [8, 8], "hidden": 16}).architecture == "chain"
    assert Size.parse(SMALL["transformer"].as_json()) == SMALL["transformer"]
    assert default_size("transformer").spectrogram == "stretched"
    assert default_size("chain") == Size()
    with pytest.raises(UnknownName, match="chain, transformer"):
        default_size("tarot")
    with pytest.raises(OutOfRange):
        replace(SMALL["transformer"], hidden=80)
    for wrong in ({"warm_up": 0}, {"learning_rate": float("nan")}, {"largest_gradient": 0.0}, {"average": 1.0}):
        with pytest.raises(OutOfRange):
            replace(OPTIONS, **wrong)
    assert {name: getattr(TrainOptions(examples=1), name) for name in DEFAULTS["chain"]} == DEFAULTS["chain"]
    count = sum(weight.numel() for weight in GuessNetwork(default_size("transformer")).parameters())
    assert count <= 8_000_000  # 16 MB in half precision


@pytest.mark.parametrize("model", ["network", "regression"])
def test_a_resumed_run_of_a_transformer_ends_as_one_that_was_not_stopped(tmp_path: Path, model: str) -> None:
    options = replace(OPTIONS, model=model)
    whole = Training(NumberedExamples(), options, tmp_path / "whole")
    train(whole, None)
    stopped = Training(NumberedExamples(), options, tmp_path / "stopped")

    def stop(training: Training, loss: float) -> None:
        if training.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(stopped, None, save_seconds=0.0, on_step=stop)
    resumed = Training(NumberedExamples(), options, tmp_path / "stopped")
    assert resumed.step == 3
    train(resumed, None)
    assert resumed.step == 6
    for one, other in ((whole.network, resumed.network), (whole.average, resumed.average)):
        for name, tensor in one.state_dict().items():
            assert torch.equal(tensor, other.state_dict()[name]), name
    file = f"{model}.safetensors"
    assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "stopped" / file).read_bytes()


def test_a_run_begins_with_weights_of_fewer_layers(tmp_path: Path) -> None:
    small = SMALL["transformer"]
    path = tmp_path / "start.safetensors"
    torch.manual_seed(1)
    write_network(path, "network", small, GuessNetwork(small).state_dict())
    start = read_network(path, "network")
    options = replace(OPTIONS, size=replace(small, layers=(3, 2)), start=path)
    begun = Training(NumberedExamples(), options, tmp_path / "run").network.eval()
    batch = rows_of(3)
    inputs = batch.spectrograms, batch.notes, batch.codes
    torch.testing.assert_close(begun(*inputs), start(*inputs))
    for other in (replace(small, hidden=32), replace(small, layers=(1, 1)), replace(small, layers=(1, 3))):
        with pytest.raises(FormatError, match="weights to begin with"):
            Training(NumberedExamples(), replace(options, size=other), tmp_path / "other")


def test_a_transformer_overfits_a_few_examples(tmp_path: Path) -> None:
    options = replace(OPTIONS, examples=8 * 60, batch=8, learning_rate=4e-3, warm_up=10, augmented=False)
    training = Training(NumberedExamples(period=8), options, tmp_path)
    losses = [float(training.take_step()) for _ in range(60)]
    assert np.mean(losses[-3:]) < 0.5 * losses[0]


def test_only_matrices_of_a_transformer_decay() -> None:
    network = GuessNetwork(SMALL["transformer"])
    decaying, others = parameter_groups(network, 0.1)
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    names = {id(weight): name for name, weight in network.named_parameters()}
    assert len(decaying["params"]) + len(others["params"]) == len(names)
    assert all(weight.ndim >= 2 for weight in decaying["params"])
    kept = {names[id(weight)] for weight in others["params"]}
    assert {"chain.value.weight", "chain.weight", "chain.asked", "encoder.note.weight", "encoder.norm.weight"} <= kept
    assert not any("attention" in name and name.endswith("weight") for name in kept)
    (group,) = parameter_groups(GuessNetwork(SMALL["chain"]), 0.1)
    assert group["weight_decay"] == 0.1


def test_bytes_are_learnt_as_floats_are() -> None:
    floats = rows_of(2)
    bytes_ = replace(floats, spectrograms=(255.0 * floats.spectrograms).round().to(torch.uint8))
    assert torch.equal(as_floats(bytes_.spectrograms), bytes_.on("cpu").spectrograms)
    assert bytes_.on("cpu").spectrograms.max() <= 1.0
    assert floats.on("cpu").spectrograms is floats.spectrograms


def test_a_room_decays_as_fast_on_stretched_frames_as_on_even_ones() -> None:
    shares = {}
    for kind, end, later in (("mel", 80, 110), ("stretched", 128, 138)):  # 0.93 s and 1.26 to 1.28 s
        sounds = torch.zeros(600, 2, 128, 192)
        sounds[..., :end] = 1.0
        augmented = augment(sounds, torch.Generator().manual_seed(3), kind)
        shares[kind] = float((augmented[:, 0, 64, later] > 0.4).float().mean())
    assert shares["mel"] > 0.03
    assert shares["stretched"] == pytest.approx(shares["mel"], abs=0.01)


def test_what_goes_wrong_with_a_device_is_said_in_one_line() -> None:
    open_device("cpu")
    for name in ("abacus", "cuda:99"):
        with pytest.raises(UnknownName, match="device"):
            open_device(name)
    failures = (
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"), "out of memory: try a smaller --batch"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (torch.AcceleratorError("CUDA error: device lost\nmore"), "has failed: .*device lost$"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "cuda:0 has failed"),
    )
    for failure, message in failures:
        with pytest.raises(DeviceError, match=message) as caught, device_errors("cuda:0"):
            raise failure
        assert "\n" not in str(caught.value)
    with pytest.raises(RuntimeError, match="a mistake of ours"), device_errors("cpu"):
        raise RuntimeError("a mistake of ours")


def test_a_run_that_diverges_ends_with_its_last_checkpoint(tmp_path: Path) -> None:
    training = Training(NumberedExamples(), OPTIONS, tmp_path)

    def break_it(training: Training, loss: float) -> None:
        if training.step == 3:
            nn.init.constant_(training.network.chain.bias, float("nan"))

    with pytest.raises(OutOfRange, match="loss at step 4"):
        train(training, None, save_seconds=0.0, on_step=break_it)
    assert Training(NumberedExamples(), OPTIONS, tmp_path).step == 3


def test_a_regression_can_hear_with_a_transformer() -> None:
    knobs = RegressionNetwork(SMALL["transformer"])(torch.rand(2, *SHAPE), torch.tensor([60, 128]))
    assert knobs.shape == (2, len(TABLE.parameters))
    assert ((knobs > 0.0) & (knobs < 1.0)).all()
