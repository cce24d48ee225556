"""The effects against the compiled programs that they imitate, and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from proxy.kernels.effects import cascaded_sections, feedback_delay, modulated_delay_line, reverb_network
from proxy.synth.controls import Controls
from proxy.synth.effects import effects
from render.instruments.patch import Patch
from render.measures.metrics import mss, side_mss
from render.noisemaker.engine.host import EmbeddedHost
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note

N_SAMPLES = 30000
PATCHES = {
    "delay": {"delaywet": 0.6, "delaytime": 0.25, "delayhighshelf": 0.2, "delaylowshelf": 0.3, "delayfactorl": 1.0},
    "growing delay": {"delaywet": 1.0, "delaytime": 0.1, "delayfeedback": 1.0},
    "synced delay": {"delaywet": 0.5, "delaytime": 0.1, "delaysync": 1.0, "delayfeedback": 0.4},
    "chorus 1": {"chorus1enable": 1.0},
    "both choruses": {"chorus1enable": 1.0, "chorus2enable": 1.0},
    "reverb": {"reverbwet": 0.6, "reverbdecay": 0.6, "reverbpredelay": 0.2},
    "reverb tone": {"reverbwet": 0.9, "reverbdecay": 0.0, "reverbhighcut": 0.4, "reverblowcut": 0.7},
    "all": {"delaywet": 0.4, "delaytime": 0.2, "chorus2enable": 1.0, "reverbwet": 0.4, "reverbdecay": 0.9},
    "none": {},
}


@pytest.fixture(scope="module")
def host() -> EmbeddedHost:
    return EmbeddedHost()


def burst() -> np.ndarray:
    """A fading square on the left, the same with noise on the right."""
    seconds = np.arange(N_SAMPLES) / SAMPLE_RATE
    noise = np.random.default_rng(1).normal(size=N_SAMPLES)
    square = 0.3 * np.sign(np.sin(2.0 * np.pi * 110.0 * seconds)) * np.exp(-6.0 * seconds)
    return np.stack([square, 0.7 * square + 0.05 * noise * np.exp(-10.0 * seconds)]).astype(np.float32)


def controls(patches: Sequence[Patch], dtype: torch.dtype = torch.float32) -> Controls:
    return Controls.from_patches(patches, [Note(60)] * len(patches), dtype=dtype)


@pytest.mark.parametrize("name", PATCHES)
def test_the_compiled_programs_sound_the_same(name: str, host: EmbeddedHost) -> None:
    patch = TABLE.patch(PATCHES[name])
    audio = burst()
    expected = host._effects(patch, audio)
    result = effects(torch.from_numpy(audio)[None], controls([patch]))[0].numpy()
    assert mss(expected, result, SAMPLE_RATE) < 0.03
    assert (side_mss(expected, result, SAMPLE_RATE) or 0.0) < 0.03
    # The reverb's two poles differ by 0.001 where the low-pass is open; all else is rounding.
    error = np.square(result - expected).sum() / np.square(expected).sum()
    assert error < (3e-3 if "reverb" in name else 1e-4)


def test_a_batch_gives_what_its_items_give_alone() -> None:
    patches = [TABLE.patch(knobs) for knobs in PATCHES.values()]
    audio = torch.from_numpy(burst())[None] * torch.linspace(0.5, 1.0, len(patches))[:, None, None]
    together = effects(audio, controls(patches))
    for item, patch in enumerate(patches):
        torch.testing.assert_close(
            effects(audio[item : item + 1], controls([patch]))[0], together[item], rtol=0, atol=0
        )


def test_what_is_off_leaves_the_audio_alone() -> None:
    audio = torch.from_numpy(burst())[None]
    assert effects(audio, controls([TABLE.default])) is audio


@pytest.mark.parametrize("knob", [0.0, 1.0])
def test_gradients_are_finite_at_the_ends(knob: float) -> None:
    # Everything at one end; the same with effects that sound.
    patches = [TABLE.patch(dict.fromkeys(EFFECT_KNOBS, knob) | extra) for extra in ({}, WET, WET | CHORUSES)]
    given = controls(patches)
    given.knobs.requires_grad_()
    audio = torch.from_numpy(burst()).expand(3, -1, -1).clone().requires_grad_()
    result = effects(audio, given)
    result.square().sum().backward()
    assert given.knobs.grad is not None
    assert audio.grad is not None
    assert all(bool(tensor.isfinite().all()) for tensor in (result, given.knobs.grad, audio.grad))
    assert float(audio.grad.abs().max()) < 1e6


EFFECT_KNOBS = (
    *("delaywet", "delaytime", "delayhighshelf", "delaylowshelf", "delayfeedback"),
    *("reverbwet", "reverbdecay", "reverbpredelay", "reverbhighcut", "reverblowcut"),
)
WET = {"delaywet": 0.5, "reverbwet": 0.5}
CHORUSES = {"chorus1enable": 1.0, "chorus2enable": 1.0}


@pytest.mark.parametrize("name", ["delaywet", "delayfeedback", "delayhighshelf", "delaylowshelf"])
@pytest.mark.parametrize("knob", [0.1, 0.45])
def test_the_gradient_of_the_delay_is_the_slope(name: str, knob: float) -> None:
    check_slope({"delaywet": 0.5, "delaytime": 0.05, "delayfeedback": 0.4, name: knob}, name)


@pytest.mark.parametrize("name", ["reverbwet", "reverbhighcut", "reverblowcut"])
@pytest.mark.parametrize("knob", [0.2, 0.7])
def test_the_gradient_of_the_reverb_is_the_slope(name: str, knob: float) -> None:
    check_slope({"reverbwet": 0.5, "reverbhighcut": 0.1, "reverblowcut": 0.8, name: knob}, name)


def test_the_gradient_of_the_decay_points_where_the_reverb_gets_louder() -> None:
    patch = TABLE.patch({"reverbwet": 0.5, "reverbdecay": 0.6})
    given = controls([patch], torch.float64)
    given.knobs.requires_grad_()
    # Noise: the combs' lengths move with the knob too, and a tone meets other resonances then.
    noise = torch.randn(1, 2, N_SAMPLES, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    audio = noise * torch.exp(-torch.arange(N_SAMPLES) / 2000.0)
    tail = effects(audio, given)[..., N_SAMPLES // 2 :].square().sum()
    tail.backward()
    higher = effects(audio, controls([patch.with_knobs({"reverbdecay": 0.65})], torch.float64))
    assert given.knobs.grad is not None
    slope = float(given.knobs.grad[0, TABLE.position("reverbdecay")])
    assert slope > 0.0
    assert float(higher[..., N_SAMPLES // 2 :].square().sum()) > float(tail.detach())


def check_slope(knobs: dict[str, float], name: str) -> None:
    """The derivative along one knob against a central difference, in float64."""
    audio = torch.from_numpy(burst()[:, :12000]).double()[None]
    weights = torch.from_numpy(np.random.default_rng(2).normal(size=audio.shape))

    def value(knob: float) -> tuple[float, Controls]:
        given = controls([TABLE.patch(knobs | {name: knob})], torch.float64)
        given.knobs.requires_grad_()
        result = (effects(audio, given) * weights).sum()
        result.backward()
        return float(result.detach()), given

    step = 1e-5
    difference = (value(knobs[name] + step)[0] - value(knobs[name] - step)[0]) / (2.0 * step)
    grad = value(knobs[name])[1].knobs.grad
    assert grad is not None
    assert float(grad[0, TABLE.position(name)]) == pytest.approx(difference, rel=1e-5)


def test_the_weight_of_a_chorus_fades_it_in() -> None:
    audio = torch.from_numpy(burst())[None]
    off, on = (controls([TABLE.patch({"chorus1enable": knob})]) for knob in (0.0, 1.0))
    weights = torch.tensor([[0.75, 0.25]], requires_grad=True)
    mixed = replace(off, choices={**off.choices, "chorus1enable": weights})
    result = effects(audio, mixed)
    torch.testing.assert_close(result, 0.75 * effects(audio, off) + 0.25 * effects(audio, on))
    result.square().sum().backward()
    assert weights.grad is not None
    assert float(weights.grad[0, 1]) != 0.0


def random(*shape: int, seed: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def test_gradcheck_of_cascaded_sections() -> None:
    coefficients = torch.tensor([[0.3, 0.2, -0.5, 1.0, -1.0, -0.9], [0.1, 0.1, 0.4, 0.2, 0.3, -0.2]]).double()
    assert torch.autograd.gradcheck(cascaded_sections, (random(2, 40), coefficients.requires_grad_()))


def test_gradcheck_of_the_feedback_delay() -> None:
    coefficients = torch.tensor([[0.9, 0.6, 0.9, 0.3], [0.5, 0.3, 0.6, 1.0], [0.0, 0.9, 0.8, 0.7]]).double()
    whole = torch.tensor([7, 2, 100])
    assert torch.autograd.gradcheck(feedback_delay, (random(3, 40), coefficients.requires_grad_(), whole))


def test_gradcheck_of_the_modulated_delay_line() -> None:
    course = 3.0 + 2.0 * np.sin(np.arange(80).reshape(2, 40) / 9.0)
    whole = np.floor(course).astype(np.int64)
    assert torch.autograd.gradcheck(lambda x: modulated_delay_line(x, whole, 1.0 - (course - whole)), (random(4, 40),))


def test_gradcheck_of_the_reverb_network() -> None:
    lengths = torch.tensor([[[5.0, 6.3, 7.6, 9.1], [2.2, 3.0, 11.5, 600.0]]]).double()
    decay = torch.tensor([0.7], dtype=torch.float64, requires_grad=True)
    weights = torch.linspace(-1.0, 1.0, 600, dtype=torch.float64)

    def some(x: Tensor, d: Tensor) -> Tensor:
        # Long enough for all all-passes; a few sums of it are checked.
        padded = torch.nn.functional.pad(x, (0, 580))
        return (reverb_network(padded, d, lengths) * weights).unfold(-1, 100, 100).sum(-1)

    assert torch.autograd.gradcheck(some, (random(1, 20), decay))
