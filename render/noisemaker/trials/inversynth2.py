"""Patches drawn by the protocol of InverSynth II, as far as it can be followed at 44.1 kHz.

Barkan, Shvartzman, Uzrad, Laufer, Elharar and Koenigstein, "InverSynth II: Sound matching via self-supervised
synthesizer-proxy and inference-time finetuning" (ISMIR 2023), with the grids of the published program
``Python code/TAL/tal_dataset_creator.py`` (repository inversynth/InverSynth2). Their plug-in ran at 16,384 Hz.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from render.instruments.patch import Patch
from render.noisemaker.table import TABLE
from render.note import Note

SEED = 2023
"""Seeds the draws: a draw depends on it, on its number and on whether it is on the grid."""

NOTE = Note(70, 127, 0.9, 1.0)

GRID: Mapping[str, tuple[float, ...]] = {
    "cutoff": tuple(np.linspace(0.3, 1.0, 16).round(9).tolist()),
    "osc2waveform": (0.0, 0.25, 0.5, 0.75),
    "osc2tune": tuple(np.linspace(0.0, 1.0, 9).tolist()),
    "lfo1waveform": (0.0, 0.2, 0.4, 0.6),
    "lfo1rate": tuple(np.linspace(0.06, 0.6, 16).round(9).tolist()),
    "lfo1amount": tuple(np.linspace(0.52, 1.0, 16).round(9).tolist()),
    "lfo2waveform": (0.0, 0.2, 0.4, 0.6),
    "lfo2rate": tuple(np.linspace(0.06, 0.6, 16).round(9).tolist()),
    "lfo2amount": tuple(np.linspace(0.52, 1.0, 16).round(9).tolist()),
}
"""Knobs that the protocol draws from, each value as likely as the others."""

_WAVEFORMS = ("osc2waveform", "lfo1waveform", "lfo2waveform")
"""Knobs whose grid lists the wanted choices; they are drawn from it off the grid too."""

DESTINATIONS: Mapping[str, tuple[str, ...]] = {
    "lfo1destination": ("filter", "osc1", "osc2", "pulse width"),
    "lfo2destination": ("off", "filter", "osc1", "osc2"),
}
"""LFO 2 does not reach the pulse width; it is off as often as it goes to one destination."""

_FIXED: Mapping[str, float] = {
    "osc1volume": 0.8,
    "osc2volume": 0.8,
    "osc3volume": 0.0,
    "osc1tune": 0.5,
    "lfo1keytrigger": 1.0,
    "lfo2keytrigger": 1.0,
}
"""Both main oscillators, no sub, no transposition. The LFOs start with the key, so that a perfect answer is at 0 dB."""


def draw(index: int, *, off_grid: bool = False) -> Patch:
    """One patch of the protocol; effects are off, and parameters that are not drawn have their defaults.

    Oscillator 1 is a saw, or a pulse where LFO 1 modulates the pulse width, which would otherwise be inaudible.

    Args:
        index: number of the draw, from 0.
        off_grid: draw knobs evenly from the range of each grid, and the tune from all semitones; choices stay as they
            are.
    """
    rng = np.random.default_rng([SEED, index, int(off_grid)])
    knobs = dict(_FIXED)
    for name, values in GRID.items():
        knobs[name] = _drawn(name, values, rng, off_grid=off_grid)
    chosen = {name: str(rng.choice(values)) for name, values in DESTINATIONS.items()}
    pulse = chosen["lfo1destination"] == "pulse width"
    return TABLE.patch(knobs).with_settings(chosen | {"osc1waveform": "pulse" if pulse else "saw"})


def _drawn(name: str, values: Sequence[float], rng: np.random.Generator, *, off_grid: bool) -> float:
    row = TABLE.parameter(name)
    if not off_grid or name in _WAVEFORMS:
        return float(rng.choice(values))
    if row.discrete:
        return row.choice_knobs[int(rng.integers(row.index(min(values)), row.index(max(values)) + 1))]
    return float(rng.uniform(min(values), max(values)))
