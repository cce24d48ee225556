"""How loops over samples that torch has no operation for are compiled with numba, run on threads, and fed tensors."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function at its first call, and keep the machine code on disk; it releases the GIL while it runs."""
    return cast("Callable[P, R]", numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def per_item(kernel: Callable[..., None], n_items: int, *arguments: Any) -> None:
    """Run ``kernel(first, last, *arguments)`` over consecutive parts of ``range(n_items)``, one part per thread.

    It uses as many threads as torch may use: torch waits while a kernel runs, so the two never compete for cores.

    Args:
        kernel: computes the items from ``first`` to before ``last`` and writes its results into arrays among the
            arguments; it should release the GIL.
        n_items: number of items.
        arguments: passed on to every call.
    """
    n_threads = min(torch.get_num_threads(), n_items)
    if n_threads <= 1:
        kernel(0, n_items, *arguments)
        return
    bounds = np.linspace(0, n_items, n_threads + 1).astype(np.int64)
    parts = [_pool().submit(kernel, first, last, *arguments) for first, last in pairwise(bounds)]
    for part in parts:
        part.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="proxy")


def to_numpy(tensor: Tensor) -> NDArray[Any]:
    """A contiguous array of a tensor's values; a tensor on another device is copied."""
    array: NDArray[Any] = tensor.detach().cpu().contiguous().numpy()
    return array


def to_tensor(array: NDArray[Any], like: Tensor) -> Tensor:
    """A tensor of an array's values, with the device and the type of ``like``."""
    return torch.from_numpy(array).to(like)
