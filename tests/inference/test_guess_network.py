"""The guess: spectrograms, variables, training that overfits and resumes, and what is done with bad files."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from inference import __main__ as command
from inference.clip.target import Target
from inference.network.coding.codings import CODINGS, SOUND
from inference.network.coding.variables import N_BINS, SILENT, Coding, unit_codes
from inference.network.features.augment import augment
from inference.network.features.log_mel import SHAPE, log_mel_spectrogram
from inference.network.features.spectrograms import spectrogram_of_render
from inference.network.model import Chain, GuessNetwork, RegressionNetwork
from inference.network.proposals import GUESSERS, Guesser, Regression, key_for, load_guesser, shipped_weights
from inference.network.size import Size
from inference.network.training.examples import Examples, ShuffledRows, split
from inference.network.training.loss import blurred_bins
from inference.network.training.options import TrainOptions
from inference.network.training.train import CHECKPOINT_FILE, LOG_FILE, Training, train
from inference.network.training.validate import judge, sound_distances
from inference.network.weights import read_network, read_tensors, write_network, write_tensors
from render.audio import Audio
from render.data.dataset import make_dataset, make_row, plan
from render.data.rows import EncodedRow
from render.errors import FileError, FormatError, HostError, InvalidAudio, OutOfRange, UnknownName
from render.noisemaker.envelope_editor import spline
from render.noisemaker.prior import draw
from render.noisemaker.table import TABLE
from render.note import Note
from tests.scale_host import ScaleHost

SMALL = Size(channels=(8, 8, 16, 16), hidden=48)
OPTIONS = TrainOptions(size=SMALL, examples=36, batch=4, augmented=True)


def source_of(examples: Examples, held_out: int = 4) -> ShuffledRows:
    return ShuffledRows(examples, split(examples, held_out)[0], 0)


def make_set(folder: Path, count: int) -> Path:
    def render_here(indices: Iterable[int]) -> Iterator[EncodedRow | HostError]:
        return (make_row(ScaleHost(), 3, index) for index in indices)

    make_dataset(folder, plan(ScaleHost().info, seed=3, count=count, shard_size=8), render_here)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return make_set(tmp_path_factory.mktemp("data") / "set", 16)


@pytest.fixture(scope="module")
def examples(data: Path) -> Examples:
    return Examples.load([data], data.parent / "cache", SMALL)


@pytest.fixture
def untrained() -> GuessNetwork:
    torch.manual_seed(0)
    network = GuessNetwork(SMALL)
    network.chain.begin_with([torch.ones(size) / size for size in SOUND.sizes])
    return network


def target_of(
    audio: Audio, note: Note, *, pitched: bool = True, note_fixed: bool = False, gate_fixed: bool = False
) -> Target:
    return Target("clip", audio, note, pitched, gate_fixed, onset_seconds=0.0, note_fixed=note_fixed)


def clip(seconds: float = 0.7, hz: float = 261.6) -> np.ndarray:
    t = np.arange(round(44100 * seconds)) / 44100
    return (0.2 * np.sin(2 * np.pi * hz * t) * np.exp(-3.0 * t)).astype(np.float32)[None]


def test_a_spectrogram_shows_level_relative_to_the_loudest_cell_and_the_side() -> None:
    mono = log_mel_spectrogram(clip())
    assert mono.shape == SHAPE
    assert mono.dtype == np.uint8
    assert mono[0].max() == 255
    assert not mono[1].any()
    np.testing.assert_array_equal(mono, log_mel_spectrogram(np.float32(1e-3) * np.repeat(clip(), 2, axis=0)))
    wide = log_mel_spectrogram(np.concatenate([clip(), np.zeros_like(clip())]))
    np.testing.assert_array_equal(wide[0], wide[1])  # one side only: middle and side are equally loud
    loudest = mono[0].max(axis=1).argmax()
    assert log_mel_spectrogram(clip(hz=523.2))[0].max(axis=1).argmax() > loudest
    assert not mono[:, :, 80:].any()  # the clip ends at frame 60
    for wrong in (np.zeros((1, 100), np.float32), np.ones((3, 100), np.float32), np.full((1, 9), np.nan, np.float32)):
        with pytest.raises(InvalidAudio):
            log_mel_spectrogram(wrong)


def test_a_render_is_cut_as_a_clip_is() -> None:
    audio = np.concatenate([np.zeros((1, 4410), np.float32), clip()], axis=1)
    shown, onset_seconds = spectrogram_of_render(audio)
    assert onset_seconds == pytest.approx(0.1, abs=0.001)
    assert np.abs(shown.astype(int) - log_mel_spectrogram(clip())).mean() < 1.0


@pytest.mark.parametrize("coding", CODINGS.values(), ids=list(CODINGS))
def test_conditions_of_a_variable_come_first(coding: Coding) -> None:
    for k, var in enumerate(coding.variables):
        assert all(coding.index(condition.name) < k for clause in var.needs for condition in clause)


def test_a_modulator_without_amount_reads_as_off() -> None:
    patch = TABLE.default.with_settings({"lfo1destination": "filter"}).with_knobs({"lfo1amount": 0.5})
    moving = patch.with_knobs({"lfo1amount": 0.9})
    codes = SOUND.encode([patch, moving], [Note(60)] * 2)
    destination, amount, rate = (SOUND.index(f"lfo1{name}") for name in ("destination", "amount", "rate"))
    assert codes[0, [destination, amount, rate]].tolist() == [0, SILENT, SILENT]
    assert codes[1, destination] == 1
    assert (codes[1, [amount, rate]] != SILENT).all()


@pytest.mark.parametrize("coding", CODINGS.values(), ids=list(CODINGS))
def test_a_curve_of_steps_is_kept_as_far_as_it_is_audible(coding: Coding) -> None:
    drawn = (draw(1, index)[0] for index in itertools.count())
    patch = next(p for p in drawn if len(p.extra) == 32)
    patch = patch.with_settings(
        {"envelopeeditordest1": "volume", "envelopeeditorspeed": "x8", "envelopeeditoramount": 1.0}
    )
    codes = coding.encode([patch], [Note(60)])
    assert (codes[0, coding.index("steps") :] != SILENT).all()
    other = coding.decode(coding.relative(codes, np.array([60]))[0].tolist(), [0.5] * len(coding), 60).patch
    middles = (np.arange(16) + 0.5) / 16
    np.testing.assert_allclose(spline(other.extra, middles), spline(patch.extra, middles), atol=0.5 / N_BINS + 1e-6)
    slow = coding.encode([patch.with_settings({"envelopeeditorspeed": "x1"})], [Note(60)])
    assert (slow[0, coding.index("height 0") :] == SILENT).sum() == 12  # of a loop of 8 s, 2.2 s are seen
    assert unit_codes(np.array([0.0, 0.5, 1.0, 0.02])).tolist() == [N_BINS, N_BINS + 1, N_BINS + 2, 0]


def test_augmentation_leaves_most_spectrograms_alone_and_all_in_range() -> None:
    spectrograms = torch.rand(64, *SHAPE)
    augmented = augment(spectrograms, torch.Generator().manual_seed(1))
    untouched = (augmented == spectrograms).flatten(1).all(dim=1).float().mean()
    assert 0.5 < untouched < 0.9
    assert augmented.min() >= 0.0
    assert augmented.max() <= 1.0
    assert torch.isfinite(augmented).all()
    torch.testing.assert_close(augmented, augment(spectrograms, torch.Generator().manual_seed(1)))


def test_the_estimated_note_of_examples_is_one_that_sounds(examples: Examples) -> None:
    rows = np.arange(len(examples)).repeat(40)
    notes = examples.batch(rows, np.random.default_rng(0)).notes.numpy()
    assert 0.15 < (notes == 128).mean() < 0.25
    known = notes != 128
    pitched = (examples.loudness[rows] > 0.0).any(axis=1) & known
    sounding = (notes[:, None] == examples.pitches[rows]) & (examples.loudness[rows] > 0.0)
    assert 0.75 < sounding[pitched].any(axis=1).mean() < 0.95
    trained, judged = split(examples, 4)
    assert len(judged) == 4
    assert sorted([*trained, *judged]) == list(range(16))
    assert split(examples, 0)[1].size == 0


def test_the_network_overfits_eight_sounds(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    examples = Examples.load([make_set(tmp_path / "set", 8)], tmp_path / "cache", SMALL)
    options = replace(OPTIONS, examples=1600, batch=8, learning_rate=4e-3, augmented=False)
    training = Training(source_of(examples, held_out=0), options, tmp_path / "out")
    train(training, None)
    guesser = Guesser.load(tmp_path / "out" / "network.safetensors")
    right, mean = [], []
    for k, row in enumerate(examples.datasets[0]):
        proposal = guesser.propose(target_of(row.audio, row.note, pitched=False), count=1)[0]
        found = examples.coding.encode([proposal.patch], [proposal.note])[0]
        audible = examples.codes[k] != SILENT
        right.append((found == examples.codes[k])[audible].mean())
        mean.append((np.median(examples.codes, axis=0) == examples.codes[k])[audible].mean())
    assert np.mean(right) > 0.9 > 0.7 > np.mean(mean)


def test_regression_learns(tmp_path: Path, examples: Examples) -> None:
    options = replace(OPTIONS, model="regression", examples=480, batch=12, learning_rate=4e-3, augmented=False)
    training = Training(source_of(examples), options, tmp_path)
    losses = [float(training.take_step()) for _ in range(40)]
    assert np.mean(losses[-3:]) < 0.75 * np.mean(losses[:3])


@pytest.mark.parametrize("model", ["network", "regression"])
def test_a_resumed_run_ends_as_one_that_was_not_stopped(tmp_path: Path, examples: Examples, model: str) -> None:
    options = replace(OPTIONS, model=model)
    source = source_of(examples)
    whole = Training(source, options, tmp_path / "whole")
    train(whole, None)
    assert whole.step == 9
    stopped = Training(source, options, tmp_path / "stopped")

    def stop(training: Training, loss: float) -> None:
        if training.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(stopped, None, save_seconds=0.0, on_step=stop)
    (tmp_path / "stopped" / f".{CHECKPOINT_FILE}.half").write_bytes(b"left by a kill")
    resumed = Training(source, options, tmp_path / "stopped")
    assert resumed.step == 4  # the fifth step was not saved, and is taken again
    train(resumed, None, save_seconds=0.0)
    for one, other in ((whole.network, resumed.network), (whole.average, resumed.average)):
        for name, tensor in one.state_dict().items():
            assert torch.equal(tensor, other.state_dict()[name]), name
    file = f"{model}.safetensors"
    assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "stopped" / file).read_bytes()
    logs = [json.loads((tmp_path / name / LOG_FILE).read_text().splitlines()[-1]) for name in ("whole", "stopped")]
    own = {"seconds", "loss"}  # the clock, and a running mean that begins anew
    assert {k: v for k, v in logs[0].items() if k not in own} == {k: v for k, v in logs[1].items() if k not in own}
    with pytest.raises(FormatError, match="options"):
        Training(source, replace(options, seed=1), tmp_path / "stopped")
    with pytest.raises(FormatError, match="source"):
        Training(replace(source, seed=1), options, tmp_path / "stopped")


def test_bins_are_learnt_with_their_neighbours_and_exact_values_alone() -> None:
    blur = blurred_bins()
    torch.testing.assert_close(blur.sum(dim=1), torch.ones(len(blur)))
    assert blur[5, 5] > blur[5, 6] > blur[5, 7] > blur[5, 12]
    torch.testing.assert_close(blur[N_BINS:, N_BINS:], torch.eye(len(blur) - N_BINS))
    torch.manual_seed(0)
    chain = Chain(8, SOUND.sizes)
    codes = torch.from_numpy(SOUND.encode([draw(5, 3)[0]], [Note(60)]))
    codes = torch.from_numpy(SOUND.relative(codes.numpy(), np.array([60])))
    state = torch.randn(1, 8)
    torch.testing.assert_close(chain(state, codes), chain(state, codes, torch.eye(len(blur))))
    first = SOUND.index("osc1")
    logs = torch.log_softmax(chain.drawing(state, 1).logits(first), dim=1)
    torch.testing.assert_close(chain(state, codes)[:, first], -logs[:, codes[0, first]])


def test_a_judgement_has_its_baselines(examples: Examples, untrained: GuessNetwork) -> None:
    trained, judged = split(examples, 4)
    figures = judge(untrained, examples, trained, judged, np.random.default_rng(0), ScaleHost(), 2)
    assert set(figures) == {"nats", "nats_marginal", "variables", "mss", "mss_best", "mss_mean"}
    assert figures["nats"] > figures["nats_marginal"]
    assert figures["mss_best"] <= figures["mss"]
    network = RegressionNetwork(SMALL)
    figures = judge(network, examples, trained, judged, np.random.default_rng(0), ScaleHost(), 1)
    assert set(figures) == {"mse", "mse_mean", "mss", "mss_mean"}


def test_the_right_patch_has_no_distance() -> None:
    patch, note = draw(0, 0)
    patch = patch.with_knobs({"cutoff": 0.5, "ampdecay": 0.4})
    audio = ScaleHost().render(patch, note)
    right, silent = sound_distances(ScaleHost(), audio, [(patch, note), (patch.with_knobs({"volume": 0.0}), note)])
    assert right < 0.2
    assert silent == 40.0


def test_proposals_are_distinct_reproducible_and_keep_what_is_fixed(untrained: GuessNetwork) -> None:
    guesser, note = Guesser(untrained), Note(61, 90, 0.3, 0.7)
    some = guesser.propose(target_of(clip(), note), count=6, seed=4)
    assert len({(p.patch, p.note) for p in some}) == 6
    assert some == guesser.propose(target_of(clip(), note), count=6, seed=4)
    assert some[1:] != guesser.propose(target_of(clip(), note), count=6, seed=5)[1:]
    alone = guesser.propose(target_of(clip(), note), count=1, seed=5)[0]
    assert some[0].note.number == alone.note.number
    np.testing.assert_allclose(some[0].patch.knobs, alone.patch.knobs, atol=1e-5)
    likelihoods = [p.log_prob for p in some[1:]]
    assert likelihoods == sorted(likelihoods, reverse=True)
    assert len({p.note.number for p in some}) > 1
    assert {(p.note.velocity, p.note.seconds) for p in some} == {(90, 0.7)}
    fixed = guesser.propose(target_of(clip(), note, note_fixed=True, gate_fixed=True), count=6, seed=4)
    assert {p.note for p in fixed} == {note}
    with pytest.raises(OutOfRange):
        guesser.propose(target_of(clip(), note), count=0)
    with pytest.raises(InvalidAudio):
        guesser.propose(target_of(np.zeros_like(clip()), note), count=1)


def test_the_first_proposal_takes_medians_and_not_the_likeliest_exact_value(untrained: GuessNetwork) -> None:
    shares = [torch.ones(size) / size for size in SOUND.sizes]
    for name, exact in (("cutoff", 0.2), ("resonance", 0.6)):  # of exactly 0; the rest lies evenly from 0 to 1
        share = shares[SOUND.index(name)]
        share.fill_((1.0 - exact) / (len(share) - 1))
        share[N_BINS] = exact
    untrained.chain.begin_with(shares)
    untrained.chain.weight.data.zero_()
    patch = Guesser(untrained).propose(target_of(clip(), Note(60, seconds=0.7)), count=1)[0].patch
    assert 0.3 < patch["cutoff"] < 0.5
    assert patch["resonance"] == 0.0


def test_regression_gives_one_patch_for_the_note_as_it_is() -> None:
    note = Note(61, 90, 0.3, 0.7)
    proposals = Regression(RegressionNetwork(SMALL)).propose(target_of(clip(), note), count=5, seed=0)
    assert [p.note for p in proposals] == [note]
    assert proposals[0].patch == proposals[0].patch.snapped()


def test_foreign_missing_and_damaged_weights_are_refused(tmp_path: Path, untrained: GuessNetwork) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(FileError, match="no such file"):
        Guesser.load(path)
    write_network(path, "network", SMALL, untrained.state_dict())
    read_network(path, "network")
    with pytest.raises(FormatError, match="kind 'network'"):
        Regression.load(path)
    with pytest.raises(FormatError, match="size"):
        read_network(path, "network", Size())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError):
        Guesser.load(path)
    path.write_bytes(b"no weights")
    with pytest.raises(FormatError):
        Guesser.load(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(FormatError):
        Guesser.load(path)
    for field in ("schema", "features_schema", "table_hash"):
        write_tensors(path, {}, {field: "another"})
        with pytest.raises(FormatError, match=field):
            read_tensors(path)
    tensors = untrained.state_dict()
    tensors.pop("chain.bias")
    write_network(path, "network", SMALL, tensors)
    with pytest.raises(FormatError, match="does not fit"):
        Guesser.load(path)
    with pytest.raises(UnknownName, match="network, regression"):
        load_guesser("telepathy")


def test_bad_options_and_data_are_refused(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for changes in ({"examples": None}, {"minutes": 1.0}, {"examples": 0}):
        with pytest.raises(OutOfRange):
            replace(OPTIONS, **changes)
    with pytest.raises(UnknownName):
        replace(OPTIONS, model="oracle")
    arguments = ["train", "--out", str(tmp_path / "out"), "--epochs", "1", "--sounds", "0", "--data"]
    assert command.main([*arguments, str(tmp_path / "none")]) == 1
    copy = tmp_path / "set"
    copy.mkdir()
    for file in data.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    shard = copy / "shard-00001.tar"
    shard.write_bytes(shard.read_bytes()[:3000])
    assert command.main([*arguments, str(copy)]) == 1
    assert "shard-00001.tar is damaged" in capsys.readouterr().err
    (tmp_path / "out").mkdir()
    assert command.main([*arguments, str(data), "--held-out", "99"]) == 1


def test_the_command_trains_and_resumes(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--data", str(data), "--out", str(tmp_path), "--cache", str(data.parent / "cache")]
    arguments += ["--hidden", "32", "--batch", "6", "--held-out", "4", "--sounds", "0"]
    assert command.main([*arguments, "--epochs", "1"]) == 0
    assert "nats_marginal" in capsys.readouterr().out
    assert command.main([*arguments, "--epochs", "2"]) == 0
    assert "continuing from example 12" in capsys.readouterr().out
    assert len((tmp_path / LOG_FILE).read_text().splitlines()) == 2
    assert Guesser.load(tmp_path / "network.safetensors").propose(target_of(clip(), Note(60)), count=2)


def test_a_key_is_moved_until_the_estimated_note_sounds() -> None:
    saw = TABLE.default.with_settings({"osc1tune": 0}).with_knobs({"osc3volume": 0.0})
    assert key_for(saw, 60, 64) == 64
    assert key_for(saw.with_settings({"transpose": "+12"}), 60, 64) == 52
    assert key_for(saw.with_knobs({"osc3volume": 0.8}), 60, 37) == 61  # the sub is two octaves below
    assert key_for(saw.with_settings({"osc1waveform": "noise"}), 60, 64) == 60


@pytest.mark.parametrize("name", list(GUESSERS))
def test_the_shipped_weights_load_and_are_small(name: str) -> None:
    assert load_guesser(name).propose(target_of(clip(), Note(60, seconds=0.7)), count=3, seed=0)
    assert sum(shipped_weights(kind).stat().st_size for kind in GUESSERS) <= 25e6
