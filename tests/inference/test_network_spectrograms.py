"""The input of the networks: the kinds of spectrogram, and what is made of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inference.network.features.batches import spectrograms_of_renders
from inference.network.features.log_mel import SHAPE
from inference.network.features.spectrograms import SPECTROGRAMS, spectrogram_of_render
from inference.network.features.stretched import SEGMENTS, stretched_spectrogram
from inference.network.model import GuessNetwork
from inference.network.size import Size
from render.errors import InvalidAudio, UnknownName
from render.note import SAMPLE_RATE


def tone(number: float, seconds: float = 1.0) -> np.ndarray:
    t = np.arange(round(SAMPLE_RATE * seconds)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * 440.0 * 2.0 ** ((number - 69.0) / 12.0) * t)).astype(np.float32)[None]


@pytest.mark.parametrize("kind", list(SPECTROGRAMS))
def test_every_kind_shows_level_relative_to_the_loudest_cell_and_the_side(kind: str) -> None:
    shown = SPECTROGRAMS[kind](tone(60))
    assert shown.shape == SHAPE
    assert shown[0].max() == 255
    assert not shown[1].any()
    np.testing.assert_array_equal(shown, SPECTROGRAMS[kind](np.float32(1e-3) * np.repeat(tone(60), 2, axis=0)))
    for wrong in (np.zeros((1, 100), np.float32), np.full((2, 9), np.inf, np.float32)):
        with pytest.raises(InvalidAudio):
            SPECTROGRAMS[kind](wrong)


def test_the_hop_of_a_stretched_spectrogram_grows() -> None:
    audio = np.zeros((1, 4 * SAMPLE_RATE), np.float32)
    wanted = [(frame, start) for (frame, start) in ((20, 20 * 128), (64 + 30, 64 * 128 + 30 * 512))]
    wanted.append((128 + 40, 64 * 128 + 64 * 512 + 40 * 1456))
    for _, sample in wanted:
        audio[0, sample] = 1.0
    loudness = stretched_spectrogram(audio)[0].astype(float).mean(axis=0)
    first = 0
    for (frames, _, _), (frame, _) in zip(SEGMENTS, wanted, strict=True):
        assert loudness[first : first + frames].argmax() + first == frame
        first += frames


def test_a_size_says_what_a_network_sees_and_predicts() -> None:
    small = {"channels": [8, 8], "hidden": 16}
    assert Size.parse(small) == Size((8, 8), 16)
    assert Size.parse({**small, "aligned": False}) == Size((8, 8), 16)  # as in weights of earlier versions
    written = Size((8, 8), 16, spectrogram="stretched").as_json()
    assert written["picture"] == "stretched"  # the name in files of weights
    assert Size.parse(written) == Size((8, 8), 16, spectrogram="stretched")
    for wrong in ({"coding": "tarot"}, {"spectrogram": "oil"}, {"modulation": True}):
        with pytest.raises(UnknownName):
            Size.parse({**small, **wrong})
    network = GuessNetwork(Size((8, 8), 16))
    nats = network(torch.rand(3, *SHAPE), torch.tensor([60, 20, 128]), torch.zeros(3, len(network.coding)).long())
    assert nats.shape == (3, len(network.coding))
    assert torch.isfinite(nats).all()


@pytest.mark.parametrize("kind", list(SPECTROGRAMS))
def test_a_batch_of_renders_has_the_spectrograms_of_each(kind: str) -> None:
    rng = np.random.default_rng(0)
    audio = np.zeros((4, 2, 2 * SAMPLE_RATE), np.float32)
    audio[0] = np.resize(tone(48), (2, 2 * SAMPLE_RATE))
    audio[1, :, 9000:30000] = 0.1 * rng.standard_normal((2, 21000))  # late, short and wide
    audio[2, 0] = np.resize(tone(90), 2 * SAMPLE_RATE)  # on the left
    audio[3] = audio[0] * np.exp(-np.arange(2 * SAMPLE_RATE) / 2000.0)
    spectrograms, onsets = spectrograms_of_renders(torch.from_numpy(audio), kind)
    for k, render in enumerate(audio):
        alone, onset = spectrogram_of_render(render, kind)
        assert np.abs(spectrograms[k].numpy().astype(int) - alone.astype(int)).max() <= 1
        assert float(onsets[k]) == pytest.approx(onset, abs=1e-6)
