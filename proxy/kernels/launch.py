"""Execution of compiled forward loops where their tensors are: on threads of the CPU, or on a GPU.

A kernel is a function ``kernel(first, last, *arguments)`` that computes the items from ``first`` to before ``last``. A
GPU runs the same functions as the CPU (``proxy.kernels.gpu``), so there is one description of the instrument. Only
forward loops run there; gradients are computed on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from proxy.kernels.compiled import per_item, to_numpy
from render.errors import DeviceError, one_line


def launch(kernel: Callable[..., None], n_items: int, *arguments: Tensor | NDArray[Any] | float) -> None:
    """Run ``kernel(first, last, *arguments)`` over ``range(n_items)`` on the device of its tensors.

    Args:
        kernel: a function made by ``compiled`` that writes its results into contiguous tensors.
        n_items: number of items.
        arguments: tensors of one device, tables as arrays (copied to a GPU once), or numbers.

    Raises:
        DeviceError: if numba cannot compile for the GPU.
    """
    device = next(one.device for one in arguments if isinstance(one, Tensor))
    if device.type == "cpu":
        per_item(kernel, n_items, *(to_numpy(one) if isinstance(one, Tensor) else one for one in arguments))
        return
    if n_items == 0:
        return
    try:
        from proxy.kernels.gpu import launch_on_gpu

        launch_on_gpu(kernel, n_items, device, *arguments)
    except (ImportError, AttributeError, OSError) as error:  # no numba-cuda, or none that fits NumPy or the driver
        reason = f"numba-cuda cannot compile for {device}: {one_line(error)}; a version that fits NumPy and the driver"
        raise DeviceError(f"{reason} is needed, or the CPU") from error
