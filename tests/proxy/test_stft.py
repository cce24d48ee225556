"""The magnitudes are auraloss's, and so are their gradients."""

from __future__ import annotations

import auraloss
import pytest
import torch
from torch import Tensor

from proxy.loss.stft import magnitudes


def noise(samples: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, samples, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize(("window", "samples"), [(256, 2000), (256, 2177), (2048, 1500)])
def test_auraloss_has_the_same(window: int, samples: int) -> None:
    audio, smallest = noise(samples), 0.5
    stft = auraloss.freq.STFTLoss(window, window // 2, window, eps=smallest**2)
    stft.window = stft.window.to(audio)
    expected, _ = stft.stft(audio)
    found = magnitudes(audio, stft.window, smallest)
    torch.testing.assert_close(found, expected)
    weights = torch.linspace(-1.0, 1.0, found.numel(), dtype=torch.float64).reshape(found.shape)
    expected_slope, slope = (torch.autograd.grad((one * weights).sum(), audio)[0] for one in (expected, found))
    torch.testing.assert_close(slope, expected_slope)


def test_gradcheck() -> None:
    window = torch.hann_window(16, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda audio: magnitudes(audio, window, 1e-3), (noise(40),))


def test_silence_has_no_slope() -> None:
    audio = torch.zeros(1, 600, requires_grad=True)
    magnitudes(audio, torch.hann_window(256), 1e-6).sum().backward()
    assert audio.grad is not None
    assert not bool(audio.grad.any())
