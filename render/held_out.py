"""The one split of this project: what is fitted to, and what is kept for judging."""

from __future__ import annotations

import hashlib


def held_out(name: str) -> bool:
    """Whether a preset, or the render of one, is kept for judging.

    Nothing that is held out may enter a fit, the prior, the library or training.

    Args:
        name: the preset's name; for a probe that has none, the stem of its file.
    """
    return name_hash(name) % 2 == 1


def name_hash(name: str) -> int:
    """SHA-256 of a name as a number. Benchmarks take their targets in its order, which knows nothing of the sounds."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16)
