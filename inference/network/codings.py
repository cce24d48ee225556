"""The codings that weights may name."""

from __future__ import annotations

from inference.network.knob_variables import KNOBS
from inference.network.sound_variables import SOUND
from inference.network.variables import Coding

CODINGS: dict[str, Coding] = {coding.name: coding for coding in (KNOBS, SOUND)}
