"""Which renders are accepted: silent, too quiet and clipped ones are rejected."""

from __future__ import annotations

import numpy as np

from render.audio import Audio

SILENT_PEAK = 0.001
"""-60 dB of full scale."""
QUIETEST_PEAK = 0.02
"""-34 dB of full scale. 98 % of the golden factory renders have a peak above 0.048; the median is 0.34."""
CLIPPED_PEAK = 1.0
"""Full scale of an audio file. No golden factory render reaches it."""

REASONS = ("broken", "silent", "quiet", "clipped")


def refusal(audio: Audio) -> str | None:
    """Why a render is rejected, one of ``REASONS``, or None if it is accepted.

    Args:
        audio: sound to judge.

    Shape:
        audio: ``(channels, samples)``.
    """
    peak = float(np.abs(audio).max(initial=0.0))
    if not np.isfinite(peak):
        return "broken"
    if peak < SILENT_PEAK:
        return "silent"
    if peak < QUIETEST_PEAK:
        return "quiet"
    return "clipped" if peak >= CLIPPED_PEAK else None
