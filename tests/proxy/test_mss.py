"""MSS in torch is the measure that judges, with a gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from proxy.loss.distance import TargetDistance
from proxy.loss.heard import Distances
from proxy.loss.mss import JudgedLoss, TargetMss
from render.errors import InvalidAudio
from render.measures.conditions import Conditions
from render.measures.loudness import EqualLoudnessMss
from render.note import SAMPLE_RATE


def noise(seed: int, samples: int, channels: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    decay = np.exp(-np.arange(samples) / 6000.0)
    return (rng.normal(size=(channels, samples)) * decay * rng.uniform(0.05, 1.0)).astype(np.float32)


@pytest.mark.parametrize("samples", [1500, 22050, 30001])
@pytest.mark.parametrize("channels", [1, 2])
def test_it_is_the_measure_that_judges(channels: int, samples: int) -> None:
    target = noise(1, samples, channels)
    renders = np.stack([noise(2, samples), 0.01 * noise(3, samples), target.mean(0) + 0.01 * noise(4, samples)])
    judge = EqualLoudnessMss([target], SAMPLE_RATE)
    losses, gains = TargetMss(torch.from_numpy(target)).measure(torch.from_numpy(renders.astype(np.float32)))
    expected = [judge.measure([one]) for one in renders]
    np.testing.assert_allclose(losses.numpy(), [mss for mss, _ in expected], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(20.0 * np.log10(gains.numpy()), [gain_db for _, gain_db in expected], atol=0.02)


def test_its_gradient_is_that_of_finite_differences() -> None:
    target = torch.from_numpy(noise(1, 6000)).double()
    judged = TargetMss(target)
    render, direction = (torch.from_numpy(noise(seed, 6000)).double()[None] for seed in (2, 5))
    render.requires_grad_()
    (slope,) = torch.autograd.grad(judged.measure(render)[0].sum(), render)
    step = 1e-6
    with torch.no_grad():
        ahead, behind = (float(judged.measure(render + sign * step * direction)[0]) for sign in (1.0, -1.0))
    assert float((slope * direction).sum()) == pytest.approx((ahead - behind) / (2.0 * step), rel=1e-3)


def test_a_silent_render_has_a_finite_gradient() -> None:
    judged = TargetMss(torch.from_numpy(noise(1, 6000)))
    render = torch.zeros(1, 2, 6000, requires_grad=True)
    losses, _ = judged.measure(render)
    losses.sum().backward()
    assert bool(losses.isfinite().all())
    assert render.grad is not None
    assert bool(render.grad.isfinite().all())


def test_the_judged_loss_is_the_sum_of_mss_and_distance() -> None:
    target, conditions = noise(1, 8000), Conditions()
    renders = torch.from_numpy(np.stack([noise(2, 8000), noise(3, 8000)]))
    loss, gains = JudgedLoss(target, conditions, Distances().of(target, conditions)).measure(renders)
    mss, expected = TargetMss(torch.from_numpy(target)).measure(renders)
    torch.testing.assert_close(loss, mss + TargetDistance(torch.from_numpy(target)).measure(renders)[0])
    torch.testing.assert_close(gains, expected)


def test_renders_of_another_length_are_refused() -> None:
    with pytest.raises(InvalidAudio, match="renders have shape"):
        TargetMss(torch.from_numpy(noise(1, 6000))).measure(torch.zeros(1, 2, 5999))
