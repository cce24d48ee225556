"""Forward loops on a GPU: on numba's simulator, and where there is a GPU on that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from proxy.kernels import launch
from proxy.synth import filters
from proxy.synth.controls import Controls
from proxy.synth.voice import render
from render.errors import DeviceError
from render.noisemaker.facts import FILTERS
from render.noisemaker.prior import draw

SCRIPT = Path(__file__).with_name("simulated_gpu.py")


def test_a_sound_is_the_same_on_a_simulated_gpu() -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(SCRIPT.parents[2])}
    done = subprocess.run([sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, check=True)
    apart, loudest = map(float, done.stdout.split())
    assert loudest > 0.01
    assert apart < 1e-6


def test_filters_one_by_one_are_those_side_by_side() -> None:
    kinds = torch.arange(len(FILTERS)).repeat(2)
    rng = np.random.default_rng(0)
    signal, cutoff = (torch.from_numpy(rng.uniform(low, 1.0, (len(kinds), 300))).float() for low in (-1.0, 0.1))
    knobs = [torch.from_numpy(rng.uniform(0.0, 1.0, len(kinds))).float() for _ in range(2)]
    together = filters.filtered(signal, cutoff, *knobs, kinds)
    fitted = filters._fitted(tuple(kinds.tolist()), *knobs, None, None)
    torch.testing.assert_close(filters.filtered_alone(signal, cutoff, fitted, kinds.tolist()), together)


def test_another_seed_changes_what_is_random_and_nothing_else() -> None:
    drawn = [draw(0, index) for index in range(12)]
    patches = [patch for patch, _ in drawn]
    controls = Controls.from_patches(patches, [note for _, note in drawn])
    with torch.no_grad():
        same, other = render(controls, 2000), render(controls, 2000, seed=1)
        assert torch.equal(same, render(controls, 2000, seed=0))
    apart = (same - other).abs().amax(dim=(1, 2))
    noisy = torch.tensor([patch["osc1waveform"] == 1.0 and patch["osc1volume"] > 0.0 for patch in patches])
    assert bool((apart[noisy] > 1e-3).all())
    assert 0 < int((apart > 1e-4).sum()) < len(patches)


def test_a_gpu_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnGpu(torch.Tensor):
        @property
        def device(self) -> torch.device:  # type: ignore[override]
            return torch.device("cuda", 0)

    monkeypatch.setitem(sys.modules, "proxy.kernels.gpu", None)
    with pytest.raises(DeviceError, match="numba-cuda cannot compile for cuda:0"):
        launch.launch(filters.recursions.highpass_rows, 1, torch.zeros(1).as_subclass(OnGpu))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_sound_is_the_same_on_a_gpu() -> None:
    drawn = [draw(1, index) for index in range(64)]
    given = [patch for patch, _ in drawn], [note for _, note in drawn]
    with torch.no_grad():
        here, there = (render(Controls.from_patches(*given, device=name), 20_000) for name in ("cpu", "cuda"))
    apart = (here - there.cpu()).abs().amax(dim=(1, 2))
    assert float(apart.median()) < 1e-4
    assert float(apart.quantile(0.95)) < 1e-2
