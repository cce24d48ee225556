"""Loading the models."""

from __future__ import annotations

import pytest

from inference.options import Options
from inference.stages.models import needs_torch
from render.instruments.instrument import Instrument
from render.noisemaker.instrument import NOISEMAKER
from tests.toy import TOY


@pytest.mark.parametrize(
    ("instrument", "stages", "needed"),
    [
        (NOISEMAKER, ("guess", "descend", "search"), True),
        (NOISEMAKER, ("guess",), True),
        (NOISEMAKER, ("search",), False),
        (TOY, ("guess", "descend", "search"), False),
    ],
)
def test_torch_is_loaded_where_a_stage_needs_it(instrument: Instrument, stages: tuple[str, ...], needed: bool) -> None:
    assert needs_torch(Options(instrument, stages=stages)) is needed
