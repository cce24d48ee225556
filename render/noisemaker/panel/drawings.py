"""The curves of a patch's envelopes, LFOs and envelope editor, for a panel that draws them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.instruments.instrument import Curves
from render.instruments.patch import Patch
from render.noisemaker.curves import log20
from render.noisemaker.engine import lfo
from render.noisemaker.engine.envelopes import Adsr, adsr, attack_decay
from render.noisemaker.envelope_editor import INITIAL_POINTS, spline
from render.noisemaker.facts import EDITOR_LOOP_SECONDS, EDITOR_SPEEDS
from render.note import SAMPLE_RATE, Note

_POINTS = 120
_LFO_CYCLES = 2.0


def drawn_curves(patch: Patch, note: Note) -> Curves:
    """The curves of a patch by section of the panel: the envelopes over the note, two cycles of an LFO, a loop.

    Args:
        patch: patch whose curves are wanted.
        note: key press, for the length of the envelopes.
    """
    n_samples = note.n_samples
    n_gate = max(1, min(round(note.gate_seconds * SAMPLE_RATE), n_samples))
    shown = np.linspace(0, n_samples - 1, _POINTS).astype(int)
    amp = Adsr(patch["ampattack"], patch["ampdecay"], patch["ampsustain"], patch["amprelease"])
    sustain = log20(patch["filtersustain"])
    filtered = Adsr(patch["filterattack"], patch["filterdecay"], sustain, patch["filterrelease"])
    free = attack_decay(patch["freeadattack"], patch["freeaddecay"], n_samples)
    curves: dict[str, tuple[list[float], float]] = {
        "amp": (adsr(amp, n_gate, n_samples)[shown].tolist(), note.seconds),
        "filter": (adsr(filtered, n_gate, n_samples, instant=True)[shown].tolist(), note.seconds),
        "free AD": (free[shown].tolist(), note.seconds),
    }
    for name in ("lfo1", "lfo2"):
        hertz = lfo.rate_hz(patch[f"{name}rate"], synced=patch[f"{name}sync"] > 0.0)
        start = patch[f"{name}phase"] if patch[f"{name}keytrigger"] > 0.0 else 0.0
        cycles = start + np.linspace(0.0, _LFO_CYCLES, _POINTS)
        curves[name] = (_wave(patch.index(f"{name}waveform"), cycles), _LFO_CYCLES / max(hertz, 1e-3))
    points = patch.extra if len(patch.extra) > 1 else INITIAL_POINTS
    heights = spline(points, np.linspace(0.0, 1.0, _POINTS))
    seconds = EDITOR_LOOP_SECONDS / EDITOR_SPEEDS[patch.index("envelopeeditorspeed")]
    curves["envelope editor"] = (heights.tolist(), seconds)
    return curves


def _wave(waveform: int, cycles: NDArray[np.float64]) -> list[float]:
    """An LFO's heights at some phases; one example of a random waveform."""
    tables = lfo.tables()
    if waveform < len(tables):
        position = cycles % 1.0 * (tables.shape[1] - 1)
        return [float(height) for height in np.interp(position, np.arange(tables.shape[1]), tables[waveform])]
    rng = np.random.default_rng(0)
    if waveform == len(tables):
        return [
            float(height) for height in rng.uniform(-1.0, 1.0, 64)[np.floor(4.0 * (cycles - cycles[0])).astype(int)]
        ]
    return [float(height) for height in rng.uniform(-1.0, 1.0, len(cycles))]
