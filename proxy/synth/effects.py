"""The master effects in the panel's order: delay, choruses, reverb, each only for the items that use it.

The structures are those of the engine's ``delay.dsp``, ``chorus.dsp`` and ``reverb.dsp``
(``render/noisemaker/engine/faust``). The gradient of the reverb's decay comes through the feedback of its combs, not
through their lengths, which move with it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor

from proxy.kernels.effects import Rows, cascaded_sections, feedback_delay, modulated_delay_line, reverb_network
from proxy.synth.controls import Controls
from render.noisemaker import facts
from render.noisemaker.curves import delay_feedback, delay_seconds, log20, reverb_size
from render.note import SAMPLE_RATE

CHORUS_FILTERS = (
    *(1.0 - facts.CHORUS_LOW_PASS, 0.0, -facts.CHORUS_LOW_PASS),
    *(1.0, -1.0, -facts.CHORUS_DC_BLOCK),
)
"""Low-pass and DC blocker as ``cascaded_sections`` takes them."""

OPEN_POLE = 0.999
"""Factor on the poles of the reverb's low-pass: when it is open they would lie at half the sample rate."""


def effects(audio: Tensor, controls: Controls) -> Tensor:
    """Delay, then choruses, then reverb.

    Shape:
        audio: ``(batch, 2, samples)``
        output: as ``audio``
    """
    audio = _where(controls.knob("delaywet") > 0.0, audio, functools.partial(_delay, controls))
    on = torch.stack([controls.weights(f"chorus{number}enable")[:, 1] for number in (1, 2)], 1).to(audio)
    audio = _where((on > 0.0).any(1), audio, functools.partial(_chorus, controls.factor("chorus gain") * on))
    return _where(controls.knob("reverbwet") > 0.0, audio, functools.partial(_reverb, controls))


def _where(used: Tensor, audio: Tensor, effect: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """``effect(items, audio of these items)`` for the items that use it; the audio of the others is unchanged."""
    items = used.nonzero().squeeze(1)
    if len(items) == 0:
        return audio
    if len(items) == len(audio):
        return effect(items, audio)
    return audio.index_copy(0, items, effect(items, audio[items]))


def _delay(controls: Controls, items: Tensor, audio: Tensor) -> Tensor:
    """The delay's dry and wet sound.

    Args:
        controls: the whole batch.
        items: indices of the items that use the delay.
        audio: the sound of these items.

    Shape:
        items: ``(k,)``
        audio: ``(k, 2, samples)``
        output: as ``audio``
    """
    halves = [1.0 - 0.5 * controls.choice(f"delayfactor{side}")[items].to(audio) for side in "lr"]
    samples = _delay_seconds(controls)[items, None] * SAMPLE_RATE * torch.stack(halves, 1)
    whole = samples.detach().floor()
    frequency = facts.DELAY_TONE * controls.factor("delay tone") * log20(1.0 - controls.knob("delayhighshelf")[items])
    shape = (facts.POLE_CUBIC * frequency + facts.POLE_SQUARE) * frequency + facts.POLE_LINEAR
    low_pass = 1.0 - torch.exp(-math.pi * frequency * (shape * frequency + facts.POLE_CONSTANT))
    cut = facts.DELAY_LOW_CUT + (1.0 - facts.DELAY_LOW_CUT) * controls.knob("delaylowshelf")[items]
    low_cut = facts.HIGHPASS_POLE - facts.HIGHPASS_SPAN * cut
    feedback = delay_feedback(controls.knob("delayfeedback")[items])
    both = [repeat(one, "k -> (k 2)") for one in (feedback, low_pass, low_cut)]
    fraction = rearrange(1.0 - (samples - whole), "k side -> (k side)")
    coefficients = torch.stack([*both, fraction], 1)
    flat = rearrange(audio, "k side n -> (k side) n")
    line = feedback_delay(flat, coefficients, rearrange(whole.long(), "k side -> (k side)"))
    wet = (controls.factor("delay gain") * controls.knob("delaywet")[items])[:, None, None]
    return audio + wet * rearrange(line, "(k side) n -> k side n", side=2)


def _delay_seconds(controls: Controls) -> Tensor:
    """Time of the delay, shape ``(batch,)``; a tempo-synced one has no gradient."""
    knob = controls.knob("delaytime")
    times = [min(s * factor, facts.MAX_DELAY_SECONDS) for factor in facts.DELAY_FACTORS for s in facts.DELAY_SECONDS]
    synced = torch.tensor(times).to(knob)[(facts.LAST_DIVISION * knob.detach()).long()]
    return torch.where(controls.choice("delaysync") == 1, synced, delay_seconds(knob))


def _chorus(on: Tensor, items: Tensor, audio: Tensor) -> Tensor:
    """The choruses' dry and wet sound.

    Args:
        on: weight of each chorus, for the whole batch.
        items: indices of the items that use one.
        audio: the sound of these items.

    Shape:
        on: ``(batch, 2)``
        items: ``(k,)``
        audio: ``(k, 2, samples)``
        output: as ``audio``
    """
    n_samples = audio.shape[-1]
    wet = torch.zeros_like(audio)
    for number in range(2):
        gain = on[items, number]
        used = (gain > 0.0).nonzero().squeeze(1)
        if len(used) > 0:
            flat = rearrange(audio[used], "k side n -> (k side) n")
            delayed = modulated_delay_line(flat, *_chorus_delay(number, n_samples))
            delayed = rearrange(delayed, "(k side) n -> k side n", side=2) * gain[used, None, None]
            wet = wet.index_add(0, used, delayed)
    filters = torch.tensor(CHORUS_FILTERS).to(audio).expand(2 * len(audio), -1)
    wet = cascaded_sections(rearrange(wet, "k side n -> (k side) n"), filters)
    return audio + facts.CHORUS_GAIN * rearrange(wet, "(k side) n -> k side n", side=2)


@functools.lru_cache(maxsize=8)
def _chorus_delay(number: int, n_samples: int) -> tuple[Rows, Rows]:
    """Delay of a chorus's two lines: whole samples and all-pass coefficients, both of shape ``(2, n_samples)``."""
    cycles = (facts.PRE_ROLL_SECONDS * SAMPLE_RATE + np.arange(n_samples)) * facts.CHORUS_HZ[number] / SAMPLE_RATE
    triangle = 4.0 * np.abs(cycles - np.floor(cycles) - 0.5) - 1.0
    motion = np.stack([triangle, -triangle]) * (1.0, -1.0)[number]
    samples = facts.CHORUS_SECONDS * SAMPLE_RATE * (facts.CHORUS_MIDDLE + facts.CHORUS_SWING * motion)
    whole = np.floor(samples)
    return whole.astype(np.int64), 1.0 - (samples - whole)


def _reverb(controls: Controls, items: Tensor, audio: Tensor) -> Tensor:
    """The reverb's dry and wet sound.

    Args:
        controls: the whole batch.
        items: indices of the items that use the reverb.
        audio: the sound of these items.

    Shape:
        items: ``(k,)``
        audio: ``(k, 2, samples)``
        output: as ``audio``
    """
    size = reverb_size(controls.knob("reverbdecay")[items])
    predelay = log20(controls.knob("reverbpredelay")[items]) * SAMPLE_RATE
    mono = _predelayed(facts.REVERB_INPUT * (audio[:, 0] + audio[:, 1]), predelay)
    toned = _low(mono, controls.knob("reverblowcut")[items])
    toned = toned - _low(toned, controls.knob("reverbhighcut")[items])
    combs, extra = (torch.tensor(lengths).to(size) for lengths in (facts.REVERB_COMBS, facts.REVERB_COMB_EXTRA))
    lengths = size.detach()[:, None, None] * combs + extra
    sides = reverb_network(toned, facts.REVERB_FEEDBACK * size, lengths)
    wet = controls.factor("reverb gain") * log20(controls.knob("reverbwet")[items])
    return audio + wet[:, None, None] * sides


def _predelayed(mono: Tensor, samples: Tensor) -> Tensor:
    """The signal after its pre-delay of whole samples, with the gradient that the fraction of a sample would have.

    Shape:
        mono: ``(k, n)``
        samples: ``(k,)``
        output: as ``mono``
    """
    whole = samples.detach().floor()
    at = torch.arange(mono.shape[1], device=mono.device) - whole.long()[:, None]
    now, before = (torch.where(at >= more, mono.gather(1, (at - more).clamp(min=0)), 0.0) for more in (0, 1))
    return now + (samples - samples.detach())[:, None] * (before - now).detach()


def _low(mono: Tensor, knob: Tensor) -> Tensor:
    """The reverb's low-pass: two equal poles, open at 1, silent at 0.

    Shape:
        mono: ``(k, n)``
        knob: ``(k,)``
        output: as ``mono``
    """
    frequency = log20(knob) ** 2
    pole = facts.REVERB_TONE * frequency - facts.REVERB_TONE_SQUARE * frequency**2 - 1.0
    gain = 0.5 * (pole + 1.0)
    section = torch.stack([gain, gain, OPEN_POLE * pole], 1)
    return cascaded_sections(mono, repeat(section, "k three -> k (two three)", two=2))
