"""The differentiable oscillators are the embedded engine's, and their gradients are true."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxy.kernels.oscillators import MAX_INCREMENT, NOISE, PULSE, SAW, SINE, TRIANGLE
from proxy.synth import oscillators
from render.noisemaker.engine import oscillators as engine
from render.noisemaker.engine.noise import white
from render.noisemaker.facts import DUTY_SHRINK, FRESH_NOISE
from render.note import SAMPLE_RATE

WAVEFORMS = (SAW, PULSE, TRIANGLE, SINE)
GLIDE = 300.0 * 2.0 ** np.sin(np.arange(5001) / 1500.0)


def tensor(*values: float | NDArray[np.float64], grad: bool = False) -> Tensor:
    return torch.tensor(np.array(values), dtype=torch.float64, requires_grad=grad)


def expected_wave(
    waveform: int, hz: float | NDArray[np.float64], start: float, width: float | NDArray[np.float64], sync_hz: float
) -> NDArray[np.float64]:
    sub = engine.phase(engine.increments(sync_hz), 0.0, 5000) if sync_hz and waveform != SINE else None
    phase = engine.phase(engine.increments(hz), start, 5000, sub, keep_half=waveform == TRIANGLE)
    if waveform == PULSE:
        shrink = 1.0 - DUTY_SHRINK * np.asarray(phase.increments)
        return engine.pulse(phase, 0.5 + (width - 0.5) * shrink)
    return {SAW: engine.saw, TRIANGLE: engine.triangle, SINE: engine.sine}[waveform](phase)


@pytest.mark.parametrize("waveform", WAVEFORMS)
@pytest.mark.parametrize("hz", [55.0, 440.3, 3111.0, GLIDE], ids=["55", "440", "3111", "glide"])
@pytest.mark.parametrize("sync_hz", [0.0, 61.7])
def test_against_the_embedded_engine(waveform: int, hz: float | NDArray[np.float64], sync_hz: float) -> None:
    width = 0.37 if isinstance(hz, float) else 0.5 + 0.3 * np.sin(np.arange(5001) / 700.0)
    step, widths = (torch.atleast_2d(tensor(value).squeeze(0)) for value in (np.divide(hz, SAMPLE_RATE), width))
    found = oscillators.wave(torch.tensor([waveform]), step, tensor(0.31), widths, tensor(sync_hz / SAMPLE_RATE), 5000)
    np.testing.assert_allclose(found[0], expected_wave(waveform, hz, 0.31, width, sync_hz), atol=1e-8)


def test_noise_is_the_engines() -> None:
    zero = tensor(0.0)
    found = oscillators.wave(torch.tensor([NOISE]), tensor(0.01)[None], zero, tensor(0.5)[None], zero, 100)
    np.testing.assert_array_equal(found[0], white(100, FRESH_NOISE))


@pytest.mark.parametrize("waveform", WAVEFORMS)
@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("sync_hz", [0.0, 190.0])
def test_gradients(waveform: int, moving: bool, sync_hz: float) -> None:
    time = np.arange(301)
    hz = 600.0 + 200.0 * np.sin(time / 90.0) if moving else np.array([601.0])
    duty = 0.4 + 0.2 * np.sin(time / 50.0) if moving else np.array([0.3])
    inputs = [tensor(hz / SAMPLE_RATE, grad=True), tensor(0.31, grad=True), tensor(duty, grad=True)]
    if sync_hz:
        inputs.append(tensor(sync_hz / SAMPLE_RATE, grad=True))

    def play(step: Tensor, start: Tensor, width: Tensor, sync: Tensor | None = None) -> Tensor:
        sync = torch.zeros_like(start) if sync is None else sync
        return oscillators.wave(torch.tensor([waveform]), step, start, width, sync, 300)[:, ::3]

    assert torch.autograd.gradcheck(play, inputs, eps=1e-9, atol=5e-3, rtol=1e-3)


@pytest.mark.parametrize("moving", [False, True])
def test_gradients_of_fm(moving: bool) -> None:
    n = 201 if moving else 1
    rng = np.random.default_rng(1)
    rows = [rng.uniform(low, low + 0.002, n) for low in (0.01, 0.02, 0.1)]
    inputs = [tensor(row, grad=True) for row in rows]
    assert torch.autograd.gradcheck(lambda *t: oscillators.fm(*t, 10.0, 200), inputs, eps=1e-7, atol=1e-4)


def test_fm_is_capped() -> None:
    step = oscillators.fm(tensor(0.2)[None], tensor(0.2)[None], tensor(1.0)[None], 10.0, 500)
    assert float(step.max()) == MAX_INCREMENT
    assert float(step.min()) >= 0.2


@pytest.mark.parametrize("waveform", [SAW, PULSE, TRIANGLE])
def test_silent_above_nyquist(waveform: int) -> None:
    # Only harmonics sound, below 15 kHz: of what would lie above half the sample rate nothing is heard as alias there.
    n, hz = 1 << 15, 3700.0
    harmonics = np.arange(1, int(15000.0 / hz) + 1) * hz
    found = oscillators.wave(
        torch.tensor([waveform]), tensor(hz / SAMPLE_RATE)[None], tensor(0.2), tensor(0.3)[None], tensor(0.0), n + 100
    )[0, 100:]
    power = np.abs(np.fft.rfft(found.numpy() * np.blackman(n))) ** 2
    bins = np.fft.rfftfreq(n, 1.0 / SAMPLE_RATE)
    between = np.all(np.abs(bins[:, None] - harmonics) > 30.0, axis=1) & (bins > 30.0) & (bins < 15000.0)
    assert 10.0 * np.log10(power[between].max() / power.max()) < -60.0


def test_frequencies_are_capped() -> None:
    assert float(oscillators.phase_increments(tensor(150.0))) == MAX_INCREMENT
    assert float(oscillators.phase_increments(tensor(69.0))) == pytest.approx(440.0 / SAMPLE_RATE)
