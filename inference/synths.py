"""The synths of ``refine``, by the names that ``--synth`` accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from render.errors import UnknownName

if TYPE_CHECKING:
    from render.instruments.instrument import Instrument

DEFAULT_SYNTH = "noisemaker"
SYNTHS = (DEFAULT_SYNTH,)


def synth(name: str) -> Instrument:
    """The instrument with a name; raises ``UnknownName``."""
    if name == DEFAULT_SYNTH:
        from render.noisemaker.instrument import NOISEMAKER

        return NOISEMAKER
    raise UnknownName("synth", name, SYNTHS)
