"""Code shared by the priors of all instruments: generators for draws, key presses, and hashes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import numpy as np
from numpy.random import Generator, SeedSequence

from render.errors import OutOfRange
from render.instruments.patch import Patch
from render.note import Note

LOWEST_NOTE, HIGHEST_NOTE = 24, 96
GATE_SECONDS = (0.05, 2.0)
USUAL_SECONDS, LONGEST_SECONDS = 2.0, 4.0
TAIL_SECONDS = 0.25
"""Shortest time that is rendered after the release of the key."""

_HASHED_DRAWS = 32


def generator(seed: int, index: int, attempt: int) -> Generator:
    """The generator of one draw of a set: a pure function of its arguments.

    Args:
        seed: seed of the set.
        index: position in the set.
        attempt: 0, then 1, 2, ... if the draws before were rejected (silent, clipped, ...).

    Raises:
        OutOfRange: for a negative number.
    """
    for name, value in (("seed", seed), ("index", index), ("attempt", attempt)):
        if value < 0:
            raise OutOfRange(name, value, "0 or more")
    return np.random.default_rng(SeedSequence(seed, spawn_key=(index, attempt)))


def draw_note(rng: Generator) -> Note:
    """Draw a key press."""
    musical = rng.random() < 0.5  # otherwise any note
    number = round(float(rng.normal(54.0, 11.0))) if musical else int(rng.integers(LOWEST_NOTE, HIGHEST_NOTE + 1))
    velocity = 100 if rng.random() < 0.3 else int(rng.integers(20, 128))
    low, high = GATE_SECONDS
    gate_seconds = round(low * (high / low) ** float(rng.random()), 3)
    shortest = max(0.5, gate_seconds + TAIL_SECONDS)
    seconds = USUAL_SECONDS if rng.random() < 0.5 else float(rng.uniform(shortest, LONGEST_SECONDS))
    quarters = math.ceil(4.0 * max(seconds, shortest))
    return Note(min(max(number, LOWEST_NOTE), HIGHEST_NOTE), velocity, gate_seconds, quarters / 4.0)


def hash_of_draws(draw: Callable[[int, int, int], tuple[Patch, Note]]) -> str:
    """Hash of a prior's first draws: stored files that contain draws carry it and are rejected when it differs."""
    draws = (draw(0, index, 0) for index in range(_HASHED_DRAWS))
    texts = ",".join(f"{patch.knobs!r} {patch.extra!r} {note!r}" for patch, note in draws)
    return hashlib.sha256(texts.encode()).hexdigest()[:16]
