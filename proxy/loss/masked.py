"""What of a render counts, in torch; ``render/measures/mask.py`` is the reference implementation."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from render.measures.mask import FILTER_TAPS, Mask, band_response, fades


def masked(renders: Tensor, mask: Mask) -> Tensor:
    """Renders with silence in place of what does not count; the same tensor if all of it does. It has a gradient.

    Args:
        renders: sounds from the key press on.
        mask: what counts.

    Shape:
        renders: ``(..., samples)``.
    """
    n_samples = renders.shape[-1]
    if mask.ignored_seconds:
        renders = renders * _fades(mask, n_samples).to(renders)
    if mask.band_hz is not None:
        n_fft, response = _response(mask, n_samples)
        delayed = torch.fft.irfft(torch.fft.rfft(renders, n_fft) * response.to(renders.device), n_fft)
        renders = delayed[..., FILTER_TAPS // 2 : FILTER_TAPS // 2 + n_samples]
    return renders


@functools.lru_cache(maxsize=32)
def _fades(mask: Mask, n_samples: int) -> Tensor:
    return torch.from_numpy(fades(mask.ignored_seconds, n_samples).copy())


@functools.lru_cache(maxsize=32)
def _response(mask: Mask, n_samples: int) -> tuple[int, Tensor]:
    assert mask.band_hz is not None
    n_fft, response = band_response(mask.band_hz, n_samples)
    return n_fft, torch.from_numpy(response.copy())
