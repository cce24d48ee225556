"""Patches with the delay at a time that was estimated from a clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from render.instruments.patch import Patch
from render.noisemaker.changes.lfos import Change
from render.noisemaker.table import TABLE

_WET = (0.25, 0.5)


def delays(patch: Patch, seconds: Sequence[float]) -> Iterator[Change]:
    """The delay at each of some times, faint and clear.

    Args:
        patch: patch to change.
        seconds: estimated times.
    """
    for time in seconds:
        for wet in _WET:
            yield "delay", with_delay(patch, time, wet)


def with_delay(patch: Patch, seconds: float, wet: float, **knobs: float) -> Patch:
    """A patch with the delay at the same time on both sides.

    Args:
        patch: patch to change.
        seconds: its time; the closest one that the knob reaches is used.
        wet: knob of its level.
        knobs: other knobs of the delay.
    """
    row = TABLE.parameter("delaytime")
    off = {"delaysync": False, "delayfactorl": False, "delayfactorr": False}
    return patch.with_knobs({"delaywet": wet, row.name: row.curve.nearest_knob(seconds), **knobs}).with_settings(off)
