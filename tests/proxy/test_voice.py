"""The whole voice: true gradients, finite ones at the ends of the knobs, and items that do not hear each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from proxy.synth import voice
from proxy.synth.controls import Controls
from proxy.synth.corrections import Corrections
from proxy.synth.mixer import mixed
from proxy.synth.modulation import modulation
from render.instruments.patch import Patch
from render.measures.metrics import mss
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note
from tests.proxy.patches import NO_EFFECTS, controls, extremes, random_patch, settings

NOTE = Note(57, 90, 0.02, 0.05)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_gradients_are_finite_at_the_ends(value: float) -> None:
    played = controls(*extremes(value), note=NOTE)
    knobs = played.knobs.clone().requires_grad_()
    audio = voice.render(dataclasses.replace(played, knobs=knobs), NOTE.n_samples)
    assert bool(audio.isfinite().all())
    (audio.square().sum() + audio.sum()).backward()
    assert knobs.grad is not None
    assert bool(knobs.grad.isfinite().all())


def test_a_batch_is_many_batches_of_one() -> None:
    patches = [random_patch(seed) for seed in range(5)] + [TABLE.default, random_patch(9, resonance=0.95)]
    together = voice.render(controls(*patches, note=NOTE, dtype=torch.float32), NOTE.n_samples)
    assert together.shape == (7, 2, NOTE.n_samples)
    assert together.dtype == torch.float32
    for patch, found in zip(patches, together, strict=True):
        alone = voice.render(controls(patch, note=NOTE, dtype=torch.float32), NOTE.n_samples)
        torch.testing.assert_close(found, alone[0], rtol=1e-5, atol=1e-6 * float(alone.abs().max()))


def test_both_precisions_sound_alike() -> None:
    patch, note = random_patch(4, oscbitcrusher=1.0), Note(60, 100, 0.2, 0.3)
    single, double = (
        voice.render(controls(patch, note=note, dtype=dtype), note.n_samples)[0].numpy()
        for dtype in (torch.float32, torch.float64)
    )
    assert mss(single, double, SAMPLE_RATE) < 0.1


CHORD = Note.of((45, 52, 61), 90, 0.02, 0.05)


def test_a_chord_is_the_sum_of_its_keys_and_so_is_its_gradient() -> None:
    """Without effects; beside it in the batch is a patch of two voices, which plays the two highest keys."""
    patch, duo = (random_patch(seed, **NO_EFFECTS, voices=voices) for seed, voices in ((2, 1.0), (3, 0.2)))
    pull = torch.randn((2, CHORD.n_samples), dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def played(*patches: Patch, note: Note) -> tuple[Tensor, Tensor]:
        given = controls(*patches, note=note)
        knobs = given.knobs.clone().requires_grad_()
        audio = voice.render(dataclasses.replace(given, knobs=knobs), note.n_samples)
        (gradient,) = torch.autograd.grad((audio * pull).sum(), knobs)
        return audio.detach(), gradient

    together, slopes = played(patch, duo, note=CHORD)
    alone = [played(patch, duo, note=dataclasses.replace(CHORD, number=key, chord=())) for key in CHORD.keys]
    for item, keys in ((0, alone), (1, alone[1:])):
        torch.testing.assert_close(together[item], sum(audio[item] for audio, _ in keys), rtol=1e-6, atol=2e-5)
        expected = sum(gradient[item] for _, gradient in keys)
        torch.testing.assert_close(slopes[item], expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_the_gradient_of_a_chord_under_effects_is_true() -> None:
    patch = random_patch(5, voices=1.0, oscbitcrusher=1.0, reverbwet=0.5, delaywet=0.4, filterdrive=0.4, resonance=0.3)
    given = controls(patch, note=CHORD)
    column, step = TABLE.position("cutoff"), 1e-6

    def loss(knob: Tensor) -> Tensor:
        knobs = given.knobs.clone()
        knobs[0, column] = knob
        return voice.render(dataclasses.replace(given, knobs=knobs), CHORD.n_samples).square().sum()

    here = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(loss(here), here)
    difference = (loss(here.detach() + step) - loss(here.detach() - step)) / (2.0 * step)
    assert float(slope) == pytest.approx(float(difference), rel=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_gradients_of_the_mixer(seed: int) -> None:
    # The crusher's gradient goes straight through its steps, and a synced rate has none: both stay out of this check.
    patch = random_patch(seed, oscbitcrusher=1.0, lfo1sync=0.0, lfo2sync=0.0, envelopeeditoramount=0.3)
    patch = patch.with_knobs({"lfo1amount": 0.6, "lfo2amount": 0.4, "freeadamount": 0.4, "osc2fm": 0.2})
    patch = patch.with_knobs(settings(lfo1waveform="sine", lfo2waveform="triangle"))
    check_gradients(patch, lambda played: voice.mixer(played, played.number, modulation(played, 241), 240)[:, ::5])


@pytest.mark.parametrize("seed", range(3))
def test_gradients_of_cutoff_and_amplitude(seed: int) -> None:
    patch = random_patch(seed, lfo1sync=0.0, lfo2sync=0.0, cutoff=0.5, filterattack=0.2, ampattack=0.15)
    patch = patch.with_knobs(settings(lfo1waveform="sine", lfo2waveform="triangle", lfo2destination="filter"))

    def play(played: Controls) -> Tensor:
        moves = modulation(played, 601)
        return torch.cat(
            [voice.cutoff(played, played.number, moves, 600)[:, ::9], voice.amplitude(played, moves, 600)[:, ::9]],
            dim=1,
        )

    check_gradients(patch, play)


def check_gradients(patch: Patch, play: Callable[[Controls], Tensor]) -> None:
    played = controls(patch, note=Note(57, 90, 0.01, 0.05))
    rows = [k for k, row in enumerate(TABLE.parameters) if not row.discrete and row.name != "oscbitcrusher"]

    def of_knobs(values: Tensor) -> Tensor:
        knobs = played.knobs.clone()
        knobs[:, rows] = values
        return play(dataclasses.replace(played, knobs=knobs))

    values = played.knobs[:, rows].clone().requires_grad_()
    assert torch.autograd.gradcheck(of_knobs, values, eps=1e-8, atol=2e-2, rtol=2e-3)


@pytest.mark.parametrize("n_ring", [1, 12])
def test_the_oscillators_are_mixed(n_ring: int) -> None:
    generator = torch.Generator().manual_seed(1)
    shapes = ((2, 11), (2, 11), (2,), (2,), (2, n_ring))
    inputs = [torch.rand(shape, dtype=torch.float64, generator=generator, requires_grad=True) for shape in shapes]
    one, two, level1, level2, ring = inputs
    a, b, r = level1[:, None] * one, level2[:, None] * two, ring[:, :11]
    torch.testing.assert_close(mixed(*inputs), (1.0 - r) * (a + b) + 8.0 * r * a * b)
    assert torch.autograd.gradcheck(mixed, inputs)


def test_the_crusher_rounds_towards_zero_and_lets_the_gradient_through() -> None:
    signal = torch.tensor([[0.3, -0.3, 0.9, 0.0]] * 2, dtype=torch.float64, requires_grad=True)
    knob = torch.tensor([0.3, 1.0], dtype=torch.float64, requires_grad=True)
    n_levels = np.floor(1.0 + 65535.0 * 0.3**8)
    crushed = voice.crushed(signal, knob)
    expected = np.trunc(signal[0].detach().numpy() * n_levels) / n_levels
    np.testing.assert_allclose(crushed[0].detach(), expected, atol=1e-12)
    assert torch.equal(crushed[1], signal[1])
    crushed.sum().backward()
    assert signal.grad is not None
    assert knob.grad is not None
    assert torch.equal(signal.grad, torch.ones_like(signal))
    assert float(knob.grad[1]) == 0.0


def test_weights_of_waveforms_add_up() -> None:
    quiet = {"osc3volume": 0.0, "osc2volume": 0.0, **NO_EFFECTS}
    patches = [TABLE.patch(quiet | settings(osc1waveform=name)) for name in ("saw", "pulse", "noise")]
    weights = torch.tensor([[0.5, 0.2, 0.3]], dtype=torch.float64, requires_grad=True)
    mixed = controls(patches[0])
    mixed = dataclasses.replace(mixed, choices={**mixed.choices, "osc1waveform": weights})

    def play(played: Controls) -> Tensor:
        return voice.mixer(played, played.number, modulation(played, 501), 500)

    blend = play(mixed)
    torch.testing.assert_close(blend, weights @ play(controls(*patches)))
    blend.square().sum().backward()
    assert weights.grad is not None
    assert bool((weights.grad != 0.0).all())


def test_fresh_corrections_change_nothing_and_learn() -> None:
    played = controls(random_patch(2), random_patch(3), note=NOTE, dtype=torch.float32)
    corrections = Corrections()
    plain = voice.render(played, NOTE.n_samples)
    corrected = voice.render(played, NOTE.n_samples, corrections)
    torch.testing.assert_close(corrected, plain, rtol=1e-3, atol=1e-4 * float(plain.abs().max()))
    corrected.square().sum().backward()
    for parameter_ in corrections.parameters():
        assert parameter_.grad is not None
        assert bool(parameter_.grad.isfinite().all())
        assert bool((parameter_.grad != 0.0).any())


def test_bent_curves_rise_and_keep_their_ends() -> None:
    corrections = Corrections().double()
    with torch.no_grad():
        corrections.bends.normal_(generator=torch.Generator().manual_seed(1))
    grid = torch.linspace(0.0, 1.0, 101, dtype=torch.float64)[:, None].expand(-1, len(TABLE.names))
    bent = corrections.bent(grid).detach()
    assert bool((bent.diff(dim=0) > 0.0).all())
    torch.testing.assert_close(bent[[0, 100]], grid[[0, 100]])
    assert float((bent - grid).abs().max()) > 0.05
    middle = bent[50]
    for name in ("filtercontour", "lfo1amount", "osc1finetune", "delayfeedback"):
        assert float(middle[TABLE.position(name)]) == pytest.approx(0.5)
    knobs = controls(random_patch(1)).knobs
    unread = [k for k, row in enumerate(TABLE.parameters) if row.discrete]
    corrected = corrections.apply_to(controls(random_patch(1))).knobs
    assert torch.equal(corrected[:, unread], knobs[:, unread])


def test_every_knob_that_sounds_has_a_gradient() -> None:
    """Of a patch where everything is on: what is left without one are the silent knobs and the random detune."""
    on = {row.name: 1.0 for row in TABLE.parameters if row.kind == "switch"} | {"lfo1sync": 0.0, "lfo2sync": 0.0}
    chosen = settings(
        filtertype="LP 24",
        osc1waveform="pulse",
        osc2waveform="saw",
        lfo1destination="osc1",
        lfo2destination="filter",
        freeaddestination="filter",
        envelopeeditordest1="filter",
    )
    patch = random_patch(5, **on).with_knobs(chosen | {"delaysync": 0.0, "cutoff": 0.5, "filtercontour": 0.6})
    patch = patch.with_knobs({"filterattack": 0.1, "ampattack": 0.1, "freeadattack": 0.1, "lfo1keytrigger": 1.0})
    patch = patch.with_knobs({"filtersustain": 0.7, "ampsustain": 0.5, "filterdecay": 0.1, "ampdecay": 0.3})
    patch = patch.with_knobs(settings(lfo1waveform="sine", lfo2waveform="triangle"))
    patch = patch.with_knobs({"delaytime": 0.05, "envelopeeditoramount": 0.3, "reverbpredelay": 0.05, "detune": 0.5})
    played = controls(patch, note=Note(57, 90, 0.05, 0.35))
    knobs = played.knobs.clone().requires_grad_()
    audio = voice.render(dataclasses.replace(played, knobs=knobs), round(0.35 * SAMPLE_RATE))
    audio.square().sum().backward()
    assert knobs.grad is not None
    unheard = {name for name, slope in zip(TABLE.names, knobs.grad[0], strict=True) if float(slope) == 0.0}
    silent = {row.name for row in TABLE.parameters if row.discrete or row.silent}
    assert unheard - silent <= {"detune", "delaytime", "reverbpredelay"}
