"""A program that is killed leaves no process behind, whatever its children are at."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.paths import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

SLEEPING = """
import os, pathlib, time, render.hosts.dawdreamer, render.noisemaker.hosts
def sleep(*_):
    pathlib.Path({marker!r}).write_text(str(os.getpid()))
    time.sleep(100)
render.hosts.dawdreamer.compile_source = render.noisemaker.hosts.choose_host = sleep
"""
"""A ``sitecustomize.py``: what the children do goes on for long, and they say who they are."""


def running(process: Path) -> bool:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    "code",
    [
        "from render.hosts.dawdreamer import _compile_elsewhere; _compile_elsewhere('name', 'source')",
        "from inference.command.doctor import examine; examine()",
    ],
)
def test_a_child_ends_with_its_parent(code: str, tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    (tmp_path / "sitecustomize.py").write_text(SLEEPING.format(marker=str(marker)))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as parent:
        end = time.monotonic() + 60.0
        while not (marker.exists() and marker.read_text()):
            assert time.monotonic() < end
            assert parent.poll() is None
            time.sleep(0.02)
        parent.kill()
    child, end = Path("/proc", marker.read_text()), time.monotonic() + 30.0
    while running(child):
        assert time.monotonic() < end
        time.sleep(0.02)
