"""What all tests share: every process computes on one thread, and files that take long are begun first."""

from __future__ import annotations

import os

import pytest

# Before numpy and torch are imported. Two processes of tests share two cores, and threads that wait for each other on
# busy cores spin: a fit of half a second took forty.
for _library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM"):
    os.environ.setdefault(f"{_library}_NUM_THREADS" if _library != "VECLIB_MAXIMUM" else f"{_library}_THREADS", "1")

_LONG = ("studio/test_browser.py", "inference/test_pipeline.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first, so that no process waits for another at the end."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(_LONG))
