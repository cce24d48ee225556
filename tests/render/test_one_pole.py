"""The recursive filter of the embedded engine."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import lfilter

from render.noisemaker import facts
from render.noisemaker.engine.noise import clicks, white
from render.noisemaker.engine.one_pole import one_pole


@pytest.mark.parametrize("pole", [0.05, facts.CLICK_POLES[1], facts.CLICK_POLES[0], 1.0 - facts.LFO_SMOOTHING, 0.9999])
@pytest.mark.parametrize("n_samples", [1, 2, 18, 19, 20, 269, 270, 271, 44100])
def test_it_is_the_library_filter(pole: float, n_samples: int) -> None:
    signal = np.random.default_rng(n_samples).uniform(-1.0, 1.0, n_samples)
    expected, _ = lfilter([1.0], [1.0, -pole], signal, zi=[0.3 * pole])
    np.testing.assert_allclose(one_pole(signal, pole, 0.3), expected, rtol=0.0, atol=1e-11)


@pytest.mark.parametrize("n_samples", [1, 1000, 70000])
def test_clicks_are_noise_through_two_poles(n_samples: int) -> None:
    state, (first, second) = 77, facts.CLICK_POLES
    samples = white(n_samples, state)
    sparse = np.where(np.abs(samples) > facts.CLICK_THRESHOLD, samples, 0.0)
    expected = lfilter([-facts.CLICK_GAIN], [1.0, -first - second, first * second], sparse)
    np.testing.assert_allclose(clicks(n_samples, state), expected, rtol=0.0, atol=1e-14)


def test_a_worker_renders_without_the_library_that_takes_half_a_second() -> None:
    program = (
        "import sys\n"
        "from render.noisemaker.hosts import open_host\n"
        "from render.noisemaker.table import TABLE\n"
        "from render.note import Note\n"
        "patch = TABLE.default.with_settings({'lfo1destination': 'filter'})\n"
        "patch = patch.with_knobs({'lfo1amount': 0.9, 'vintagenoise': 0.5})\n"
        "assert open_host().render(patch, Note(60, 100, 0.2, 0.3)).any()\n"
        "assert 'scipy.signal' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
