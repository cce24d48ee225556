"""Forward loops on a GPU: the functions of the CPU, compiled by numba for CUDA, with a thread for each item.

A thread reads the row of its item from the beginning to the end, so eight samples come with one access to memory. What
such loops wait for is memory and each other: a GPU has more multiprocessors than a batch of a few thousand items fills
with warps, so a warp takes only a few items, which seldom branch differently.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from numba import cuda
from numpy.typing import NDArray
from torch import Tensor

from proxy.kernels.oscillators import whole

try:
    from numba.cuda.extending import overload  # type: ignore[attr-defined, unused-ignore]
except ImportError:  # numba's own target, which its simulator belongs to
    from numba.extending import overload

THREADS = 4
"""Threads of a block, which is a part of one warp."""

warnings.filterwarnings("ignore", message=".*Grid size .* low occupancy")


@overload(whole, target="cuda")  # type: ignore[untyped-decorator, unused-ignore]
def _whole(number: Any) -> Any:
    def compute(number: Any) -> Any:
        return float(int(number))

    return compute


def launch_on_gpu(
    kernel: Callable[..., None], n_items: int, device: torch.device, *arguments: Tensor | NDArray[Any] | float
) -> None:
    """See ``launch``; the loops join the work of torch's current stream."""
    given = tuple(one if isinstance(one, (int, float)) else _as_gpu_array(one, device) for one in arguments)
    pointer = torch.cuda.current_stream(device).cuda_stream
    stream = cuda.external_stream(pointer) if pointer else cuda.default_stream()
    _compiled(kernel)[-(-n_items // THREADS), THREADS, stream](n_items, given)


def per_thread(kernel: Callable[..., None]) -> Callable[[int, tuple[Any, ...]], None]:
    """What a thread does, for ``numba.cuda.jit``."""

    def run(n_items: int, arguments: tuple[Any, ...]) -> None:
        item = cuda.grid(1)  # type: ignore[attr-defined]
        if item < n_items:
            kernel(item, item + 1, *arguments)

    return run


@cache
def _compiled(kernel: Callable[..., None]) -> Any:
    return cuda.jit(per_thread(kernel))  # type: ignore[no-untyped-call]


def _as_gpu_array(argument: Tensor | NDArray[Any], device: torch.device) -> Any:
    tensor = _table(_Table(argument), device) if isinstance(argument, np.ndarray) else argument
    return cuda.as_cuda_array(tensor.detach().contiguous(), sync=False)  # type: ignore[no-untyped-call]


class _Table:
    """A table, known by its identity, so that it can be a key."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array

    def __hash__(self) -> int:
        return id(self.array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Table) and self.array is other.array


@lru_cache(maxsize=64)
def _table(table: _Table, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(table.array)).to(device)
    torch.cuda.current_stream(device).synchronize()  # other streams may use it from now on
    return tensor
