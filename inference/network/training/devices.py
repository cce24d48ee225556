"""The device that a network is trained on, and what may go wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from render.errors import DeviceError, UnknownName, one_line

_OLDEST = (8, 0)  # compute capability from which bfloat16 is computed by the matrix units


def open_device(name: str) -> None:
    """Check that a device can train, and set the precision of its matrix products.

    Raises:
        UnknownName: if there is no such device here.
        DeviceError: if it is too old.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    known = ["cpu", *(["cuda"] if count else []), *(f"cuda:{k}" for k in range(count))]
    if name not in known:
        raise UnknownName("device", name, known)
    if name == "cpu":
        return
    with device_errors(name):
        capability = torch.cuda.get_device_capability(name)
    if capability < _OLDEST:
        found, oldest = (".".join(map(str, version)) for version in (capability, _OLDEST))
        raise DeviceError(f"{name} has compute capability {found}; allowed: {oldest} or more")
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True


@contextmanager
def device_errors(name: str) -> Iterator[None]:
    """Turn errors of a device into a ``DeviceError`` that names it.

    Args:
        name: name of the device.

    Raises:
        DeviceError: if the block fails because the device is out of memory, has failed or has disappeared.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceError(f"{name} is out of memory: try a smaller --batch or --remember") from error
    except torch.AcceleratorError as error:
        raise DeviceError(f"{name} has failed: {one_line(error)}") from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error):
            raise DeviceError(f"{name} is out of memory: try a smaller --batch or --remember") from error
        if any(part in str(error) for part in ("CUDA", "cuDNN", "CUBLAS")):
            raise DeviceError(f"{name} has failed: {one_line(error)}") from error
        raise
