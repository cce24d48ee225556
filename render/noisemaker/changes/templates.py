"""Modulations of the cutoff and the pulse width, read off the clip by comparing it with still settings.

A patch is played with its cutoff, or the width of its pulse, standing still at each of several values. For every frame
of the clip one of these renders is the closest, and the values over time are the curve that a modulator has to follow.
The LFOs that resemble this curve are tried. All else in the patch goes on as it is, so that a modulated pitch, say,
does not hide the modulation of the filter.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from render.instruments.instrument import ClosestOf
from render.instruments.patch import Patch
from render.noisemaker.changes.explained import modulators_of, with_lfos
from render.noisemaker.changes.lfos import Change, free_lfos
from render.noisemaker.changes.modulators import modulators, refined
from render.noisemaker.curves import LOG8, log8
from render.noisemaker.routes import OFF, OTHER_LFO, ROUTES, SOURCES
from render.note import Note

_CUTOFFS: NDArray[np.float64] = np.linspace(0.05, 1.0, 16)
_WIDTHS: NDArray[np.float64] = np.linspace(0.5, 1.0, 11)
_LIKELY, _RESEMBLES = 3, 0.5  # number of LFOs that are tried, and the least correlation with the curve


def templated(patch: Patch, note: Note, closest_of: ClosestOf) -> Iterator[Change]:
    """Patches with LFOs on the cutoff or on the pulse width that the clip seems to have.

    Args:
        patch: patch to change.
        note: key press.
        closest_of: see ``ClosestOf``.
    """
    if patch.sounds("cutoff"):
        cleared = _cleared(patch, "filter")
        templates = [cleared.with_knobs({"cutoff": LOG8.nearest_knob(value)}) for value in _CUTOFFS.tolist()]
        places, hop_seconds = closest_of(templates)
        yield from _followed(cleared, "filter", _CUTOFFS[places] - log8(cleared["cutoff"]), hop_seconds)
    if patch.sounds("osc1waveform") and patch.choice("osc1waveform") != "noise":
        cleared = _cleared(patch, "pulse width").with_settings({"osc1waveform": "pulse"})
        templates = [cleared.with_knobs({"osc1pw": value}) for value in _WIDTHS.tolist()]
        places, hop_seconds = closest_of(templates)
        yield from _followed(cleared, "pulse width", _WIDTHS[places] - cleared["osc1pw"], hop_seconds)


def _cleared(patch: Patch, destination: str) -> Patch:
    """A patch without the modulators of a destination."""
    return patch.with_settings({SOURCES[name].destination: OFF for name in modulators_of(patch, destination)})


def _followed(patch: Patch, destination: str, curve: NDArray[np.float64], hop_seconds: float) -> Iterator[Change]:
    """Patches with LFOs that resemble a curve of what is added to their destination."""
    if len(curve) == 0 or np.ptp(curve) == 0.0:
        return
    seconds = len(curve) * hop_seconds
    times = np.arange(len(curve), dtype=np.float64) * hop_seconds
    for lfos in modulators(tuple(curve.tolist()), seconds, seconds, _LIKELY):
        if lfos[0].score < _RESEMBLES:
            continue
        precise = refined(lfos, curve, times)
        for name, free in free_lfos(patch):
            names = (name, OTHER_LFO[name])[: len(lfos)]
            taken = len(lfos) > 1 and any(free.sounds(f"{one}rate") for one in names)
            if not taken and all(destination in ROUTES[one] for one in names):
                changed = with_lfos(free, destination, dict(zip(names, precise, strict=True)), curve, times)
                yield f"curve of the {destination}", changed
