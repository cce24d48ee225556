"""Patches whose sound is the filter's own: at full resonance it oscillates, at a pitch that follows the cutoff.

No other change of a patch leads there: the oscillators must be silent, the resonance at its end, and the cutoff at the
pitch, all at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.ndimage

from render.instruments.hints import Hints, Partials
from render.noisemaker.changes.delays import with_delay
from render.noisemaker.changes.lfos import Change
from render.noisemaker.changes.strengths import Array
from render.noisemaker.curves import LOG8, SQUARE, frequency_hz
from render.noisemaker.editor_curves import N_DESCENDED, lines
from render.noisemaker.facts import EDITOR_LOOP_SECONDS, EDITOR_SPEEDS
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE

_SLOW, _FAST = 1.4, 0.74
"""Frequency of the oscillation, ``(1.4 + 0.74 s^2) s^2 f_N`` with the cutoff control ``s`` and the Nyquist frequency
``f_N``: measured on renders of the embedded engine at seven cutoffs, exact to 1 %."""
_STEADY_FRAMES = 5  # of the median over time
_WET, _FEEDBACK = 0.35, 0.3  # knobs of the delay
_STILL = 0.02  # a cutoff control that moves by less than this stands still


def whistles(hints: Hints) -> Iterator[Change]:
    """Patches whose filter oscillates at the pitch of the loudest partial.

    Args:
        hints: values estimated from the clip.

    Yields:
        One that stands still, and one whose cutoff follows the pitch by the envelope editor, where that moves; the
        latter with the delay at estimated times too, because the echoes of a sweep fill the spectrum.
    """
    if hints.partials is None or hints.partials.n_frames < _STEADY_FRAMES:
        return
    controls = _controls(frequency_hz(_loudest_keys(hints.partials)))
    silent = {f"osc{index}volume": 0.0 for index in (1, 2, 3)}
    whistle = TABLE.patch({**silent, "resonance": 1.0, "cutoff": LOG8.nearest_knob(float(np.median(controls)))})
    yield "from the clip: whistle", whistle
    low, amount = float(controls.min()), float(np.ptp(controls))
    speeds = [one for one in EDITOR_SPEEDS if EDITOR_LOOP_SECONDS / one >= hints.seconds]
    if amount < _STILL or not speeds:
        return
    times = np.linspace(0.0, EDITOR_LOOP_SECONDS / speeds[-1], N_DESCENDED)
    heights = (np.interp(times, hints.partials.times, controls) - low) / amount
    knobs = {"cutoff": LOG8.nearest_knob(low), "envelopeeditoramount": SQUARE.nearest_knob(amount)}
    chosen: dict[str, str | bool] = {
        "envelopeeditordest1": "filter",
        "envelopeeditorspeed": f"x{speeds[-1]}",
        "envelopeoneshot": True,
    }
    following = whistle.with_knobs(knobs).with_settings(chosen).with_extra(lines(heights.tolist()))
    yield "from the clip: whistle", following
    for seconds in hints.delays_seconds:
        yield "from the clip: whistle", with_delay(following, seconds, _WET, delayfeedback=_FEEDBACK)


def _loudest_keys(partials: Partials) -> Array:
    """The pitch of the loudest partial at each time as a MIDI note number, without jumps of a few frames."""
    bins = partials.strengths.max(axis=0).argmax(axis=1)
    keys = partials.lowest + bins / partials.per_semitone
    return np.asarray(scipy.ndimage.median_filter(keys, _STEADY_FRAMES, mode="nearest"), np.float64)


def _controls(hz: Array) -> Array:
    """The cutoff control, 0 to 1, at which the filter oscillates at a frequency."""
    share = hz / (0.5 * SAMPLE_RATE)
    square = (np.sqrt(_SLOW**2 + 4.0 * _FAST * share) - _SLOW) / (2.0 * _FAST)
    return np.sqrt(square)
