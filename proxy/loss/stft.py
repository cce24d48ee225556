"""Magnitudes of the short-time Fourier transform as auraloss computes them, without its phases, with a cheaper adjoint.

Frames are centred, the ends are reflected, the hop is half a window. PyTorch's own adjoint goes through complex
transforms of twice the size; this one needs a single inverse real transform of each frame.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad


def magnitudes(audio: Tensor, window: Tensor, smallest: float) -> Tensor:
    """Magnitudes of a centred STFT, floored.

    Args:
        audio: signals of more than half a window of samples.
        window: window of an even number of samples.
        smallest: floor; magnitudes below it are set to it and have no gradient.

    Shape:
        audio: ``(rows, samples)``.
        window: ``(window,)``.
        Returns: ``(rows, window / 2 + 1, frames)``.
    """
    half = len(window) // 2
    padded = pad(audio[:, None], (half, half), mode="reflect")[:, 0]
    result: Tensor = _Magnitudes.apply(padded, window, smallest)  # type: ignore[no-untyped-call]
    return result


class _Magnitudes(torch.autograd.Function):
    """Magnitudes of the frames that lie entirely in ``padded``, ``(rows, samples)``."""

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
        # dL/dX = dL/d|X| X / |X|. The transpose of a real transform is n / 2 times an inverse one in which the two bins
        # that have no mirror image, 0 and n / 2, count twice.
        share[..., 0] *= 2.0
        share[..., -1] *= 2.0
        frames = torch.fft.irfft(spectrum * share, n) * (0.5 * n * window)
        halves = frames.unflatten(2, (2, n // 2))  # (rows, frames, 2, n / 2)
        blocks = pad(halves[:, :, 0], (0, 0, 0, 1)) + pad(halves[:, :, 1], (0, 0, 1, 0))
        whole = blocks.flatten(1)
        return pad(whole, (0, ctx.n_samples - whole.shape[1])), None, None
