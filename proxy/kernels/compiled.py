"""Compilation of loops over samples with numba, their execution on threads, and conversion from and to tensors."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from render.noisemaker import facts

P = ParamSpec("P")
R = TypeVar("R")


_NOT_KEPT: list[str] = []
_CACHES: list[Any] = []


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code, which releases the GIL.

    It is compiled at the first call and cached on disk if possible: in another user's installation without a home
    folder, or on a full disk, every process compiles it again (see ``is_kept``).
    """
    return _compiled(function, fast=False)


def compiled_fast(function: Callable[P, R]) -> Callable[P, R]:
    """As ``compiled``; sums may be reordered, so that several of their terms are computed at once."""
    return _compiled(function, fast=True)


def compiled_for_gpu(function: Callable[P, R]) -> Callable[P, R]:
    """As ``compiled_fast``, for a loop of a GPU that the CPU runs in tests alone: ``are_compiled`` leaves it out."""
    return _compiled(function, fast=True, on_cpu=False)


def _compiled(function: Callable[P, R], *, fast: bool, on_cpu: bool = True) -> Callable[P, R]:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    if fast:
        options["fastmath"] = {"reassoc", "nsz", "contract"}
    try:
        dispatcher = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba finds no folder that can be written to
        _NOT_KEPT.append(function.__name__)
        return cast("Callable[P, R]", numba.njit(**options)(function))
    cache: Any = dispatcher._cache
    _forgive(cache)
    _tell_apart(cache)
    if on_cpu:
        _CACHES.append(cache)
    return cast("Callable[P, R]", dispatcher)


def is_kept() -> bool:
    """Whether compiled functions can be kept on disk, so that only the first process ever has to compile them."""
    return not _NOT_KEPT


def are_compiled() -> bool:
    """Whether the compiled code of every function of the CPU is on disk, as far as is known without loading it."""
    try:
        return is_kept() and all(cache._cache_file._load_index() for cache in _CACHES)
    except Exception:  # an index that is damaged, or another version of numba
        return False


@cache
def _facts_digest() -> str:
    return hashlib.sha256(Path(facts.__file__).read_bytes()).hexdigest()


def _tell_apart(cache: Any) -> None:
    """Make the cache depend on the instrument's figures, because numba checks only the function's own file."""
    key = cache._index_key
    cache._index_key = lambda *arguments: (_facts_digest(), *key(*arguments))


def _forgive(cache: Any) -> None:
    """Compile again if the cache cannot be read or written, instead of failing."""
    load, save = cache.load_overload, cache.save_overload

    def load_or_none(*arguments: Any) -> Any:
        try:
            return load(*arguments)
        except Exception:  # whatever a damaged file makes of unpickling
            return None

    def save_or_not(*arguments: Any) -> None:
        with contextlib.suppress(Exception):  # the same, where an old file is read before it is replaced
            save(*arguments)

    cache.load_overload, cache.save_overload = load_or_none, save_or_not


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
