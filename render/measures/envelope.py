"""The distance between two loudness envelopes."""

from __future__ import annotations

import numpy as np

from render.measures.inputs import AnyAudio, mono_pair
from render.measures.spectra import frames, whole_samples

RMS_WINDOW_MS, RMS_HOP_MS = 50, 25


def rms_cosine(target: AnyAudio, other: AnyAudio, sample_rate: int) -> float:
    """1 minus the cosine between the RMS envelopes: ``1 - a . b / (|a| |b|)``, 0 for equal shapes at any level.

    Windows of 50 ms every 25 ms start at the first sample; the last is zero-padded. The distance is 0 for two
    silent sounds, and 1 if only one of them is silent.

    Args:
        target: the sound to be matched.
        other: the sound that is compared with it.
        sample_rate: sample rate of both in Hz.

    Raises:
        InvalidAudio: as described in ``render.measures.metrics``.
        OutOfRange: for a sample rate that is too low.
    """
    a, b = mono_pair(target, other, sample_rate)
    window, hop = whole_samples(RMS_WINDOW_MS, sample_rate), whole_samples(RMS_HOP_MS, sample_rate)
    envelope_a, envelope_b = (np.sqrt(np.square(frames(x, window, hop)).mean(axis=1)) for x in (a, b))
    largest_a, largest_b = envelope_a.max(), envelope_b.max()
    if largest_a == 0.0 or largest_b == 0.0:
        return 0.0 if largest_a == largest_b else 1.0
    # Scaled to 1 first, because squares of the faintest envelopes would vanish.
    envelope_a, envelope_b = envelope_a / largest_a, envelope_b / largest_b
    cosine = envelope_a @ envelope_b / (np.linalg.norm(envelope_a) * np.linalg.norm(envelope_b))
    return float(max(0.0, 1.0 - cosine))
