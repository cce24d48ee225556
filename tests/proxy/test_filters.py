"""The filters against finite differences, and against the embedded engine's programs as an independent reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from proxy.synth.filters import N_TYPES, filtered, highpass
from render.errors import InvalidAudio, OutOfRange
from render.noisemaker.engine.host import EmbeddedHost
from render.noisemaker.facts import DITHER, FILTERS
from render.note import SAMPLE_RATE

N_SHORT = 70
N_LONG = 11025


def knobs(*values: float, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.tensor(values, dtype=dtype)


def types(*kinds: int) -> Tensor:
    return torch.tensor(kinds)


def saw(hz: float, n_samples: int) -> Tensor:
    return 0.5 * (torch.arange(n_samples) * hz / SAMPLE_RATE % 1.0 - 0.5)


def sweep(start: float, n_samples: int) -> Tensor:
    """A control that falls to a fifth."""
    return start * torch.linspace(1.0, 0.2, n_samples)


def short_inputs(dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    """Signal, control, resonance, drive, tuning and gain of two items."""
    generator = torch.Generator().manual_seed(1)
    signal = torch.rand(2, N_SHORT, dtype=dtype, generator=generator) - 0.5
    control = 0.02 + 0.8 * torch.rand(2, N_SHORT, dtype=dtype, generator=generator)
    others = ((0.3, 0.7), (0.1, 0.5), (1.0, 0.9), (1.0, 1.2))
    inputs = (signal, control, *(knobs(*values, dtype=dtype) for values in others))
    return tuple(value.requires_grad_() for value in inputs)


@pytest.mark.parametrize("kind", range(N_TYPES))
def test_the_gradients_are_those_of_finite_differences(kind: int) -> None:
    def run(signal: Tensor, control: Tensor, *others: Tensor) -> Tensor:
        resonance, drive, scale, gain = others
        return filtered(signal, control, resonance, drive, types(kind, kind), cutoff_scale=scale, gain=gain)

    assert torch.autograd.gradcheck(run, short_inputs(), atol=1e-6, rtol=1e-4, fast_mode=True)


def test_the_high_pass_has_the_gradients_of_finite_differences() -> None:
    inputs = short_inputs()
    assert torch.autograd.gradcheck(highpass, (inputs[0], inputs[2]))


@pytest.mark.parametrize("kind", range(N_TYPES))
def test_gradients_are_finite_at_both_ends_of_every_knob(kind: int) -> None:
    ends = [(c, r, d) for c in (0.0, 1.0) for r in (0.0, 1.0) for d in (0.0, 1.0)]
    levels, resonance, drive = (knobs(*column).requires_grad_() for column in zip(*ends, strict=True))
    signal = saw(110.0, 4000).repeat(8, 1).requires_grad_()
    control = levels[:, None].expand(8, 4000)
    result = highpass(filtered(signal, control, resonance, drive, types(*[kind] * 8)), resonance)
    result.square().mean().backward()
    assert torch.isfinite(result).all()
    for value in (signal, levels, resonance, drive):
        assert value.grad is not None
        assert torch.isfinite(value.grad).all()


@pytest.fixture(scope="module")
def host() -> EmbeddedHost:
    return EmbeddedHost()


def reference(host: EmbeddedHost, kind: int, signal: Tensor, control: Tensor, **sliders: float) -> np.ndarray:
    """Drive, filter and high-pass by the engine, shape ``(samples,)``."""
    row = FILTERS[kind]
    program = host._program(f"filter {row.label}")
    signals = np.stack([signal.numpy(), control.numpy(), np.ones(len(signal), np.float32)]).astype(np.float32)
    return program.run(signals, sliders)[0]


@pytest.mark.parametrize("kind", range(N_TYPES))
def test_it_is_the_engine_sample_by_sample(kind: int, host: EmbeddedHost) -> None:
    settings = [(r, c, d) for r in (0.0, 0.6, 0.9) for c in (0.03, 0.3, 1.0) for d in (0.0, 0.7)]
    resonance, levels, drive = (knobs(*column) for column in zip(*settings, strict=True))
    signal = saw(110.0, N_LONG).repeat(len(settings), 1)
    control = torch.stack([sweep(float(level), N_LONG) for level in levels])
    high = torch.full_like(drive, 0.3)
    ours = highpass(filtered(signal, control, resonance, drive, types(*[kind] * len(settings))), high).numpy()
    for row, (r, _, d) in enumerate(settings):
        theirs = reference(host, kind, signal[row], control[row], resonance=r, filterdrive=d, highpass=0.3)
        error_db = 10.0 * np.log10(np.mean((ours[row] - theirs) ** 2) / np.mean(theirs**2))
        assert error_db < -70.0, settings[row]


@pytest.mark.parametrize("kind", [0, 3, 4, 8, 10])
def test_a_silent_filter_sings_as_the_engines(kind: int, host: EmbeddedHost) -> None:
    n_samples = 22050
    noise = torch.from_numpy(DITHER * (1.0 - 2.0 * np.random.default_rng(0).random(n_samples))).float()
    control = torch.full((n_samples,), 0.15)
    ours = highpass(filtered(noise[None], control[None], knobs(1.0), knobs(0.0), types(kind)), knobs(0.0))[0]
    theirs = reference(host, kind, noise, control, resonance=1.0, filterdrive=0.0, highpass=0.0)
    late = slice(n_samples // 2, None)
    spectra = [np.abs(np.fft.rfft(np.hanning(n_samples // 2) * sound[late])) for sound in (ours.numpy(), theirs)]
    assert np.abs(ours.numpy()[late]).max() > 100.0 * DITHER
    assert np.argmax(spectra[0]) == np.argmax(spectra[1])
    assert abs(20.0 * np.log10(spectra[0].max() / spectra[1].max())) < 0.1


@pytest.mark.parametrize("kind", [0, 5, 7, 10])
def test_the_gradient_of_a_singing_filter_stays_sane(kind: int) -> None:
    noise = torch.from_numpy(DITHER * (1.0 - 2.0 * np.random.default_rng(0).random(44100))).float()
    level, resonance = knobs(0.1).requires_grad_(), knobs(1.0).requires_grad_()
    result = filtered(noise[None], level[:, None].expand(1, 44100), resonance, knobs(0.0), types(kind))
    window = torch.hann_window(1024)
    spectra = torch.stft(result, 1024, 512, window=window, return_complex=True).abs()
    (spectra.clamp(min=0.05).log().mean()).backward()
    assert level.grad is not None
    assert resonance.grad is not None
    assert 0.0 < float(level.grad.abs()) < 200.0
    assert float(resonance.grad.abs()) < 200.0


def test_a_batch_gives_what_its_items_give_alone() -> None:
    kinds = [*range(N_TYPES), 0, 2, 2, 7, 4, 3]
    generator = torch.Generator().manual_seed(2)
    n_items = len(kinds)
    signal = torch.rand(n_items, 500, generator=generator) - 0.5
    control, weights = torch.rand(2, n_items, 500, generator=generator)
    resonance, drive, high = torch.rand(3, n_items, generator=generator)

    def run(items: slice) -> list[Tensor]:
        inputs = [value[items].clone().requires_grad_() for value in (signal, control, resonance, drive, high)]
        result = highpass(filtered(*inputs[:4], types(*kinds[items])), inputs[4])
        (result * weights[items]).sum().backward()
        return [result.detach(), *(value.grad for value in inputs if value.grad is not None)]

    together = run(slice(None))
    assert len(together) == 6
    for item in range(n_items):
        for whole, alone in zip(together, run(slice(item, item + 1)), strict=True):
            assert torch.equal(whole[item], alone[0])


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    signal, control = saw(110.0, 500).repeat(3, 1), sweep(0.5, 500).repeat(3, 1)

    def run() -> Tensor:
        return filtered(signal, control, knobs(0.2, 0.5, 0.9), knobs(0.0, 0.1, 1.0), types(0, 7, 10))

    alone = run()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert torch.equal(run(), alone)


def test_tuning_and_gain_correct_control_and_level() -> None:
    signal, control = saw(110.0, 500)[None], sweep(0.5, 500)[None]
    resonance, drive, kind = knobs(0.5), knobs(0.0), types(1)
    wanted = 2.0 * filtered(signal, 0.8 * control, resonance, drive, kind)
    corrected = filtered(signal, control, resonance, drive, kind, cutoff_scale=knobs(0.8), gain=knobs(2.0))
    torch.testing.assert_close(corrected, wanted)


def test_single_and_double_precision_agree() -> None:
    doubles = [value.detach() for value in short_inputs()]
    for kind in range(N_TYPES):
        both = [filtered(*(value.to(dtype) for value in doubles[:4]), types(kind, kind)) for dtype in
                (torch.float32, torch.float64)]  # fmt: skip
        assert both[0].dtype == torch.float32
        torch.testing.assert_close(both[0].double(), both[1], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("signal", torch.zeros(10)),
        ("signal", torch.zeros(2, 0)),
        ("signal", torch.zeros(2, 10, dtype=torch.int64)),
        ("cutoff", torch.zeros(2, 9)),
        ("resonance", torch.zeros(3)),
        ("drive_knob", torch.zeros(2, 1)),
        ("filter_type", torch.zeros(1, dtype=torch.int64)),
        ("gain", torch.zeros(1)),
    ],
)
def test_a_wrong_shape_is_named(name: str, value: Tensor) -> None:
    inputs = {"signal": torch.zeros(2, 10), "cutoff": torch.zeros(2, 10), "resonance": torch.zeros(2)}
    inputs |= {"drive_knob": torch.zeros(2), "filter_type": torch.zeros(2, dtype=torch.int64)}
    with pytest.raises(InvalidAudio, match=name):
        filtered(**(inputs | {name: value}))


@pytest.mark.parametrize("kind", [-1, 12])
def test_an_unknown_filter_type_is_named(kind: int) -> None:
    with pytest.raises(OutOfRange, match="filter type"):
        filtered(torch.zeros(1, 10), torch.zeros(1, 10), knobs(0.0), knobs(0.0), types(kind))


def test_the_high_pass_names_a_wrong_shape() -> None:
    with pytest.raises(InvalidAudio, match="knob"):
        highpass(torch.zeros(2, 10), torch.zeros(3))
    with pytest.raises(InvalidAudio, match="signal"):
        highpass(torch.zeros(10), torch.zeros(1))
