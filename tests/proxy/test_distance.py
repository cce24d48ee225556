"""The torch distance and its reference implementation in numpy are one function."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import proxy.loss.distance
import render.measures.distance
from render.errors import InvalidAudio


def noise(seed: int, channels: int, samples: int = 30000) -> np.ndarray:
    rng = np.random.default_rng(seed)
    decay = np.exp(-np.arange(samples) / 8000.0)
    return (rng.normal(size=(channels, samples)) * decay * rng.uniform(0.05, 1.0)).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_reference_agrees(channels: int) -> None:
    target = noise(1, channels)
    renders = np.stack([noise(seed, 2) for seed in (2, 3, 4)])
    reference = render.measures.distance.TargetDistance(target)
    batch = proxy.loss.distance.TargetDistance(torch.from_numpy(target))(torch.from_numpy(renders))
    assert batch.shape == (3,)
    np.testing.assert_allclose(batch.numpy(), [reference(r) for r in renders], rtol=2e-5)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_reference_solves_the_same_gain(channels: int) -> None:
    target = noise(1, channels)
    renders = np.stack([noise(2, 2), 0.03 * noise(3, 2), np.zeros((2, 30000), np.float32)])
    reference = render.measures.distance.TargetDistance(target)
    distance = proxy.loss.distance.TargetDistance(torch.from_numpy(target))
    losses, gains = distance.measure(torch.from_numpy(renders))
    expected = [reference.measure(r) for r in renders]
    np.testing.assert_allclose(losses.numpy(), [loss for loss, _ in expected], rtol=1e-4)
    np.testing.assert_allclose(gains.numpy(), [gain for _, gain in expected], rtol=1e-3)


@pytest.mark.parametrize("samples", [300, 5000])
def test_the_reference_agrees_on_short_clips(samples: int) -> None:
    # Shorter than half the long window, torch cannot reflect: such clips are padded by the caller
    # (inference.clip.target).
    target, other = noise(1, 1, max(samples, 1100)), noise(2, 2, max(samples, 1100))
    reference = render.measures.distance.TargetDistance(target)(other)
    assert float(
        proxy.loss.distance.TargetDistance(torch.from_numpy(target))(torch.from_numpy(other)[None])
    ) == pytest.approx(reference, rel=2e-5)


def test_gradients_are_finite_and_the_batch_is_independent() -> None:
    target = torch.from_numpy(noise(1, 1)).double()
    renders = torch.stack([torch.zeros(2, 30000), torch.from_numpy(noise(2, 2))]).double().requires_grad_()
    distance = proxy.loss.distance.TargetDistance(target)
    losses = distance(renders)
    losses.sum().backward()
    assert renders.grad is not None
    assert bool(renders.grad.isfinite().all())
    torch.testing.assert_close(losses[1:], distance(renders[1:]))


def test_the_distance_is_zero_at_the_target_and_falls_towards_it() -> None:
    target = noise(1, 2)
    distance = render.measures.distance.TargetDistance(target)
    assert distance(target) == 0.0
    assert distance(target, 1.0) < distance(target, 1.1) < distance(target, 2.0) < distance(np.zeros_like(target))


def test_a_sound_of_another_width_is_farther_although_its_sides_have_the_same_spectra() -> None:
    left, apart = noise(1, 2)
    wide = np.stack([left + apart, left - apart])  # noise: its sides look like those of two equal ones
    narrow = np.stack([left + apart, left + apart])
    target = render.measures.distance.TargetDistance(wide)
    assert target(wide[::-1]) < 0.7 * target(narrow)
    assert target(np.stack([left + 0.9 * apart, left - 0.9 * apart])) < 0.2 * target(narrow)
    mono = render.measures.distance.TargetDistance(left[None])
    assert mono(wide) == pytest.approx(mono(np.stack([left, left])), abs=1e-6)


def test_the_gain_undoes_a_level_difference() -> None:
    target = noise(1, 1)
    distance = render.measures.distance.TargetDistance(target)
    render_ = np.repeat(target * 0.1, 2, axis=0)
    loss, gain = distance.measure(render_)
    assert gain == pytest.approx(10.0, rel=1e-4)
    assert loss == pytest.approx(0.0, abs=1e-3)
    assert distance.measure(np.zeros_like(render_))[1] == 1.0


@pytest.mark.parametrize(
    "target", [np.zeros((1, 100)), np.full((1, 100), np.nan), np.ones(100), np.ones((3, 100)), np.ones((1, 0))]
)
def test_unusable_targets_are_refused(target: np.ndarray) -> None:
    with pytest.raises(InvalidAudio, match="target"):
        render.measures.distance.TargetDistance(target.astype(np.float32))
    with pytest.raises(InvalidAudio, match="target"):
        proxy.loss.distance.TargetDistance(torch.from_numpy(target.astype(np.float32)))


def test_renders_of_another_shape_are_refused() -> None:
    distance = proxy.loss.distance.TargetDistance(torch.from_numpy(noise(1, 1)))
    with pytest.raises(InvalidAudio, match="renders have shape"):
        distance(torch.zeros(2, 30000))


@pytest.mark.parametrize("channels", [1, 2])
def test_the_compiled_loops_agree_with_torch(channels: int) -> None:
    target = noise(1, channels)
    distance = proxy.loss.distance.TargetDistance(torch.from_numpy(target))
    near = 0.3 * target + 0.03 * noise(2, 2)
    renders = torch.from_numpy(np.stack([noise(2, 2), 0.03 * noise(3, 2), near, np.zeros_like(near)]))
    found, expected = renders.clone().requires_grad_(), renders.clone().requires_grad_()
    losses, gains = distance.measure(found)
    losses_by_torch, gains_by_torch = distance.measure_by_torch(expected)
    torch.testing.assert_close(losses, losses_by_torch, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gains, gains_by_torch, rtol=1e-5, atol=0.0)
    weights = torch.tensor([1.0, -2.0, 0.5, 1.0])
    (losses * weights).sum().backward()
    (losses_by_torch * weights).sum().backward()
    assert found.grad is not None
    assert expected.grad is not None
    for slope, slope_by_torch in zip(found.grad, expected.grad, strict=True):
        assert float((slope - slope_by_torch).norm()) <= 0.01 * float(slope_by_torch.norm())
