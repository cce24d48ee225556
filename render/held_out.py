"""The split of the presets: those for fitting and training, and those for evaluation."""

from __future__ import annotations

import hashlib


def held_out(name: str) -> bool:
    """Whether a preset, with its renders, is held out for evaluation.

    No held-out preset may be used in a fit, the prior, the library or training.

        >>> held_out("P3"), held_out("P4")
        (True, False)

    Args:
        name: name of the preset; for a probe, which has none, the stem of its file.
    """
    return name_hash(name) % 2 == 1


def name_hash(name: str) -> int:
    """SHA-256 of a name as a number.

    Benchmarks take their targets in the order of this number, which does not depend on their sound.

    Args:
        name: name of a preset, or the stem of a file.
    """
    return int(hashlib.sha256(name.encode()).hexdigest(), 16)
