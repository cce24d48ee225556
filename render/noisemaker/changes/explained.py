"""What modulates a destination together, explained by one or two LFOs instead.

A descent starts from whatever modulators a candidate has and bends them to the clip: a sine LFO and the envelope editor
in place of a rectangle, two LFOs in place of one with another waveform. All of these are wrong at once, so that no
single change helps. But their sum is a curve, and the LFOs that resemble it most are known (``modulators.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from render.instruments.patch import Patch
from render.noisemaker.changes.contours import Contour
from render.noisemaker.changes.lfos import Change, with_lfo
from render.noisemaker.changes.modulators import fitted, modulators, refined
from render.noisemaker.curves import LOG8, log8
from render.noisemaker.engine.modulation import modulation
from render.noisemaker.facts import PITCH_REACH, TUNE_SEMITONES
from render.noisemaker.pitches import tuning
from render.noisemaker.routes import OFF, OTHER_LFO, ROUTES, SOURCES, moves_rate
from render.note import SAMPLE_RATE, Note

Array = NDArray[np.float64]

_DESTINATIONS = {"filter": (), "pulse width": (), "osc1": (1,), "osc2": (2,), "osc1&2": (1, 2)}
"""Destinations whose modulation is explained, and the oscillators whose pitch each of them moves."""
_LIKELY, _RESEMBLES = 5, 0.5  # number of LFOs that are tried, and the least correlation with the curve
_POINTS = 128  # of a curve
_HALF = 0.5


def explained(patch: Patch, note: Note) -> Iterator[Change]:
    """Patches in which LFOs replace all modulators of one destination, and patches without these modulators.

    The pitch, the cutoff or the width of the pulse is shifted so that its mean stays.

    Args:
        patch: patch to change.
        note: key press.
    """
    held_seconds = note.gate_seconds
    for destination in _DESTINATIONS:
        names = modulators_of(patch, destination)
        if not names:
            continue
        names += [other for other in map(OTHER_LFO.get, names) if other is not None and _moves_rate(patch, other)]
        cleared = without(patch, names)
        curve, times = _total(patch, names, destination, held_seconds)
        kind = f"explained {destination}"
        yield kind, _shifted(cleared, destination, float(curve.mean()))
        free = [name for name in OTHER_LFO if not cleared.sounds(f"{name}rate") and destination in ROUTES[name]]
        found = modulators(tuple(curve.tolist()), held_seconds, held_seconds, _LIKELY)
        likely = [lfos for lfos in found if lfos[0].score > _RESEMBLES and len(lfos) <= len(free)]
        for k, lfos in enumerate(likely):
            first = k == 0 or len(lfos) > len(likely[k - 1])
            precise = refined(lfos, curve, times) if first else lfos
            yield kind, with_lfos(cleared, destination, dict(zip(free, precise, strict=False)), curve, times)


def modulators_of(patch: Patch, destination: str) -> list[str]:
    """Names of the modulators that have a destination and an amount."""
    return [
        name
        for name, source in SOURCES.items()
        if patch.choice(source.destination) == destination and source.curve(patch[source.amount]) != 0.0
    ]


def without(patch: Patch, names: Iterable[str]) -> Patch:
    """A patch in which some modulators have no destination."""
    return patch.with_settings({SOURCES[name].destination: OFF for name in names})


def _moves_rate(patch: Patch, name: str) -> bool:
    return moves_rate(ROUTES[name][patch.choice(SOURCES[name].destination)])


def _total(patch: Patch, names: Sequence[str], destination: str, held_seconds: float) -> tuple[Array, Array]:
    """The sum of some modulators on their destination, and its times in seconds."""
    alone = without(patch, (name for name in SOURCES if name not in names))
    n_samples = max(round(held_seconds * SAMPLE_RATE), 2)
    total = modulation(alone, n_samples, np.random.default_rng(0))
    indices = np.linspace(0, n_samples - 1, min(_POINTS, n_samples)).astype(int)
    target = next(route.targets[0] for route in ROUTES[names[0]][destination])
    return np.broadcast_to(getattr(total, target), n_samples)[indices].astype(np.float64), indices / SAMPLE_RATE


def with_lfos(patch: Patch, destination: str, lfos: dict[str, Contour], curve: Array, times: Array) -> Patch:
    """A patch with LFOs, by name, whose weighted sum is closest to a curve of what is added to its destination."""
    (mean, *weights), _ = fitted(list(lfos.values()), curve, times)
    changed = _shifted(patch, destination, mean)
    for (name, lfo), weight in zip(lfos.items(), weights, strict=True):
        amount, phase = weight / _HALF, lfo.phase
        if _DESTINATIONS[destination]:
            amount = weight / PITCH_REACH
        elif destination == "pulse width" and weight < 0.0:  # whose amount has no sign
            amount, phase = -amount, phase + _HALF
        changed = with_lfo(changed, name, destination, lfo.hz, amount, waveform=lfo.waveform, phase=phase % 1.0)
    return changed


def _shifted(patch: Patch, destination: str, by: float) -> Patch:
    """A patch whose cutoff, width of the pulse or pitches are moved by as much as a constant modulation would do."""
    if destination == "filter":
        return patch.with_knobs({"cutoff": LOG8.nearest_knob(log8(patch["cutoff"]) + by)})
    if destination == "pulse width":
        return patch.with_knobs({"osc1pw": min(max(patch["osc1pw"] + by, 0.0), 1.0)})
    knobs: dict[str, float] = {}
    for index in _DESTINATIONS[destination]:
        fine = float(patch.setting(f"osc{index}finetune"))
        knobs |= tuning(index, patch.index(f"osc{index}tune") - TUNE_SEMITONES + fine + by)
    return patch.with_knobs(knobs)
