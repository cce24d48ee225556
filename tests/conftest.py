"""What all tests share: every process computes on one thread, and the file that takes longest is begun first."""

from __future__ import annotations

import os

import pytest

# Before numpy and torch are imported. Two processes of tests share two cores, and threads that wait for each other on
# busy cores spin: a fit of half a second took forty.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_name, "1")

_LONGEST = "studio/test_browser.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest file, so that no process waits for another at the end."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(_LONGEST))
