"""Modulations that are read off the clip by comparing it with still settings.

A patch is played with its cutoff, the width of its pulse or its ring modulation standing still at each of several
values. For every frame of the clip one of these renders is the closest, and the values over time are the curve that
something has to follow: an envelope, LFOs, the envelope editor, or two of them. All else in the patch goes on as it is,
so that a modulated pitch, say, does not hide the modulation of the filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.instruments.curve import Curve
from render.instruments.instrument import ClosestOf
from render.instruments.patch import Patch
from render.noisemaker.changes.contours import Contour
from render.noisemaker.changes.envelopes import Envelope, closest_envelope, closest_loops
from render.noisemaker.changes.explained import modulators_of, with_lfos, without
from render.noisemaker.changes.lfos import Change, free_lfos
from render.noisemaker.changes.modulators import closest_lfos, fitted, fitted_signals
from render.noisemaker.changes.tremolos import tremolos
from render.noisemaker.changes.twins import exchanged, instead_of_sub, with_waveform
from render.noisemaker.curves import AMOUNT, BIPOLAR, LEVEL, LOG8
from render.noisemaker.routes import OTHER_LFO, ROUTES

Array = NDArray[np.float64]

_ON_OSCILLATOR_1 = "pulse width"  # the destination that oscillator 2 lacks
_MIDDLE_WIDTH = 0.75  # of the pulse, of which all widths are tried
_LIKELY = 2  # number of LFOs that are tried
_LOOPS = 2  # number of loops of the envelope editor that are tried


@dataclass(frozen=True, eq=False)
class _Moved:
    """What is modulated.

    Attributes:
        destination: its name among the destinations.
        knob: knob that sets it.
        curve: knob to the value that modulators add to.
        values: values of the still renders, rising, ``(renders,)``.
        stillest: a curve that moves by less stands still.
    """

    destination: str
    knob: str
    curve: Curve
    values: Array
    stillest: float

    def value(self, patch: Patch) -> float:
        """Where it stands in a patch."""
        return float(self.curve.setting(patch[self.knob]))

    def at(self, patch: Patch, value: float) -> Patch:
        """A patch in which it stands at a value, or at the closest one."""
        return patch.with_knobs({self.knob: self.curve.nearest_knob(value)})

    def cleared(self, patch: Patch) -> Patch:
        """A patch in which nothing moves it."""
        patch = without(patch, modulators_of(patch, self.destination))
        if self.destination == "filter":
            return patch.with_settings({"filtercontour": 0.0, "velocitycontour": 0.0})
        return with_waveform(patch, 1, "pulse", _MIDDLE_WIDTH) if self.destination == _ON_OSCILLATOR_1 else patch

    def with_envelope(self, patch: Patch, envelope: Envelope, amount: float) -> Patch:
        """A patch whose filter ADSR, or free AD, moves it by an amount."""
        if self.destination == "filter":
            knobs = {
                "filtercontour": BIPOLAR.nearest_knob(amount),
                "filtersustain": LEVEL.nearest_knob(envelope.sustain),
            }
            return patch.with_knobs({"filterattack": envelope.attack, "filterdecay": envelope.decay, **knobs})
        changed = patch.with_settings({"freeaddestination": self.destination, "freeadamount": amount})
        return changed.with_knobs({"freeadattack": envelope.attack, "freeaddecay": envelope.decay})


_MOVED = (
    _Moved("filter", "cutoff", LOG8, np.linspace(0.05, 1.0, 16), 0.04),
    _Moved(_ON_OSCILLATOR_1, "osc1pw", AMOUNT, np.linspace(0.5, 1.0, 11), 0.04),
    _Moved("ring mod", "ringmodulation", AMOUNT, np.linspace(0.0, 1.0, 8), 0.1),
)


def templated(patch: Patch, closest_of: ClosestOf) -> Iterator[Change]:
    """Patches in which something moves as it seems to do in the clip.

    Args:
        patch: patch to change.
        closest_of: see ``ClosestOf``.
    """
    for moved in _MOVED:
        yield from _templated(moved, patch, closest_of)
        if moved.destination == _ON_OSCILLATOR_1:
            for twin in (exchanged(patch), instead_of_sub(patch)):
                if twin is not None:
                    yield from _templated(moved, twin, closest_of)
    yield from tremolos(patch, closest_of)


def _templated(moved: _Moved, patch: Patch, closest_of: ClosestOf) -> Iterator[Change]:
    """Patches in which one destination moves as it seems to do in the clip."""
    cleared = moved.cleared(patch)
    if not cleared.sounds(moved.knob):
        return
    places, hop_seconds = closest_of([moved.at(cleared, value) for value in moved.values.tolist()])
    curve = np.interp(places, np.arange(len(moved.values)), moved.values)
    if len(curve) > 1 and np.ptp(curve) >= moved.stillest:
        yield from _Explained(moved, cleared, curve, hop_seconds).changes()


class _Explained:
    """Patches in which something follows a curve.

    Args:
        moved: what follows it.
        cleared: patch in which it stands still.
        curve: values at even distances, ``(frames,)``.
        hop_seconds: their distance.
    """

    def __init__(self, moved: _Moved, cleared: Patch, curve: Array, hop_seconds: float) -> None:
        self._moved, self._cleared, self._curve, self._hop_seconds = moved, cleared, curve, hop_seconds
        self._times: Array = np.arange(len(curve), dtype=np.float64) * hop_seconds

    def changes(self) -> Iterator[Change]:
        """With an envelope or with the envelope editor, and with LFOs beside them."""
        curve, name = self._curve, self._moved.destination
        shaped, level = self._shaped(curve)
        yield f"{name}: envelope", shaped
        for drawn in self._drawn(curve):
            yield f"{name}: editor", drawn
        for lfos in self._lfos(curve - level, trend=0):
            yield from self._with_lfos(f"{name}: LFO", shaped, lfos, curve - level)
        for lfos in (*self._lfos(curve, trend=0), *self._lfos(curve, trend=2)):
            swing = self._swing(lfos)
            shaped, level = self._shaped(curve - swing)
            yield from self._with_lfos(f"{name}: LFO", shaped, lfos, curve - level)
            for drawn in self._drawn(curve - swing)[:1]:
                yield from self._with_lfos(f"{name}: editor and LFO", drawn, lfos, swing)

    def _lfos(self, curve: Array, trend: int) -> list[list[Contour]]:
        """LFOs, alone or two together, that resemble a curve beside a polynomial of a degree."""
        reached = any(self._moved.destination in ROUTES[name] for name in OTHER_LFO)
        if not reached or np.ptp(curve) < self._moved.stillest:
            return []
        return closest_lfos(curve, self._hop_seconds, _LIKELY, trend)

    def _swing(self, lfos: Sequence[Contour]) -> Array:
        """What LFOs contribute to the curve, with a mean of 0."""
        _, left = fitted(lfos, self._curve, self._times)
        total = self._curve - left
        return np.asarray(total - total.mean(), np.float64)

    def _with_lfos(self, kind: str, patch: Patch, lfos: Sequence[Contour], curve: Array) -> Iterator[Change]:
        """The patch with LFOs whose weighted sum is closest to a curve of what is added, if LFOs are free."""
        destination = self._moved.destination
        for name, free in free_lfos(patch):
            names = (name, OTHER_LFO[name])[: len(lfos)]
            taken = len(lfos) > 1 and any(free.sounds(f"{one}rate") for one in names)
            if not taken and all(destination in ROUTES[one] for one in names):
                yield kind, with_lfos(free, destination, dict(zip(names, lfos, strict=True)), curve, self._times)
                return

    def _shaped(self, curve: Array) -> tuple[Patch, Array]:
        """A patch with an envelope that follows a curve, and its curve; without an envelope where none can."""
        moved, filtered = self._moved, self._moved.destination == "filter"
        envelope = closest_envelope(curve, self._hop_seconds, sustained=filtered)
        level = envelope.signal(len(curve), self._hop_seconds)
        (constant, amount), _ = fitted_signals([level], curve)
        if not filtered and (moved.destination not in ROUTES["free AD"] or amount < 0.0):  # without a sign
            constant, amount = float(curve.mean()), 0.0
        amount = min(max(amount, -1.0), 1.0)
        changed = moved.at(self._cleared, constant)
        if amount != 0.0:
            changed = moved.with_envelope(changed, envelope, amount)
        return changed, moved.value(changed) + amount * level

    def _drawn(self, curve: Array) -> list[Patch]:
        """Patches whose envelope editor follows a curve, the most likely first."""
        moved, found = self._moved, list[Patch]()
        if moved.destination not in ROUTES["envelope editor"]:
            return found
        for loop in closest_loops(curve, self._hop_seconds, _LOOPS):
            amount = min(float(np.ptp(loop.heights)), 1.0)
            if amount < moved.stillest:
                continue
            low = float(loop.heights.min())
            found.append(moved.at(loop.drawn(self._cleared, moved.destination, amount, low=low), low))
        return found
