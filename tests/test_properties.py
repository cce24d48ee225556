"""Properties of notes, presets and audio files, with few examples; ``python -m benchmarks faults`` tries many."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")

from benchmarks.faults.properties import PROPERTIES, Property, limited, properties


@pytest.mark.parametrize("prop", PROPERTIES, ids=lambda prop: prop.name)
def test_holds(prop: Property) -> None:
    limited(prop, 40)()


def test_every_part_of_the_campaign_tries_them_again() -> None:
    for part in (1, 2):
        total = properties(part, 0, 2)
        assert (total.cases, total.failures) == (2 * len(PROPERTIES), [])
