"""Wavetables and LFO shapes for presets, computed here, so that every installation has them."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FRAME_SAMPLES = 2048
"""Samples of one period, by Vital's file format."""
LAST_FRAME = 256
"""Position of the last frame of a wavetable."""

OWN = "own"
"""Names the wavetable or shape that is part of the patch's ``extra``."""

Frame = NDArray[np.float64]

_T = np.arange(FRAME_SAMPLES) / FRAME_SAMPLES
_SAW = 2.0 * ((0.5 - _T) % 1.0) - 1.0
_TRIANGLE = 1.0 - 4.0 * np.abs((_T - 0.25) % 1.0 - 0.5)
_VOWELS = ((7.0, 11.0, 24.0), (4.0, 19.0, 25.0), (3.0, 22.0, 30.0), (5.0, 8.0, 24.0), (3.0, 6.0, 22.0))
"""First three formants of a, e, i, o and u, as multiples of a fundamental of about 110 Hz."""


def _harmonics(amplitudes: Sequence[float]) -> Frame:
    wave = sum(
        (a * np.sin(2.0 * np.pi * (k + 1) * _T) for k, a in enumerate(amplitudes)), start=np.zeros(FRAME_SAMPLES)
    )
    return np.asarray(wave / max(float(np.abs(wave).max()), 1e-9))


def _pulse(width: float) -> Frame:
    return np.where(width > _T, 1.0, -1.0)


def _vowel(formants: Sequence[float]) -> Frame:
    numbers = np.arange(1, 65)
    envelope = sum(np.exp(-0.5 * ((numbers - f) / (1.0 + 0.08 * f)) ** 2) / (k + 1) for k, f in enumerate(formants))
    return _harmonics(list(0.02 / numbers + np.asarray(envelope)))


def _organ(*drawbars: int) -> Frame:
    return _harmonics([1.0 if k + 1 in drawbars else 0.0 for k in range(max(drawbars))])


WAVETABLES: Mapping[str, tuple[Frame, ...]] = {
    "saw": (_SAW,),
    "basic shapes": (np.sin(2.0 * np.pi * _T), _TRIANGLE, _SAW, _pulse(0.5), _pulse(0.1)),
    "pulse width": tuple(_pulse(width) for width in (0.5, 0.42, 0.34, 0.26, 0.19, 0.13, 0.08, 0.05, 0.03)),
    "additive": tuple(_harmonics([1.0 / (k + 1) for k in range(n)]) for n in (1, 2, 3, 5, 8, 12, 20, 32)),
    "organ": (_organ(1), _organ(1, 2), _organ(1, 3), _organ(1, 2, 3, 4), _organ(1, 2, 4, 8), _organ(1, 2, 3, 4, 6, 8)),
    "vowels": tuple(_vowel(formants) for formants in _VOWELS),
}
"""The wavetables by name, each as its frames at evenly spaced positions."""

WAVETABLE_CHOICES = (*WAVETABLES, OWN)

SHAPES: Mapping[str, tuple[tuple[float, ...], bool]] = {
    "triangle": ((0.0, 1.0, 0.5, 0.0, 1.0, 1.0), False),
    "sine": ((0.0, 1.0, 0.5, 0.0, 1.0, 1.0), True),
    "saw up": ((0.0, 1.0, 1.0, 0.0), False),
    "saw down": ((0.0, 0.0, 1.0, 1.0), False),
    "square": ((0.0, 0.0, 0.5, 0.0, 0.5, 1.0, 1.0, 1.0), False),
    "pulse": ((0.0, 0.0, 0.25, 0.0, 0.25, 1.0, 1.0, 1.0), False),
    "steps up": ((0.0, 1.0, 0.25, 1.0, 0.25, 0.667, 0.5, 0.667, 0.5, 0.333, 0.75, 0.333, 0.75, 0.0, 1.0, 0.0), False),
}
"""Shapes of LFOs by name: x and y of each point (y = 0 is the largest value), and whether the lines are smoothed."""

SHAPE_CHOICES = (*SHAPES, OWN)


def wavetable(
    name: str, frames: Iterable[Frame], version: str, positions: Sequence[int] | None = None
) -> dict[str, Any]:
    """A wavetable in the form of a preset: frames at some positions, interpolated in the time domain.

    Args:
        name: name of the wavetable.
        frames: one period each, shape ``(FRAME_SAMPLES,)``, in -1..1.
        version: version of the file format.
        positions: position of each frame, from 0 to ``LAST_FRAME``; evenly spaced if missing.
    """
    waves = list(frames)
    last = max(len(waves) - 1, 1)
    places = positions or [round(k * LAST_FRAME / last) for k in range(len(waves))]
    keyframes = [{"position": place, "wave_data": _encoded(wave)} for place, wave in zip(places, waves, strict=True)]
    source = {"type": "Wave Source", "interpolation": 0, "interpolation_style": 1, "keyframes": keyframes}
    return {
        "author": "",
        "full_normalize": True,
        "groups": [{"components": [source]}],
        "name": name,
        "remove_all_dc": True,
        "version": version,
    }


@functools.cache
def known_wavetable(name: str, version: str) -> str:
    """JSON text of one of ``WAVETABLES``."""
    return json.dumps(wavetable(name, WAVETABLES[name], version))


def lfo_shape(name: str) -> dict[str, Any]:
    """One of ``SHAPES`` in the form of a preset."""
    points, smooth = SHAPES[name]
    n_points = len(points) // 2
    return {
        "name": name.capitalize(),
        "num_points": n_points,
        "points": list(points),
        "powers": [0.0] * n_points,
        "smooth": smooth,
    }


def wavetable_name(content: Mapping[str, Any]) -> str:
    """Which of ``WAVETABLES`` a preset's wavetable is; ``OWN`` if it is another one."""
    try:
        (group,) = content["groups"]
        (component,) = group["components"]
        if component["type"] != "Wave Source":
            return OWN
        frames = [_decoded(keyframe["wave_data"]) for keyframe in component["keyframes"]]
        positions = [int(keyframe["position"]) for keyframe in component["keyframes"]]
    except (KeyError, TypeError, ValueError):
        return OWN
    for name, known in WAVETABLES.items():
        last = max(len(known) - 1, 1)
        same_places = positions == [round(k * LAST_FRAME / last) for k in range(len(known))]
        if same_places and all(_same(one, other) for one, other in zip(frames, known, strict=True)):
            return name
    return OWN


def shape_name(content: Mapping[str, Any]) -> str:
    """Which of ``SHAPES`` an LFO of a preset has; ``OWN`` if it is another one."""
    for name, (points, smooth) in SHAPES.items():
        if [*content.get("points", [])] == [*points] and bool(content.get("smooth")) == smooth:
            return name if not any(content.get("powers", [])) else OWN
    return OWN


def _encoded(frame: Frame) -> str:
    return base64.b64encode(frame.astype("<f4").tobytes()).decode("ascii")


def _decoded(text: str) -> Frame:
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float64)


def _same(one: Frame, other: Frame) -> bool:
    return len(one) == len(other) and float(np.abs(one - other).max()) < 2e-3


@functools.cache
def white_noise() -> str:
    """JSON text of the sample of a fresh preset: a second of white noise, always the same."""
    samples = np.random.default_rng(0).uniform(-1.0, 1.0, 44100)
    data = base64.b64encode((samples * 32767.0).astype("<i2").tobytes()).decode("ascii")
    return json.dumps({"length": 44100, "name": "White Noise", "sample_rate": 44100, "samples": data})
