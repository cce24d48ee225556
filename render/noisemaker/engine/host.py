"""The embedded host: our own NoiseMaker, its oscillators and modulators in numpy, its filters and effects in Faust.

Everything follows ``docs/noisemaker.md``. A render is what a freshly opened plug-in plays: seed 0 starts the noise
generators where a fresh plug-in does, other seeds elsewhere; the random detune and the random LFO are drawn from it.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from render.audio import Audio
from render.errors import OutOfRange
from render.files import cache_folder
from render.instruments.host import HostInfo
from render.instruments.patch import Patch
from render.noisemaker.curves import VOLUME, cube, log8, log20
from render.noisemaker.engine import lfo, oscillators
from render.noisemaker.engine.envelopes import Adsr, adsr
from render.noisemaker.engine.modulation import Modulation, Signal, modulation
from render.note import SAMPLE_RATE, Note

if TYPE_CHECKING:
    from render.hosts.dawdreamer import FaustProgram

VERSION = "1"
ENGINE_SOURCES = ("curves.py", "envelope_editor.py", "engine/*.py", "engine/faust/*")

SOURCES = Path(__file__).parent / "faust"
FILTER_SOURCES = ("ladder.dsp",) * 7 + ("state_variable.dsp",) * 3 + ("moog.dsp", "through.dsp")
"""By filter type."""

TRANSPOSITIONS = (-12.0, 0.0, 12.0, 24.0)
SUB_SEMITONES = -24.0
DETUNE_SHARE = 0.0025  # of the note number, at most, in both directions (docs/noisemaker.md)
FM_REACH = 10.0  # multiples of oscillator 1's frequency at full amount (as above)
RING_GAIN = 8.0  # (as above)
DUTY_SHRINK = 2.5  # how fast a pulse becomes square with its frequency (as above)
CRUSHER_LEVELS, CRUSHER_POWER = 65535.0, 8.0  # (as above)
KEY_FOLLOW_CENTRE, KEY_FOLLOW_NOTES = 72, 512.0  # (as above)

PRE_ROLL_SECONDS = 0.25
"""What the golden renders' plug-in ran before the note: the choruses' sweep has moved by that much."""

DITHER = 1e-5
"""Level of the noise that every filter adds: what lets a silent filter sing (fitted to golden ``factory``)."""

SINGING_RESONANCE = 0.85
SETTLING_SAMPLES = 8000
CUTOFF_SMOOTHING = 1000.0
"""A filter with at least this resonance already sings when the note comes: it runs from the moment that the plug-in
opens, while the smoothed cutoff (time constant in samples) glides down from 1 (golden ``factory``)."""

TAIL_SAMPLES = 14000
"""How long the master high-pass rings below -120 dB at its longest, ``0.999^n``."""

MAX_DELAY_SECONDS = 4.0
DELAY_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Tempo-synced delay times at 120 bpm, 1/16 to 2/1."""

DELAY_FACTORS = (1.0, 3.0 / 2.0, 2.0 / 3.0)
"""The third and second half of the synced times against the first (``docs/noisemaker.md``)."""


class EmbeddedHost:
    """Plays patches with the embedded engine; every render starts clean.

    Args:
        cache_dir: where compiled programs are kept; the user's cache folder by default.
    """

    def __init__(self, cache_dir: Path | None = None) -> None:
        from render.hosts import dawdreamer as daw

        self._daw = daw
        self._cache_dir = cache_folder() if cache_dir is None else cache_dir
        self._programs: dict[str, FaustProgram] = {}

    @property
    def info(self) -> HostInfo:
        """What this host is."""
        return HostInfo("embedded", "embedded NoiseMaker", f"{VERSION} ({_source_hash()})")

    def close(self) -> None:
        """Let go of the compiled programs."""
        self._programs.clear()

    def render_many(self, jobs: Iterable[tuple[Patch, Note]], *, seed: int = 0, clean: bool = True) -> Iterator[Audio]:
        """``render`` for each job, in order."""
        for patch, note in jobs:
            yield self.render(patch, note, seed=seed, clean=clean)

    def render(self, patch: Patch, note: Note, *, seed: int = 0, clean: bool = True) -> Audio:
        """Play one note; see ``render.instruments.host.Host``. Every render is clean, whatever ``clean`` says."""
        if seed < 0:
            raise OutOfRange("seed", seed, "0 and above")
        rng = np.random.default_rng(seed)
        n_samples = note.n_samples
        n_gate = max(1, round(note.gate_seconds * SAMPLE_RATE))
        amp = _amplitude(patch, note, n_gate, n_samples)
        # Behind the last sample that the envelope lets through, only the high-pass rings.
        n_voice = min(n_samples, int(np.max(np.flatnonzero(amp), initial=0)) + TAIL_SAMPLES)
        moves = modulation(patch, n_voice + 1, rng)
        mix = _oscillators(patch, note, moves, n_voice, rng, oscillators.FRESH_NOISE if seed == 0 else _odd(rng))
        cutoff = _cutoff(patch, note, moves, n_gate, n_voice)
        mono = self._voice(patch, mix, cutoff, amp[:n_voice] * _upto(moves.volume, n_voice), rng)
        gain = VOLUME.setting(patch["volume"])
        audio = np.zeros((2, n_samples), np.float32)
        audio[0, :n_voice] = mono * (gain * _upto(moves.left, n_voice))
        audio[1, :n_voice] = mono * (gain * _upto(moves.right, n_voice))
        return self._effects(patch, audio)

    def _voice(
        self, patch: Patch, mix: Signal, cutoff: Signal, amp: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Drive, filter, amplitude and high-pass; shape ``(samples,)``."""
        n_before = SETTLING_SAMPLES if patch["resonance"] >= SINGING_RESONANCE else 0
        signals = np.zeros((3, n_before + len(amp)), np.float32)
        signals[0, n_before:] = mix
        signals[0] += DITHER * (1.0 - 2.0 * rng.random(signals.shape[1], np.float32))
        if n_before:
            knob = log8(patch["cutoff"])
            glide = knob + (1.0 - knob) * np.exp(np.arange(n_before) / -CUTOFF_SMOOTHING)
            signals[1, :n_before] = np.square(glide)
        signals[1, n_before:] = cutoff
        signals[2, n_before:] = amp
        kind = patch.index("filtertype")
        program = self._program(f"filter type {kind}", FILTER_SOURCES[kind], "voice.dsp", filter_type=kind)
        sliders = {name: patch[name] for name in ("resonance", "filterdrive", "highpass")}
        return program.run(signals, sliders)[0, n_before:]

    def _effects(self, patch: Patch, audio: Audio) -> Audio:
        """Delay, chorus and reverb, those that the patch uses."""
        if patch["delaywet"] > 0.0:
            samples = _delay_seconds(patch) * SAMPLE_RATE
            halves = [0.5 if patch[f"delayfactor{side}"] > 0.0 else 1.0 for side in "lr"]
            sliders = {
                "left_samples": samples * halves[0],
                "right_samples": samples * halves[1],
                "feedback": 1.0 + cube(patch["delayfeedback"]),
                **{name: patch[name] for name in ("delaywet", "delayhighshelf", "delaylowshelf")},
            }
            audio = self._program("delay", "delay.dsp").run(audio, sliders)
        if patch["chorus1enable"] > 0.0 or patch["chorus2enable"] > 0.0:
            sliders = {name: float(patch[name] > 0.0) for name in ("chorus1enable", "chorus2enable")}
            sliders["samples_before"] = PRE_ROLL_SECONDS * SAMPLE_RATE
            audio = self._program("chorus", "chorus.dsp").run(audio, sliders)
        if patch["reverbwet"] > 0.0:
            sliders = {
                "wet": log20(patch["reverbwet"]),
                "size": 1.0 - log20(1.0 - patch["reverbdecay"]),
                "predelay_samples": log20(patch["reverbpredelay"]) * SAMPLE_RATE,
                **{name: patch[name] for name in ("reverbhighcut", "reverblowcut")},
            }
            audio = self._program("reverb", "reverb.dsp").run(audio, sliders)
        return np.ascontiguousarray(audio)

    def _program(self, name: str, *files: str, filter_type: int = 0) -> FaustProgram:
        """The compiled program, made when it is first wanted."""
        if name not in self._programs:
            parts = ['import("stdfaust.lib");\n', f"TYPE = {filter_type};\n"]
            parts += [(SOURCES / file).read_text(encoding="utf-8") for file in ("common.lib", *files)]
            self._programs[name] = self._daw.FaustProgram("".join(parts), name, self._cache_dir)
        return self._programs[name]


def _odd(rng: np.random.Generator) -> int:
    """A state for a noise generator."""
    return 2 * int(rng.integers(1 << 30)) + 1


def _upto(signal: Signal, n_samples: int) -> Signal:
    return signal if isinstance(signal, float) else signal[:n_samples]


def _amplitude(patch: Patch, note: Note, n_gate: int, n_samples: int) -> NDArray[np.float64]:
    """The amp envelope with the velocity's share, shape ``(n_samples,)``."""
    knobs = Adsr(patch["ampattack"], patch["ampdecay"], patch["ampsustain"], patch["amprelease"])
    return adsr(knobs, n_gate, n_samples) * (1.0 - patch["velocityvolume"] * (1.0 - note.velocity / 127.0))


def _cutoff(patch: Patch, note: Note, moves: Modulation, n_gate: int, n_samples: int) -> Signal:
    """The cutoff control 0..1, where 1 is about Nyquist: a number, or shape ``(n_samples,)``."""
    velocity = note.velocity / 127.0
    follow = patch["keyfollow"] ** 2 * (note.number - KEY_FOLLOW_CENTRE) / KEY_FOLLOW_NOTES
    control = log8(patch["cutoff"]) + log8(patch["velocitycutoff"]) * velocity + follow
    total = control + _upto(moves.cutoff, n_samples)
    contour = cube(patch["filtercontour"]) + log8(patch["velocitycontour"]) * velocity
    if contour != 0.0:
        sustain = log20(patch["filtersustain"])
        knobs = Adsr(patch["filterattack"], patch["filterdecay"], sustain, patch["filterrelease"])
        total = total + contour * adsr(knobs, n_gate, n_samples, instant=True)
    return np.minimum(np.square(total), 1.0)


def _oscillators(
    patch: Patch, note: Note, moves: Modulation, n_samples: int, rng: np.random.Generator, noise_state: int
) -> Signal:
    """Everything before the filter: a number, or shape ``(n_samples,)``."""
    number = note.number + TRANSPOSITIONS[patch.index("transpose")] + 2.0 * patch["oscmastertune"] - 1.0
    number *= 1.0 + rng.uniform(-DETUNE_SHARE, DETUNE_SHARE) * patch["detune"] ** 2
    levels = [log20(patch[f"osc{index}volume"]) for index in (1, 2, 3)]
    sub = oscillators.phase(oscillators.increments(_hz(number + SUB_SEMITONES)), 0.0, n_samples)
    sync = sub if patch["oscsync"] > 0.0 else None
    hz1 = _hz(number + _tuning(patch, 1) + moves.pitch1)
    first: Signal = 0.0
    second: Signal = 0.0
    if levels[0] > 0.0:
        first = levels[0] * _oscillator1(patch, hz1, moves, n_samples, sync, noise_state)
    if levels[1] > 0.0:
        hz2 = _hz(number + _tuning(patch, 2) + moves.pitch2)
        second = levels[1] * _oscillator2(patch, hz1, hz2, moves, n_samples, sync, noise_state)
    ring = patch["ringmodulation"] + _upto(moves.ring, n_samples)
    mix = (1.0 - ring) * (first + second) + RING_GAIN * ring * first * second
    if patch["oscbitcrusher"] < 1.0:
        n_levels = math.floor(1.0 + CRUSHER_LEVELS * patch["oscbitcrusher"] ** CRUSHER_POWER)
        mix = np.trunc(mix * n_levels) / n_levels
    if levels[2] > 0.0:
        mix = mix + levels[2] * oscillators.pulse(sub, 0.5)
    if patch["vintagenoise"] > 0.0:
        mix = mix + patch["vintagenoise"] * oscillators.clicks(n_samples, noise_state)
    return mix


def _oscillator1(
    patch: Patch, hz: Signal, moves: Modulation, n_samples: int, sync: oscillators.Phase | None, noise_state: int
) -> NDArray[np.float64]:
    """Oscillator 1 at full level, shape ``(n_samples,)``."""
    waveform = patch.choice("osc1waveform")
    if waveform == "noise":
        return oscillators.noise(n_samples, noise_state)
    step = oscillators.increments(hz)
    phase = oscillators.phase(step, patch["osc1phase"], n_samples, sync)
    if waveform == "saw":
        return oscillators.saw(phase)
    duty = np.minimum(patch["osc1pw"] + moves.duty, 1.0)
    return oscillators.pulse(phase, 0.5 + (duty - 0.5) * (1.0 - DUTY_SHRINK * step))


def _oscillator2(
    patch: Patch,
    hz1: Signal,
    hz2: Signal,
    moves: Modulation,
    n_samples: int,
    sync: oscillators.Phase | None,
    noise_state: int,
) -> NDArray[np.float64]:
    """Oscillator 2 at full level, shape ``(n_samples,)``."""
    waveform = patch.choice("osc2waveform")
    if waveform == "noise":
        return oscillators.noise(n_samples, noise_state)
    amount = np.maximum(log20(patch["osc2fm"]) + moves.fm, 0.0)
    if np.any(amount > 0.0):
        carrier = oscillators.phase(oscillators.increments(hz1), 0.0, n_samples).cycles
        hz2 = hz2 + FM_REACH * amount * hz1 * (1.0 + np.sin(2.0 * np.pi * carrier))
    step = oscillators.increments(hz2)
    if waveform == "sine":  # which nothing synchronises
        return oscillators.sine(oscillators.phase(step, patch["osc2phase"], n_samples))
    phase = oscillators.phase(step, patch["osc2phase"], n_samples, sync, keep_half=waveform == "triangle")
    if waveform == "saw":
        return oscillators.saw(phase)
    return oscillators.pulse(phase, 0.5) if waveform == "pulse" else oscillators.triangle(phase)


def _tuning(patch: Patch, index: int) -> float:
    """Semitones of an oscillator against the note."""
    coarse = math.trunc(48.0 * patch[f"osc{index}tune"] - 24.0)
    return coarse + 2.0 * patch[f"osc{index}finetune"] - 1.0


def _hz(number: Signal) -> Signal:
    """Frequency of a note number, equal temperament, A4 = 440 Hz."""
    return 440.0 * 2.0 ** ((number - 69.0) / 12.0)


def _delay_seconds(patch: Patch) -> float:
    if patch["delaysync"] == 0.0:
        return MAX_DELAY_SECONDS * (0.01 + 0.99 * log20(patch["delaytime"]))
    division = lfo.division(patch["delaytime"])
    return min(DELAY_SECONDS[division % 6] * DELAY_FACTORS[division // 6], MAX_DELAY_SECONDS)


@functools.cache
def _source_hash() -> str:
    """Of all that makes the engine's sound: kept renders of another one must not pass for its own."""
    package = Path(__file__).parents[1]
    files = sorted(file for pattern in ENGINE_SOURCES for file in package.glob(pattern))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
