"""Properties of notes, presets and audio files, with few examples; ``python -m benchmarks faults`` tries many."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("hypothesis")

from benchmarks.faults.properties import PROPERTIES, limited


@pytest.mark.parametrize("prop", PROPERTIES, ids=lambda prop: prop.__name__)
def test_holds(prop: Callable[[], None]) -> None:
    limited(prop, 40)()
