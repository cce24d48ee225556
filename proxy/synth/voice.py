"""The synthesizer, read like its panel: knobs and notes to audio, differentiable in every continuous knob.

The formulas are those of ``docs/noisemaker.md``, as in ``render.noisemaker.engine.host``, with the same figures
(``render.noisemaker.facts``). What the instrument draws at random is fixed by a seed: for seed 0 noise is that of a
freshly opened plug-in. The random detune is 0, so that its knob has no gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from proxy.kernels.oscillators import NOISE, PULSE, SAW
from proxy.synth import oscillators
from proxy.synth.controls import Controls
from proxy.synth.corrections import Corrections
from proxy.synth.effects import effects
from proxy.synth.envelopes import Adsr, adsr
from proxy.synth.filters import filtered, highpass
from proxy.synth.mixer import mixed
from proxy.synth.modulation import Modulation, modulation, weighted
from render.noisemaker import facts
from render.noisemaker.curves import contour_amount, log8, log20, still_cutoff, velocity_gain, volume_gain
from render.noisemaker.engine.noise import clicks
from render.noisemaker.facts import MAX_VELOCITY, SETTLING_SAMPLES
from render.noisemaker.table import FILTER_TYPES
from render.note import SAMPLE_RATE


def render(controls: Controls, n_samples: int, corrections: Corrections | None = None, seed: int = 0) -> Tensor:
    """Play a batch of patches.

    Args:
        controls: patches and notes; the voices of a chord are summed before the effects.
        n_samples: length at ``SAMPLE_RATE``.
        corrections: what was learned from renders; none for the formulas as they are.
        seed: seed of the noise and of the LFOs' random waveforms, which all items have in common.

    Returns:
        Left and right, shape ``(batch, 2, n_samples)``.

    Example:
        >>> from render.noisemaker.table import TABLE
        >>> from render.note import Note
        >>> controls = Controls.from_patches([TABLE.default, TABLE.patch({"cutoff": 0.3})], [Note(60), Note(48)])
        >>> controls.knobs.requires_grad_()[:, 0].shape
        torch.Size([2])
        >>> audio = render(controls, n_samples=4410)
        >>> audio.square().mean().backward()
        >>> audio.shape, bool(controls.knobs.grad.isfinite().all())
        (torch.Size([2, 2, 4410]), True)
    """
    if corrections is not None:
        controls = corrections.apply_to(controls)
    return effects(dry(controls, n_samples, seed), controls)


def dry(controls: Controls, n_samples: int, seed: int = 0) -> Tensor:
    """Everything before the effects, ``(batch, 2, n_samples)``."""
    moves = modulation(controls, n_samples + 1, seed)
    sound = voices(controls, moves, n_samples, seed)
    mono = highpass(sound * amplitude(controls, moves, n_samples), controls.knob("highpass"))
    sides = torch.stack([moves.left, moves.right], dim=1)[:, :, :n_samples]
    volume = volume_gain(controls.knob("volume"))[:, None, None]
    return mono[:, None] * (volume * sides)


def voices(controls: Controls, moves: Modulation, n_samples: int, seed: int = 0) -> Tensor:
    """The sum of the voices after their filters, ``(batch, n_samples)``; they have their envelopes in common."""

    def voice(number: Tensor) -> Tensor:
        mix = mixer(controls, number, moves, n_samples, seed)
        return voice_filter(controls, mix, cutoff(controls, number, moves, n_samples))

    first, *others = controls.voices
    total = voice(first)
    for number in others:
        missing = number.isnan()
        sound = voice(torch.where(missing, first, number))
        total = total + torch.where(missing[:, None], 0.0, sound)
    return total


def mixer(controls: Controls, number: Tensor, moves: Modulation, n_samples: int, seed: int = 0) -> Tensor:
    """Everything of a voice before its filter.

    Shape:
        number: ``(batch,)``, MIDI note numbers.
        output: ``(batch, n_samples)``
    """
    transpose = controls.knobs.new_tensor(facts.TRANSPOSITIONS)[controls.choice("transpose")]
    # Pitches are float64 whatever the knobs are: oscillators that run in step stay in step, which hard sync needs.
    pitch = (number + transpose + 2.0 * controls.knob("oscmastertune").double() - 1.0)[:, None]
    sub_increments = oscillators.phase_increments(pitch + facts.SUB_SEMITONES)
    sync = sub_increments[:, 0] * (controls.choice("oscsync") == 1)
    increments1 = oscillators.phase_increments(pitch + tuning(controls, 1), moves.pitch1)
    increments2 = oscillators.phase_increments(pitch + tuning(controls, 2), moves.pitch2)
    noise_state = oscillators.noise_state(seed)
    first = oscillator1(controls, moves, increments1, sync, n_samples, noise_state)
    second = oscillator2(controls, moves, increments1, increments2, sync, n_samples, noise_state)
    ring = controls.knob("ringmodulation")[:, None] + moves.ring
    mix = mixed(first, second, level(controls, 1), level(controls, 2), ring)
    mix = crushed(mix, controls.knob("oscbitcrusher"))
    sub_level = (facts.SUB_POLARITY * log20(controls.knob("osc3volume")) * controls.factor("sub gain"))[:, None]
    mix = torch.addcmul(mix, sub_level, sub_oscillator(controls, sub_increments, n_samples))
    vintage = torch.from_numpy(clicks(n_samples, noise_state)).to(mix)
    return torch.addcmul(mix, (controls.knob("vintagenoise") * controls.factor("click gain"))[:, None], vintage)


def oscillator1(
    controls: Controls, moves: Modulation, increments: Tensor, sync: Tensor, n_samples: int, noise_state: int
) -> Tensor:
    """Oscillator 1 at full level, ``(batch, n_samples)``."""
    width = (controls.knob("osc1pw")[:, None] + moves.duty).clamp(max=1.0)
    start = controls.knob("osc1phase")
    waveforms = torch.tensor([SAW, PULSE, NOISE], device=increments.device)
    return weighted(
        controls.weights("osc1waveform"),
        lambda items, choice: oscillators.wave(
            waveforms[choice], increments[items], start[items], width[items], sync[items], n_samples, noise_state
        ),
    )


def oscillator2(
    controls: Controls,
    moves: Modulation,
    increments1: Tensor,
    increments2: Tensor,
    sync: Tensor,
    n_samples: int,
    noise_state: int,
) -> Tensor:
    """Oscillator 2 at full level, ``(batch, n_samples)``."""
    amount = (log20(controls.knob("osc2fm"))[:, None] + moves.fm).clamp(min=0.0)
    increments = oscillators.fm(increments1, increments2, amount, facts.FM_REACH, n_samples)
    start = controls.knob("osc2phase")
    square = torch.full_like(start, 0.5)[:, None]
    return weighted(
        controls.weights("osc2waveform"),
        lambda items, choice: oscillators.wave(
            choice, increments[items], start[items], square[items], sync[items], n_samples, noise_state
        ),
    )


def sub_oscillator(controls: Controls, increments: Tensor, n_samples: int) -> Tensor:
    """The square two octaves down at full level, ``(batch, n_samples)``."""
    zero = torch.zeros_like(controls.knob("osc3volume"))
    pulse = torch.full_like(zero, PULSE, dtype=torch.int64)
    return oscillators.wave(pulse, increments, zero, torch.full_like(increments, 0.5), zero, n_samples)


def crushed(signal: Tensor, knob: Tensor) -> Tensor:
    """The bit crusher, which is off at knob 1: rounding towards 0, straight through for the gradient.

    The error of the rounding shrinks with the number of levels: that is the knob's gradient.

    Shape:
        signal: ``(batch, samples)``
        knob: ``(batch,)``
        output: ``(batch, samples)``
    """
    if bool((knob == 1.0).all()):
        return signal
    smooth = 1.0 + facts.CRUSHER_LEVELS * knob**facts.CRUSHER_POWER
    levels = (smooth + (smooth.floor() - smooth).detach())[:, None]
    dropped = (signal * levels).detach().frac()
    return signal - torch.where((knob < 1.0)[:, None], dropped / levels, 0.0)


def level(controls: Controls, index: int) -> Tensor:
    """Gain of a main oscillator, ``(batch,)``."""
    noise = controls.weight(f"osc{index}waveform", "noise") * (controls.factor("noise gain") - 1.0)
    return log20(controls.knob(f"osc{index}volume")) * controls.factor(f"osc{index} gain") * (1.0 + noise)


def tuning(controls: Controls, index: int) -> Tensor:
    """Semitones of an oscillator against the note, ``(batch, 1)``."""
    coarse = controls.choice(f"osc{index}tune") - facts.TUNE_SEMITONES
    return (coarse + 2.0 * controls.knob(f"osc{index}finetune").double() - 1.0)[:, None]


def cutoff(controls: Controls, number: Tensor, moves: Modulation, n_samples: int) -> Tensor:
    """The cutoff control 0..1 of a voice, where 1 is about Nyquist.

    Shape:
        number: ``(batch,)``, MIDI note numbers.
        output: ``(batch, n_samples)``
    """
    velocity = controls.velocity / MAX_VELOCITY
    knobs = (controls.knob(name) for name in ("cutoff", "velocitycutoff", "keyfollow"))
    still = still_cutoff(*knobs, number, velocity)
    contour = contour_amount(controls.knob("filtercontour"), controls.knob("velocitycontour"), velocity)
    stages = Adsr(
        controls.knob("filterattack"),
        controls.knob("filterdecay"),
        log20(controls.knob("filtersustain")),
        controls.knob("filterrelease"),
    )
    envelope = adsr(stages, gate_samples(controls), n_samples, instant=True)
    total = torch.addcmul(still[:, None] + moves.cutoff[:, :n_samples], contour[:, None], envelope)
    return total.square().clamp(max=1.0)


def voice_filter(controls: Controls, mix: Tensor, control: Tensor) -> Tensor:
    """Drive and filter, ``(batch, n_samples)``.

    A filter that may oscillate by itself runs for ``facts.SETTLING_SAMPLES`` before the note, so that it already does.
    """
    resonance, n_samples = controls.knob("resonance"), mix.shape[1]
    sings = resonance >= facts.SINGING_RESONANCE
    n_before = SETTLING_SAMPLES if bool(sings.any()) else 0
    dither = facts.DITHER * torch.from_numpy(oscillators.dither(SETTLING_SAMPLES + n_samples)).to(mix)
    signal = mix + dither[SETTLING_SAMPLES:]
    if n_before:
        knob = log8(controls.knob("cutoff"))[:, None]
        fade = torch.exp(torch.arange(n_before, dtype=mix.dtype, device=mix.device) / -facts.CUTOFF_SMOOTHING)
        control = torch.cat([(knob + (1.0 - knob) * fade).square(), control], dim=1)
        signal = torch.cat([sings[:, None] * dither[:SETTLING_SAMPLES], signal], dim=1)
    sound = filtered(
        signal,
        control,
        resonance,
        controls.knob("filterdrive"),
        controls.choice("filtertype"),
        cutoff_scale=by_type(controls, "cutoff"),
        gain=by_type(controls, "gain"),
    )
    return sound[:, n_before:]


def amplitude(controls: Controls, moves: Modulation, n_samples: int) -> Tensor:
    """The amp envelope with the velocity's and the envelope editor's share, ``(batch, n_samples)``."""
    stages = Adsr(*(controls.knob(f"amp{stage}") for stage in ("attack", "decay", "sustain", "release")))
    share = velocity_gain(controls.knob("velocityvolume"), controls.velocity / MAX_VELOCITY)
    return share[:, None] * moves.volume[:, :n_samples] * adsr(stages, gate_samples(controls), n_samples)


def gate_samples(controls: Controls) -> Tensor:
    """How long each key is held, in samples, ``(batch,)``."""
    return (controls.gate_seconds.double() * SAMPLE_RATE).round().long().clamp(min=1)


def by_type(controls: Controls, name: str) -> Tensor | None:
    """A learned factor of each item's filter type, ``(batch,)``."""
    if not controls.factors:
        return None
    factors = torch.stack([torch.as_tensor(controls.factor(f"{name} of {kind}")) for kind in FILTER_TYPES])
    return factors[controls.choice("filtertype")]
