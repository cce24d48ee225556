"""The codings that weights may name."""

from __future__ import annotations

from inference.network.coding.sound_variables import SOUND
from inference.network.coding.variables import Coding

CODINGS: dict[str, Coding] = {coding.name: coding for coding in (SOUND,)}
