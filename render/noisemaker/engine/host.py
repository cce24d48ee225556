"""The embedded host: our own NoiseMaker, its oscillators and modulators in numpy, its filters and effects in Faust.

The formulas are those of ``docs/noisemaker.md``, the figures those of ``render.noisemaker.facts``. A render is what a
freshly opened plug-in plays: seed 0 starts the noise generators where a fresh plug-in does, other seeds start them
elsewhere; the random detune and the random LFO waveforms are drawn with the seed. The voices of a chord have their
modulation in common, as all of them begin together, and are summed before the volume and the effects.
"""

from __future__ import annotations

import functools
import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from render.audio import Audio
from render.errors import OutOfRange
from render.files import cache_folder
from render.instruments.host import HostInfo
from render.instruments.patch import Patch
from render.noisemaker import facts
from render.noisemaker.curves import (
    contour_amount,
    delay_feedback,
    delay_seconds,
    frequency_hz,
    log8,
    log20,
    reverb_size,
    still_cutoff,
    velocity_gain,
    volume_gain,
)
from render.noisemaker.engine import lfo, noise, oscillators
from render.noisemaker.engine.envelopes import Adsr, adsr
from render.noisemaker.engine.faust_header import header
from render.noisemaker.engine.modulation import Modulation, Signal, modulation
from render.noisemaker.facts import MAX_VELOCITY
from render.noisemaker.pitches import sounding_keys
from render.note import SAMPLE_RATE, Note

if TYPE_CHECKING:
    from render.hosts.dawdreamer import FaustProgram

VERSION = "1"
ENGINE_SOURCES = ("facts.py", "routes.py", "curves.py", "envelope_editor.py", "engine/*.py", "engine/faust/*")
"""What the engine is made of, below ``render/noisemaker``; a hash of it is part of the version."""


SOURCES = Path(__file__).parent / "faust"
_EFFECTS = ("delay", "chorus", "reverb")
_FILTERS = {f"filter {kind.label}": kind for kind in facts.FILTERS}
TAIL_SAMPLES = 14000
"""How long the master high-pass rings below -120 dB at its longest, ``0.999^n``."""


class EmbeddedHost:
    """Plays patches with the embedded engine; every render starts clean.

    Args:
        cache_dir: folder of compiled programs; the user's cache folder by default.
    """

    def __init__(self, cache_dir: Path | None = None) -> None:
        from render.hosts import dawdreamer as daw

        self._daw = daw
        self._cache_dir = cache_folder() if cache_dir is None else cache_dir
        self._programs: dict[str, FaustProgram] = {}

    @property
    def info(self) -> HostInfo:
        """Name and version of this host."""
        return HostInfo("embedded", "embedded NoiseMaker", f"{VERSION} ({_source_hash()})")

    def close(self) -> None:
        """Release the compiled programs."""
        self._programs.clear()

    def not_compiled(self) -> tuple[str, ...]:
        """Names of the programs that must still be compiled; none where they cannot be kept."""
        if not self._daw.can_keep(self._cache_dir):
            return ()
        names = (*_FILTERS, *_EFFECTS)
        return tuple(name for name in names if not self._daw.is_kept(_source(name), self._cache_dir))

    def compile(self, part: str) -> None:
        """Compile a program and keep it on disk; raises ``HostError``."""
        self._program(part)

    def render(self, patch: Patch, note: Note, *, seed: int = 0, clean: bool = True) -> Audio:
        """Play a note or a chord; see ``render.instruments.host.Host``. Every render is clean."""
        if seed < 0:
            raise OutOfRange("seed", seed, "0 and above")
        rng = np.random.default_rng(seed)
        n_samples = note.n_samples
        n_gate = max(1, round(note.gate_seconds * SAMPLE_RATE))
        amp = _amplitude(patch, note, n_gate, n_samples)
        # After the last sample that the envelope lets through, only the high-pass rings.
        n_voice = min(n_samples, int(np.max(np.flatnonzero(amp), initial=0)) + TAIL_SAMPLES)
        moves = modulation(patch, n_voice + 1, rng)
        amp = amp[:n_voice] * _upto(moves.volume, n_voice)
        noise_state = facts.FRESH_NOISE if seed == 0 else _odd(rng)

        def voice(key: int) -> NDArray[np.float32]:
            mix = _oscillators(patch, key, moves, n_voice, rng, noise_state)
            return self._voice(patch, mix, _cutoff(patch, note, key, moves, n_gate, n_voice), amp, rng)

        mono = functools.reduce(np.add, map(voice, sounding_keys(patch, note)))
        gain = volume_gain(patch["volume"])
        audio = np.zeros((2, n_samples), np.float32)
        audio[0, :n_voice] = mono * (gain * _upto(moves.left, n_voice))
        audio[1, :n_voice] = mono * (gain * _upto(moves.right, n_voice))
        return self._effects(patch, audio)

    def _voice(
        self, patch: Patch, mix: Signal, cutoff: Signal, amp: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Drive, filter, amplitude and high-pass; shape ``(samples,)``."""
        n_before = facts.SETTLING_SAMPLES if patch["resonance"] >= facts.SINGING_RESONANCE else 0
        signals = np.zeros((3, n_before + len(amp)), np.float32)
        signals[0, n_before:] = mix
        signals[0] += facts.DITHER * (1.0 - 2.0 * rng.random(signals.shape[1], np.float32))
        if n_before:
            knob = log8(patch["cutoff"])
            glide = knob + (1.0 - knob) * np.exp(np.arange(n_before) / -facts.CUTOFF_SMOOTHING)
            signals[1, :n_before] = np.square(glide)
        signals[1, n_before:] = cutoff
        signals[2, n_before:] = amp
        kind = facts.FILTERS[patch.index("filtertype")]
        program = self._program(f"filter {kind.label}")
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
                "feedback": delay_feedback(patch["delayfeedback"]),
                **{name: patch[name] for name in ("delaywet", "delayhighshelf", "delaylowshelf")},
            }
            audio = self._program("delay").run(audio, sliders)
        if patch["chorus1enable"] > 0.0 or patch["chorus2enable"] > 0.0:
            sliders = {name: float(patch[name] > 0.0) for name in ("chorus1enable", "chorus2enable")}
            sliders["samples_before"] = facts.PRE_ROLL_SECONDS * SAMPLE_RATE
            audio = self._program("chorus").run(audio, sliders)
        if patch["reverbwet"] > 0.0:
            sliders = {
                "wet": log20(patch["reverbwet"]),
                "size": reverb_size(patch["reverbdecay"]),
                "predelay_samples": log20(patch["reverbpredelay"]) * SAMPLE_RATE,
                **{name: patch[name] for name in ("reverbhighcut", "reverblowcut")},
            }
            audio = self._program("reverb").run(audio, sliders)
        return np.ascontiguousarray(audio)

    def _program(self, name: str) -> FaustProgram:
        """A filter or an effect, compiled when it is first needed."""
        if name not in self._programs:
            self._programs[name] = self._daw.FaustProgram(_source(name), name, self._cache_dir)
        return self._programs[name]


def _source(name: str) -> str:
    """Faust code of a program."""
    kind = _FILTERS.get(name)
    files = [f"{name}.dsp"] if kind is None else [f"{kind.family}.dsp", "voice.dsp"]
    parts = [(SOURCES / file).read_text(encoding="utf-8") for file in ("common.lib", *files)]
    return "".join(['import("stdfaust.lib");\n', header(kind), *parts])


def _odd(rng: np.random.Generator) -> int:
    """A random state of a noise generator."""
    return 2 * int(rng.integers(1 << 30)) + 1


def _upto(signal: Signal, n_samples: int) -> Signal:
    return signal if isinstance(signal, float) else signal[:n_samples]


def _amplitude(patch: Patch, note: Note, n_gate: int, n_samples: int) -> NDArray[np.float64]:
    """The amp envelope times the gain of the velocity, shape ``(n_samples,)``."""
    settings = Adsr(patch["ampattack"], patch["ampdecay"], patch["ampsustain"], patch["amprelease"])
    return adsr(settings, n_gate, n_samples) * velocity_gain(patch["velocityvolume"], note.velocity / MAX_VELOCITY)


def _cutoff(patch: Patch, note: Note, key: int, moves: Modulation, n_gate: int, n_samples: int) -> Signal:
    """The cutoff control 0..1, where 1 is about Nyquist: a number, or shape ``(n_samples,)``."""
    velocity = note.velocity / MAX_VELOCITY
    still = still_cutoff(patch["cutoff"], patch["velocitycutoff"], patch["keyfollow"], key, velocity)
    total = still + _upto(moves.cutoff, n_samples)
    contour = contour_amount(patch["filtercontour"], patch["velocitycontour"], velocity)
    if contour != 0.0:
        sustain = log20(patch["filtersustain"])
        settings = Adsr(patch["filterattack"], patch["filterdecay"], sustain, patch["filterrelease"])
        total = total + contour * adsr(settings, n_gate, n_samples, instant=True)
    return np.minimum(np.square(total), 1.0)


def _oscillators(
    patch: Patch, key: int, moves: Modulation, n_samples: int, rng: np.random.Generator, noise_state: int
) -> Signal:
    """Everything before the filter: a number, or shape ``(n_samples,)``."""
    number = key + facts.TRANSPOSITIONS[patch.index("transpose")] + 2.0 * patch["oscmastertune"] - 1.0
    number *= 1.0 + rng.uniform(-facts.DETUNE_SHARE, facts.DETUNE_SHARE) * patch["detune"] ** 2
    levels = [log20(patch[f"osc{index}volume"]) for index in (1, 2, 3)]
    sub = oscillators.phase(oscillators.increments(frequency_hz(number + facts.SUB_SEMITONES)), 0.0, n_samples)
    sync = sub if patch["oscsync"] > 0.0 else None
    hz1 = frequency_hz(number + _tuning(patch, 1) + moves.pitch1)
    first: Signal = 0.0
    second: Signal = 0.0
    if levels[0] > 0.0:
        first = levels[0] * _oscillator1(patch, hz1, moves, n_samples, sync, noise_state)
    if levels[1] > 0.0:
        hz2 = frequency_hz(number + _tuning(patch, 2) + moves.pitch2)
        second = levels[1] * _oscillator2(patch, hz1, hz2, moves, n_samples, sync, noise_state)
    ring = patch["ringmodulation"] + _upto(moves.ring, n_samples)
    mix = (1.0 - ring) * (first + second) + facts.RING_GAIN * ring * first * second
    if patch["oscbitcrusher"] < 1.0:
        n_levels = math.floor(1.0 + facts.CRUSHER_LEVELS * patch["oscbitcrusher"] ** facts.CRUSHER_POWER)
        mix = np.trunc(mix * n_levels) / n_levels
    if levels[2] > 0.0:
        mix = mix + facts.SUB_POLARITY * levels[2] * oscillators.pulse(sub, 0.5)
    if patch["vintagenoise"] > 0.0:
        mix = mix + patch["vintagenoise"] * noise.clicks(n_samples, noise_state)
    return mix


def _oscillator1(
    patch: Patch, hz: Signal, moves: Modulation, n_samples: int, sync: oscillators.Phase | None, noise_state: int
) -> NDArray[np.float64]:
    """Oscillator 1 at full level, shape ``(n_samples,)``."""
    waveform = patch.choice("osc1waveform")
    if waveform == "noise":
        return noise.white(n_samples, noise_state)
    increment = oscillators.increments(hz)
    phase = oscillators.phase(increment, patch["osc1phase"], n_samples, sync)
    if waveform == "saw":
        return oscillators.saw(phase)
    width = np.minimum(patch["osc1pw"] + moves.duty, 1.0)
    return oscillators.pulse(phase, oscillators.duty(width, increment))


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
        return noise.white(n_samples, noise_state)
    amount = np.maximum(log20(patch["osc2fm"]) + moves.fm, 0.0)
    if np.any(amount > 0.0):
        carrier = oscillators.phase(oscillators.increments(hz1), 0.0, n_samples).cycles
        hz2 = hz2 + facts.FM_REACH * amount * hz1 * (1.0 + np.sin(2.0 * np.pi * carrier))
    increment = oscillators.increments(hz2)
    if waveform == "sine":  # which nothing synchronises
        return oscillators.sine(oscillators.phase(increment, patch["osc2phase"], n_samples))
    phase = oscillators.phase(increment, patch["osc2phase"], n_samples, sync, keep_half=waveform == "triangle")
    if waveform == "saw":
        return oscillators.saw(phase)
    return oscillators.pulse(phase, 0.5) if waveform == "pulse" else oscillators.triangle(phase)


def _tuning(patch: Patch, index: int) -> float:
    """Semitones of an oscillator against the note."""
    coarse = patch.index(f"osc{index}tune") - facts.TUNE_SEMITONES
    return coarse + 2.0 * patch[f"osc{index}finetune"] - 1.0


def _delay_seconds(patch: Patch) -> float:
    if patch["delaysync"] == 0.0:
        return delay_seconds(patch["delaytime"])
    division = lfo.division(patch["delaytime"])
    return min(facts.DELAY_SECONDS[division % 6] * facts.DELAY_FACTORS[division // 6], facts.MAX_DELAY_SECONDS)


@functools.cache
def _source_hash() -> str:
    """Hash of the engine's sources, so that stored renders of another version are not taken for its own."""
    package = Path(__file__).parents[1]
    files = sorted(file for pattern in ENGINE_SOURCES for file in package.glob(pattern))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
