"""A forked child's result comes back, and whatever happens to it, it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest

from render.errors import HostError
from render.hosts.forked import FORK_IS_SAFE, Signals, in_fork

pytestmark = pytest.mark.skipif(not FORK_IS_SAFE, reason="this platform cannot fork safely")


def crash() -> Signals:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def leave() -> Signals:
    os._exit(5)


def fail() -> Signals:
    raise ValueError("no\nreason")


def hang() -> Signals:
    time.sleep(60)
    raise AssertionError


def n_children() -> int:
    count = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    count += int(stat.read().rpartition(")")[2].split()[1]) == os.getpid()
            except OSError:
                continue
    return count


def test_the_result_comes_back_and_nothing_else() -> None:
    state = []

    def change() -> Signals:
        state.append(1)
        return np.arange(8, dtype=np.float32).reshape(2, 4)

    assert np.array_equal(in_fork(change, (2, 4), seconds=5), np.arange(8).reshape(2, 4))
    assert state == []


@pytest.mark.parametrize(
    ("function", "reason"),
    [(crash, "SIGSEGV"), (leave, "exit code 5"), (fail, "^no$"), (hang, r"longer than 0\.2 s")],
)
def test_a_child_that_fails_is_one_clear_error(function: object, reason: str) -> None:
    before = n_children()
    with pytest.raises(HostError, match=reason):
        in_fork(function, (2, 4), seconds=0.2 if function is hang else 5.0)  # type: ignore[arg-type]
    assert n_children() == before


def test_many_forks_leak_no_descriptors() -> None:
    zeros = np.zeros((2, 4), np.float32)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        in_fork(lambda: zeros, (2, 4), seconds=5)
    assert len(os.listdir("/proc/self/fd")) <= before
