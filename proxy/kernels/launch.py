"""Execution of compiled forward loops where their tensors are: on threads of the CPU, or on a GPU, a thread per item.

A kernel is a function ``kernel(first, last, *arguments)`` that computes the items from ``first`` to before ``last``.
On a GPU every thread calls the very same function for one item: numba compiles it a second time, for CUDA, so there is
one description of the instrument. A thread reads the row of its item from the beginning to the end, so eight samples
come with one access to memory. What such loops wait for is memory and each other: a GPU has more multiprocessors than a
batch of a few thousand items fills with warps, so a warp takes only a few items, which seldom branch differently.

Only forward loops run on a GPU; gradients are computed on the CPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxy.kernels.compiled import per_item, to_numpy
from render.errors import ReconstructError

THREADS = 4
"""Threads of a block, which is a part of one warp."""


class NoGpuCompiler(ReconstructError):
    """Numba cannot compile for the GPU that tensors are on."""

    def __init__(self, reason: object) -> None:
        super().__init__(f"loops cannot be compiled for this GPU ({reason}); install numba-cuda, or use the CPU")


def launch(kernel: Callable[..., None], n_items: int, *arguments: Tensor | NDArray[Any] | float) -> None:
    """Run ``kernel(first, last, *arguments)`` over ``range(n_items)`` on the device of its tensors.

    Args:
        kernel: a function made by ``compiled`` that writes its results into contiguous tensors.
        n_items: number of items.
        arguments: tensors of one device, tables as arrays (copied to a GPU once), or numbers.

    Raises:
        NoGpuCompiler: on a GPU for which numba cannot compile.
    """
    device = next(one.device for one in arguments if isinstance(one, Tensor))
    if device.type == "cpu":
        per_item(kernel, n_items, *(to_numpy(one) if isinstance(one, Tensor) else one for one in arguments))
    elif n_items > 0:
        given = tuple(one if isinstance(one, (int, float)) else _as_gpu_array(one, device) for one in arguments)
        _gpu_kernel(kernel)[-(-n_items // THREADS), THREADS, _stream(device)](n_items, given)


def per_thread(kernel: Callable[..., None]) -> Callable[[int, tuple[Any, ...]], None]:
    """What a thread of a GPU does, for ``numba.cuda.jit``."""
    from numba import cuda

    def run(n_items: int, arguments: tuple[Any, ...]) -> None:
        item = cuda.grid(1)
        if item < n_items:
            kernel(item, item + 1, *arguments)

    return run


@cache
def _gpu_kernel(kernel: Callable[..., None]) -> Any:
    try:
        from numba import cuda

        warnings.filterwarnings("ignore", message=".*Grid size .* low occupancy")
        return cuda.jit(per_thread(kernel))
    except Exception as error:  # whatever an installation without a driver or without libraries raises
        raise NoGpuCompiler(error) from error


def _stream(device: torch.device) -> Any:
    """Torch's current stream, as numba knows it."""
    from numba import cuda

    pointer = torch.cuda.current_stream(device).cuda_stream
    return cuda.external_stream(pointer) if pointer else cuda.default_stream()


def _as_gpu_array(argument: Tensor | NDArray[Any], device: torch.device) -> Any:
    from numba import cuda

    tensor = _table(_Table(argument), device) if isinstance(argument, np.ndarray) else argument
    return cuda.as_cuda_array(tensor.detach().contiguous(), sync=False)


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
