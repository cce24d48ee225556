"""The masks in torch against those in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from proxy.loss.heard import HeardDistance, masked
from proxy.loss.mss import JudgedLoss
from render.measures.conditions import Conditions
from render.measures.conditions import HeardDistance as InNumpy
from render.measures.loudness import EqualLoudnessMss
from render.measures.mask import Mask
from render.note import SAMPLE_RATE

MASKS = [Mask(((0.01, 0.02),)), Mask(band_hz=(300.0, 3000.0)), Mask(((-0.1, 0.01), (0.03, 1.0)), (0.0, 5000.0))]


@pytest.mark.parametrize("mask", MASKS)
def test_it_is_the_same_as_in_numpy(mask: Mask) -> None:
    audio = np.random.default_rng(0).standard_normal((2, 4000)).astype(np.float32)
    renders = torch.from_numpy(np.stack([audio, 2.0 * audio]))
    for render, factor in zip(masked(renders, mask), (1.0, 2.0), strict=True):
        np.testing.assert_allclose(render.numpy(), factor * mask.apply(audio), atol=2e-6)


@pytest.mark.parametrize("mask", MASKS)
def test_it_has_a_gradient(mask: Mask) -> None:
    renders = torch.randn(1, 1, 900, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    chosen = renders[..., 300:306].requires_grad_()

    def of_some(samples: torch.Tensor) -> torch.Tensor:
        whole = torch.cat([renders[..., :300], samples, renders[..., 306:]], dim=-1)
        return masked(whole, mask)[..., 290:340]

    assert torch.autograd.gradcheck(of_some, (chosen,))


def test_without_restrictions_nothing_is_touched() -> None:
    renders = torch.ones(1, 2, 100)
    assert masked(renders, Mask()) is renders


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("mask", [Mask(), MASKS[0]])
def test_distances_under_noise_are_those_in_numpy(mask: Mask, sides: int) -> None:
    rng = np.random.default_rng(0)
    tone = np.sin(np.arange(8000) / 20.0) * np.exp(-np.arange(8000) / 4000.0)
    target = mask.apply(np.float32([tone] * sides))
    conditions = Conditions(mask, mask.apply((0.05 * rng.standard_normal((sides, 8000))).astype(np.float32)))
    renders = np.float32([[0.5 * tone] * 2, [np.sin(np.arange(8000) / 19.0)] * 2])
    losses, gains = HeardDistance(target, conditions).measure(torch.from_numpy(renders))
    reference = InNumpy(target, conditions)
    for render, loss, gain in zip(renders, losses.tolist(), gains.tolist(), strict=True):
        assert (loss, gain) == pytest.approx(reference.measure(render), rel=2e-3, abs=1e-4)
    assert losses[0] < 0.01 < 0.1 * losses[1]
    assert gains[0].item() == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("mask", [Mask(), MASKS[0]])
@pytest.mark.parametrize("noisy", [False, True])
def test_what_judges_is_as_in_numpy(mask: Mask, noisy: bool) -> None:
    rng = np.random.default_rng(0)
    tone = np.sin(np.arange(8000) / 20.0) * np.exp(-np.arange(8000) / 4000.0)
    target = mask.apply(np.float32([tone]))
    noise = mask.apply((0.02 * rng.standard_normal((1, 8000))).astype(np.float32)) if noisy else None
    conditions = Conditions(mask, noise)
    renders = np.float32([[0.5 * tone] * 2, [np.sin(np.arange(8000) / 19.0)] * 2])
    distance = HeardDistance(target, conditions)
    losses, gains = JudgedLoss(target, conditions, distance).measure(torch.from_numpy(renders))
    losses = losses - distance.measure(torch.from_numpy(renders))[0]
    judged = EqualLoudnessMss([target], SAMPLE_RATE, conditions=[conditions])
    for render, loss, gain in zip(renders, losses.tolist(), gains.tolist(), strict=True):
        mss, gain_db = judged.measure([render])
        assert loss == pytest.approx(mss, rel=0.01, abs=0.02)
        assert gain == pytest.approx(10.0 ** (gain_db / 20.0), rel=0.01)
