"""Modulations of the volume, read off the clip by comparing its level over time with that of a patch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from render.instruments.instrument import ClosestOf
from render.instruments.patch import Patch
from render.noisemaker.changes.envelopes import closest_loops
from render.noisemaker.changes.explained import modulators_of, without
from render.noisemaker.changes.lfos import Change, free_lfos, with_lfo
from render.noisemaker.changes.modulators import closest_lfos, fitted
from render.noisemaker.curves import VOLUME
from render.noisemaker.routes import ROUTES

_GAINS_DB: NDArray[np.float64] = np.linspace(-54.0, 6.0, 11)
_LIKELY = 3  # number of LFOs that are tried
_LOOPS = 2  # number of loops of the envelope editor that are tried
_STEADIEST = 0.1  # a gain that moves by a smaller part of its maximum is steady
_HALF = 0.5


def tremolos(patch: Patch, closest_of: ClosestOf) -> Iterator[Change]:
    """Patches whose volume is modulated as that of the clip seems to be.

    With an amount ``A`` and an LFO's signal ``s`` the gain is ``1 - A (1 + s) / 2``. The envelope editor's curve is the
    gain itself.

    Args:
        patch: patch to change.
        closest_of: see ``ClosestOf``.
    """
    still = without(patch, modulators_of(patch, "volume"))
    gains = VOLUME.setting(patch["volume"]) * 10.0 ** (_GAINS_DB / 20.0)
    places, hop_seconds = closest_of([still.with_knobs({"volume": VOLUME.nearest_knob(one)}) for one in gains.tolist()])
    gain = 10.0 ** (np.interp(places, np.arange(len(gains)), _GAINS_DB) / 20.0)
    gain /= gain.max()
    if np.ptp(gain) < _STEADIEST:
        return
    times: NDArray[np.float64] = np.arange(len(gain), dtype=np.float64) * hop_seconds
    for lfo in (lfos[0] for lfos in closest_lfos(gain, hop_seconds, _LIKELY, trend=0) if len(lfos) == 1):
        (mean, swing), _ = fitted([lfo], gain, times)
        depth = min(abs(swing) / max(mean, 1e-9), 1.0)
        phase = lfo.phase if swing < 0.0 else lfo.phase + _HALF
        for name, free in free_lfos(still):
            if "volume" in ROUTES[name]:
                amount = 2.0 * depth / (1.0 + depth)
                changed = with_lfo(free, name, "volume", lfo.hz, amount, waveform=lfo.waveform, phase=phase % 1.0)
                yield "volume: LFO", changed
    for loop in closest_loops(gain, hop_seconds, _LOOPS):
        yield "volume: editor", loop.drawn(still, "volume", 1.0, low=0.0)
