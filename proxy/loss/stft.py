"""Magnitudes of the short-time Fourier transform as auraloss takes them, without its phases and with a cheaper adjoint.

Frames are centred, the ends are reflected, the hop is half a window. PyTorch's own adjoint goes through complex
transforms of twice the size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad


def magnitudes(audio: Tensor, window: Tensor, smallest: float) -> Tensor:
    """Magnitudes, no smaller than given.

    Args:
        audio: more than half a window of samples.
        window: of an even number of samples.
        smallest: what lies below it is set to it, and has no gradient.

    Shape:
        ``(rows, samples)`` to ``(rows, bins, frames)``.
    """
    half = len(window) // 2
    padded = pad(audio[:, None], (half, half), mode="reflect")[:, 0]
    result: Tensor = _Magnitudes.apply(padded, window, smallest)  # type: ignore[no-untyped-call]
    return result


class _Magnitudes(torch.autograd.Function):
    """Of frames that lie whole in ``padded``, ``(rows, samples)``."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, window: Tensor, smallest: float) -> Tensor:
        frames = padded.unfold(1, len(window), len(window) // 2) * window  # (rows, frames, window)
        spectrum = torch.fft.rfft(frames)
        result: Tensor = spectrum.abs()
        heard = result > smallest
        result = result.clamp(min=smallest)
        ctx.save_for_backward(spectrum, result, heard, window)
        ctx.n_samples = padded.shape[1]
        return result.transpose(1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        spectrum, result, heard, window = ctx.saved_tensors
        n = len(window)
        share = grad.transpose(1, 2) / result * heard
        # The transpose of a real transform is an inverse one in which the two unpaired bins count twice.
        share[..., 0] *= 2.0
        share[..., -1] *= 2.0
        frames = torch.fft.irfft(spectrum * share, n) * (0.5 * n * window)
        halves = frames.unflatten(2, (2, n // 2))  # (rows, frames, 2, n / 2)
        blocks = pad(halves[:, :, 0], (0, 0, 0, 1)) + pad(halves[:, :, 1], (0, 0, 1, 0))
        whole = blocks.flatten(1)
        return pad(whole, (0, ctx.n_samples - whole.shape[1])), None, None
