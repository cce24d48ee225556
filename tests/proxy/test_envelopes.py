"""The differentiable envelopes are the embedded engine's, but for where in a sample a decay begins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from proxy.synth.envelopes import Adsr, adsr, attack_decay
from render.noisemaker.engine import envelopes


def knobs(*values: float) -> list[Tensor]:
    return [torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in values]


@pytest.mark.parametrize("seed", range(24))
def test_against_the_embedded_engine(seed: int) -> None:
    rng = np.random.default_rng(seed)
    attack, decay, sustain, release = rng.random(4)
    if seed % 3 == 0:  # short stages too, and the ends
        attack, decay, sustain = rng.choice([0.0, 0.2]), rng.random() * 0.4, rng.choice([0.0, 0.5, 1.0])
    n_gate, n_samples, instant = int(rng.integers(1, 12000)), 16000, bool(seed % 2)
    expected = envelopes.adsr(envelopes.Adsr(attack, decay, sustain, release), n_gate, n_samples, instant=instant)
    stages = Adsr(*knobs(attack, decay, sustain, release))
    found = adsr(stages, torch.tensor([n_gate]), n_samples, instant=instant)[0].detach().numpy()
    # The engine's decay begins at the sample after the attack's end, this one at the end itself.
    one_sample = np.maximum(np.abs(np.diff(expected, prepend=0.0)), np.abs(np.diff(expected, append=expected[-1])))
    one_sample[n_gate:] = one_sample[: n_gate + 1].max()
    assert np.all(np.abs(found - expected) <= one_sample + 1e-5)
    settled = np.abs(np.diff(expected, prepend=0.0)) < 1e-6
    assert np.all(np.abs(found - expected)[settled] < one_sample[settled] + 1e-4)


@pytest.mark.parametrize("instant", [False, True])
@pytest.mark.parametrize(
    ("stages", "n_gate"),
    [
        ((0.30, 0.35, 0.40, 0.20), 900),  # released while it decays
        ((0.30, 0.35, 0.40, 0.20), 100),  # released while it rises
        ((0.10, 0.05, 0.60, 0.35), 700),  # released while it is sustained
        ((0.10, 0.20, 1.00, 0.30), 400),  # no decay
        ((0.80, 0.20, 0.50, 0.30), 1600),  # held to the end
    ],
)
def test_gradients(stages: tuple[float, ...], n_gate: int, instant: bool) -> None:
    def play(*tensors: Tensor) -> Tensor:
        return adsr(Adsr(*tensors), torch.tensor([n_gate]), 1500, instant=instant)[:, ::5]

    if stages[2] == 1.0:  # whose finite difference would leave 0..1, where the level cannot follow
        sustain = torch.ones(1, dtype=torch.float64)
        assert torch.autograd.gradcheck(
            lambda a, d, r: play(a, d, sustain, r), [knobs(*stages)[k] for k in (0, 1, 3)], atol=1e-4, eps=1e-7
        )
    else:
        assert torch.autograd.gradcheck(play, knobs(*stages), atol=1e-4, eps=1e-7)


def test_a_longer_attack_delays_the_decay() -> None:
    attack, decay = knobs(0.15, 0.3)
    level = attack_decay(attack, decay, 4000)[0, 2500]  # long after the attack
    (slope,) = torch.autograd.grad(level, attack)
    assert 0.0 < float(level.detach()) < 1.0
    assert float(slope) > 0.0


def test_the_key_does_not_release_the_free_envelope() -> None:
    expected = envelopes.attack_decay(0.0, 0.5, 3000)
    found = attack_decay(*knobs(0.0, 0.5), 3000)[0].detach().numpy()
    np.testing.assert_allclose(found, expected, atol=2e-3)
