"""Loading the models."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("stages", "synth", "loaded"),
    [
        (("guess", "descend", "search"), "render.noisemaker.instrument.NOISEMAKER", True),
        (("search",), "render.noisemaker.instrument.NOISEMAKER", False),
        (("guess", "descend", "search"), "tests.toy.TOY", False),
    ],
)
def test_torch_is_loaded_beside_the_start_where_a_stage_needs_it(
    stages: tuple[str, ...], synth: str, loaded: bool
) -> None:
    module, _, name = synth.rpartition(".")
    program = (
        "import sys, threading\n"
        "from inference.options import Options\n"
        "from inference.stages.models import begin_loading\n"
        f"from {module} import {name}\n"
        f"begin_loading(Options({name}, stages={stages}))\n"
        "for thread in threading.enumerate():\n"
        "    thread is threading.main_thread() or thread.join()\n"
        f"assert ('torch' in sys.modules) is {loaded}\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
