"""LFOs, free AD and envelope editor move the same things by the same amounts as in the embedded engine."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from proxy.synth import editor, lfo
from proxy.synth.modulation import modulation
from render.instruments.patch import Patch
from render.noisemaker import envelope_editor
from render.noisemaker.engine import lfo as engine_lfo
from render.noisemaker.engine import modulation as engine
from render.noisemaker.table import LFO1_DESTINATIONS, LFO2_DESTINATIONS, TABLE
from tests.proxy.patches import POINTS, controls, settings

FIELDS = [field.name for field in dataclasses.fields(engine.Modulation)]
N = 4000

LFO = {"lfo1rate": 0.6, "lfo2rate": 0.55, "lfo1phase": 0.3, "lfo1keytrigger": 1.0}


def check(patch: Patch, tolerance: float = 1e-9) -> None:
    expected = engine.modulation(patch, N, np.random.default_rng(0))
    found = modulation(controls(patch), N)
    for name in FIELDS:
        wanted = np.broadcast_to(getattr(expected, name), N)
        got = np.broadcast_to(getattr(found, name)[0].detach().numpy(), N)
        np.testing.assert_allclose(got, wanted, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("destination", LFO1_DESTINATIONS)
def test_lfo1(destination: str) -> None:
    check(TABLE.patch(LFO | {"lfo1amount": 0.2} | settings(lfo1destination=destination)))


@pytest.mark.parametrize("destination", LFO2_DESTINATIONS)
def test_lfo2(destination: str) -> None:
    check(TABLE.patch(LFO | {"lfo2amount": 0.9} | settings(lfo2destination=destination, lfo2waveform="triangle")))


@pytest.mark.parametrize("sign", [0.1, 0.8])
def test_one_lfo_moves_the_rate_of_the_other(sign: float) -> None:
    moved = settings(lfo1destination="lfo2 rate", lfo2destination="osc1")
    # A moved rate adds its first step one sample earlier in the engine, which is worth this many semitones.
    check(TABLE.patch(LFO | {"lfo1amount": sign, "lfo2amount": 0.7} | moved), tolerance=0.02)


@pytest.mark.parametrize("synced", [0.1, 0.5, 0.8, 1.0])
def test_synced_rates(synced: float) -> None:
    synced_lfo = {"lfo1sync": 1.0, "lfo1rate": synced, "lfo1amount": 0.8}
    check(TABLE.patch(LFO | synced_lfo | settings(lfo1destination="filter")))


@pytest.mark.parametrize("destination", TABLE.parameter("freeaddestination").choices)
def test_free_envelope(destination: str) -> None:
    knobs = {"freeadattack": 0.2, "freeaddecay": 0.5, "freeadamount": 0.15}
    check(TABLE.patch(knobs | settings(freeaddestination=destination)), tolerance=0.04)


@pytest.mark.parametrize("destination", TABLE.parameter("envelopeeditordest1").choices)
@pytest.mark.parametrize("one_shot", ["off", "on"])
def test_envelope_editor(destination: str, one_shot: str) -> None:
    chosen = settings(envelopeeditordest1=destination, envelopeeditorspeed="x32", envelopeoneshot=one_shot)
    check(TABLE.patch({"envelopeeditoramount": 0.7} | chosen, POINTS), tolerance=3e-3)


def test_the_editor_loops_and_holds() -> None:
    points = controls(TABLE.default.with_extra(POINTS)).editor
    for one_shot in (False, True):
        found = editor.curve(points, torch.tensor([5]), torch.tensor([one_shot]), 30000)[0].numpy()
        np.testing.assert_allclose(found, envelope_editor.curve(POINTS, 5, one_shot, 30000), atol=0.01)
        assert found[29000] == found[-1] or not one_shot


def test_what_nothing_moves_costs_nothing() -> None:
    moves = modulation(controls(TABLE.default, TABLE.default), N)
    assert all(getattr(moves, name).shape == (2, 1) for name in FIELDS)


def test_weights_of_destinations_add_up() -> None:
    patches = [
        TABLE.patch(LFO | {"lfo1amount": 0.9} | settings(lfo1destination=name, lfo1waveform=waveform))
        for name, waveform in (("filter", "sine"), ("filter", "saw"), ("osc1", "sine"), ("osc1", "saw"))
    ]
    weights = torch.zeros(1, len(LFO1_DESTINATIONS), dtype=torch.float64)
    weights[0, [LFO1_DESTINATIONS.index(name) for name in ("filter", "osc1")]] = torch.tensor([0.3, 0.7]).double()
    waveforms = torch.tensor([[0.4, 0.0, 0.6, 0.0, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    mixed = controls(patches[0])
    mixed = dataclasses.replace(mixed, choices={**mixed.choices, "lfo1destination": weights, "lfo1waveform": waveforms})
    pure, blend = modulation(controls(*patches), N), modulation(mixed, N)
    torch.testing.assert_close(blend.cutoff[0], 0.3 * (0.4 * pure.cutoff[0] + 0.6 * pure.cutoff[1]))
    torch.testing.assert_close(blend.pitch1[0], 0.7 * (0.4 * pure.pitch1[2] + 0.6 * pure.pitch1[3]))
    blend.cutoff.sum().backward()
    assert waveforms.grad is not None
    assert float(waveforms.grad[0, 2].abs()) > 0.0


@pytest.mark.parametrize("waveform", range(4))
@pytest.mark.parametrize("moving", [False, True])
def test_gradients_of_lfos(waveform: int, moving: bool) -> None:
    hz = 40.0 + 9.0 * torch.rand(
        1, 300 if moving else 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    start = torch.tensor([0.13], dtype=torch.float64, requires_grad=True)

    def play(hz: Tensor, start: Tensor) -> Tensor:
        return lfo.wave(torch.tensor([waveform]), hz, start, 300)[:, ::3]

    assert torch.autograd.gradcheck(play, (hz.requires_grad_(), start), eps=1e-7, atol=1e-4)


def test_random_waveforms_stay_in_range_and_repeat() -> None:
    for waveform in (lfo.RANDOM_STEP, lfo.NOISE):
        hz = torch.full((2, 1), 20.0, dtype=torch.float64)
        found = lfo.wave(torch.tensor([waveform] * 2), hz, torch.zeros(2, dtype=torch.float64), 8000)
        assert float(found.abs().max()) <= 1.0
        assert float(found.std()) > 0.05
        assert torch.equal(found[0], found[1])


def test_rates() -> None:
    knobs = torch.linspace(0, 1, 11, dtype=torch.float64)
    for synced in (False, True):
        expected = [engine_lfo.rate_hz(float(knob), synced=synced) for knob in knobs]
        np.testing.assert_allclose(lfo.rate_hz(knobs, torch.full((11,), synced)), expected)


def test_the_curve_of_the_editor_has_a_gradient() -> None:
    points = torch.rand(1, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(2), requires_grad=True)
    held = torch.tensor([False])
    assert torch.autograd.gradcheck(lambda p: editor.curve(p, torch.tensor([5]), held, 12000)[:, ::50], points)
