"""Loops over samples that torch has no operation for: compiled with numba, run on a few threads, tensors in and out."""

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
    """The function as machine code, made at the first call and kept on disk; it lets go of Python's lock."""
    return cast("Callable[P, R]", numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def per_item(kernel: Callable[..., None], n_items: int, *arguments: Any) -> None:
    """Run ``kernel(first, last, *arguments)`` over parts of ``range(n_items)``.

    As many threads as torch may use: a kernel runs while torch waits for it, so the two never fight over cores.
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
