"""Making sure that no process outlives the one that started it, however that one ends."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.connection import wait

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with_parent(parent: int) -> None:
    """Have this process killed when the process (on Linux: the thread) that started it is gone.

    Args:
        parent: process id of the parent, to notice one that is gone already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    elif (process := multiprocessing.parent_process()) is not None:
        sentinel = process.sentinel  # becomes readable when the parent ends
        threading.Thread(target=lambda: (wait([sentinel]), os._exit(1)), daemon=True).start()
