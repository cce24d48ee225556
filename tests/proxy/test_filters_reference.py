"""The compiled filters against the slow scalar loops of ``reference_filters``: results, and slopes as differences."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxy.synth.filters import N_TYPES, filtered, highpass
from render.note import SAMPLE_RATE
from tests.proxy import reference_filters as reference

N_SAMPLES = 200
N_SHORT = 60
CUTOFFS = (0.0, 0.003, 0.05, 0.3, 1.0)
RESONANCES = (0.0, 0.5, 0.9, 1.0)
DRIVES = (0.0, 0.5)

ROUNDING = 1e-14
# The exponential of the ladder's poles and the tangent of the Moog-style ladder are polynomials with coefficients in
# single precision, good to about 1e-8; a filter that sings repeats what they differ by.
POLYNOMIALS = 2e-7
TOLERANCES = (*[POLYNOMIALS] * 7, *[ROUNDING] * 3, POLYNOMIALS, ROUNDING)
"""By filter type, relative to the largest sample."""

SLOPE_TOLERANCES = (*[1e-6] * 7, *[3e-5] * 3, 1e-6, 1e-6)
# The adjoint of the state-variable stages takes ten times a tenth as 1, which in single precision it is not quite; over
# the 240 steps of these signals that adds up to 1e-5.

Array = NDArray[np.float64]


def noisy_saw(n_samples: int) -> Array:
    saw = 0.5 * (np.arange(n_samples) * 200.0 / SAMPLE_RATE % 1.0 - 0.5)
    return np.asarray(saw + np.random.default_rng(3).uniform(-0.5, 0.5, n_samples))


def falling(start: float, n_samples: int) -> Array:
    """A cutoff control that falls to a fifth."""
    return start * np.linspace(1.0, 0.2, n_samples)


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("kind", range(N_TYPES))
def test_the_compiled_filter_is_the_scalar_loop(kind: int) -> None:
    settings = list(product(CUTOFFS, RESONANCES, DRIVES))
    signal = noisy_saw(N_SAMPLES)
    controls = np.stack([falling(cutoff, N_SAMPLES) for cutoff, _, _ in settings])
    resonance, drive = (double(*column) for column in list(zip(*settings, strict=True))[1:])
    found = filtered(
        torch.from_numpy(signal).repeat(len(settings), 1),
        torch.from_numpy(controls),
        resonance,
        drive,
        torch.full((len(settings),), kind),
    ).numpy()
    for row, (_, r, d) in enumerate(settings):
        expected = np.array(reference.filtered(kind, signal.tolist(), controls[row].tolist(), r, d))
        largest = np.abs(expected).max()
        np.testing.assert_allclose(found[row], expected, rtol=0, atol=TOLERANCES[kind] * largest, err_msg=str(row))


@pytest.mark.parametrize("knob", [0.0, 0.3, 1.0])
def test_the_compiled_high_pass_is_the_scalar_loop(knob: float) -> None:
    signal = noisy_saw(N_SAMPLES)
    found = highpass(torch.from_numpy(signal)[None], double(knob))[0]
    np.testing.assert_allclose(found, reference.high_pass(signal.tolist(), knob), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("kind", range(N_TYPES))
@pytest.mark.parametrize("cutoff", [0.02, 0.3, 0.95])
# From 0.85 on the adjoint of a singing filter forgets, on purpose.
@pytest.mark.parametrize("resonance", [0.1, 0.84])
def test_the_adjoint_is_the_slope_of_the_scalar_loop(kind: int, cutoff: float, resonance: float) -> None:
    rng = np.random.default_rng(kind)
    given = [noisy_saw(N_SHORT), falling(cutoff, N_SHORT), np.array([resonance]), np.array([0.4])]
    directions = [rng.normal(size=N_SHORT), cutoff * rng.uniform(-1.0, 1.0, N_SHORT), np.ones(1), np.ones(1)]
    weights = rng.normal(size=N_SHORT)

    def value(*inputs: Array) -> float:
        signal, control, r, drive = (array.tolist() for array in inputs)
        return float(weights @ reference.filtered(kind, signal, control, r[0], drive[0]))

    tensors = [torch.from_numpy(array).requires_grad_() for array in given]
    signal, control, r, drive = tensors
    result = filtered(signal[None], control[None], r, drive, torch.tensor([kind]))[0]
    gradients = torch.autograd.grad(result @ torch.from_numpy(weights), tensors)
    step = 1e-6
    for number, (gradient, direction) in enumerate(zip(gradients, directions, strict=True)):
        ahead, back = ([*given] for _ in range(2))
        ahead[number] = given[number] + step * direction
        back[number] = given[number] - step * direction
        difference = (value(*ahead) - value(*back)) / (2.0 * step)
        assert float(gradient.numpy() @ direction) == pytest.approx(difference, rel=SLOPE_TOLERANCES[kind], abs=1e-6), (
            number
        )
