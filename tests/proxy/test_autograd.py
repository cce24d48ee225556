"""No custom gradient can be differentiated again: the adjoints are loops that autograd does not see."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

import proxy
from proxy.kernels.effects import cascaded_sections, feedback_delay, modulated_delay_line, reverb_network
from proxy.kernels.oscillators import SAW
from proxy.loss.distance import TargetDistance
from proxy.loss.stft import magnitudes
from proxy.synth import oscillators
from proxy.synth.envelopes import Adsr, adsr
from proxy.synth.filters import filtered, highpass
from proxy.synth.mixer import mixed

N_SAMPLES = 40
HALF = torch.tensor([0.5])


def modulated(x: Tensor) -> Tensor:
    return modulated_delay_line(x, np.full((1, N_SAMPLES), 3), np.full((1, N_SAMPLES), 0.5))


def played(x: Tensor) -> Tensor:
    step = torch.nn.functional.pad(x.double(), (0, 1))
    return oscillators.wave(torch.tensor([SAW]), step, HALF.double(), step, HALF.double(), N_SAMPLES)


def frequency_modulated(x: Tensor) -> Tensor:
    step = torch.nn.functional.pad(x.double(), (0, 1))
    return oscillators.fm(step, step, step, 10.0, N_SAMPLES)


def shaped(x: Tensor) -> Tensor:
    return adsr(Adsr(*x[0, :4, None]), torch.tensor([N_SAMPLES // 2]), N_SAMPLES)


CLIP = TargetDistance(torch.rand(1, 100 * N_SAMPLES, generator=torch.Generator().manual_seed(2)))

CALLS: dict[str, Callable[[Tensor], Tensor]] = {
    "cascaded sections": lambda x: cascaded_sections(x, torch.full((1, 6), 0.5)),
    "feedback delay": lambda x: feedback_delay(x, torch.full((1, 4), 0.5), torch.tensor([3])),
    "modulated delay line": modulated,
    "reverb": lambda x: reverb_network(x, HALF, torch.linspace(5.5, 12.5, 8).reshape(1, 2, 4)),
    "filter": lambda x: filtered(x, torch.full_like(x, 0.5), HALF, HALF, torch.tensor([0])),
    "high-pass": lambda x: highpass(x, HALF),
    "waveform": played,
    "frequency modulation": frequency_modulated,
    "envelope": shaped,
    "mixer": lambda x: mixed(x, x, HALF, HALF, x),
    "magnitudes": lambda x: magnitudes(x, torch.hann_window(16), 1e-3),
    "fused distance": lambda x: CLIP.measure(x.repeat(2, CLIP.n_samples // N_SAMPLES)[None])[0],
}
"""A function of a signal of shape ``(1, N_SAMPLES)`` for each custom gradient."""


def signal() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return (0.1 * torch.rand(1, N_SAMPLES, generator=generator) + 0.01).requires_grad_()


def custom_gradients() -> Iterator[type[torch.autograd.Function]]:
    """Every subclass of ``torch.autograd.Function`` in the package."""
    for module in pkgutil.walk_packages(proxy.__path__, "proxy."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting: list[type[torch.autograd.Function]] = [torch.autograd.Function]
    while waiting:
        for found in waiting.pop().__subclasses__():
            waiting.append(found)
            if found.__module__.startswith("proxy."):
                yield found


def nodes(result: Tensor) -> set[str]:
    """Names of everything in the graph that a result was computed by."""
    names, waiting = set(), [result.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None:
            names.add(node.name())
            waiting += [before for before, _ in node.next_functions]
    return names


def test_every_custom_gradient_is_tried() -> None:
    tried = set().union(*(nodes(call(signal())) for call in CALLS.values()))
    assert {f"{function.__name__}Backward" for function in custom_gradients()} <= tried


@pytest.mark.parametrize("name", CALLS)
def test_a_second_derivative_is_refused(name: str) -> None:
    x = signal()
    (slope,) = torch.autograd.grad(CALLS[name](x).square().sum(), x, create_graph=True)
    assert bool(slope.isfinite().all())
    assert bool(slope.any())
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
