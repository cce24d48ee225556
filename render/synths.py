"""The synths that clips can be matched with, by the names that ``--synth`` accepts.

A synth is added by a row in ``SYNTHS``; its modules are imported only when it is asked for.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from render.errors import UnknownName

if TYPE_CHECKING:
    from render.instruments.instrument import Instrument

DEFAULT_SYNTH = "noisemaker"
GENERIC = "generic"
"""Any plug-in, by search alone."""

SYNTHS = {
    DEFAULT_SYNTH: "render.noisemaker.instrument:NOISEMAKER",
    "vital": "render.vital.instrument:VITAL",
    "dexed": "render.dexed.instrument:DEXED",
}
"""For each synth the variable that holds its instrument, as ``module:VARIABLE``."""

DESCRIPTION_SUFFIX = ".json"


def synth(name: str, plugin: str | None = None) -> Instrument:
    """The instrument with a name.

        >>> synth("noisemaker").presets.SUFFIX
        '.noisemakerpreset'

    Args:
        name: one of ``SYNTHS``, ``generic``, or the file that ``python -m render describe`` wrote.
        plugin: path of the plug-in, for ``generic``.

    Raises:
        UnknownName: for an unknown name.
        ReconstructError: if a plug-in or its description cannot be used.
    """
    if name in SYNTHS:
        module, _, variable = SYNTHS[name].partition(":")
        instrument: Instrument = getattr(importlib.import_module(module), variable)
        return instrument
    if name == GENERIC or name.endswith(DESCRIPTION_SUFFIX):
        generic = importlib.import_module("render.generic.instrument")
        found: Instrument = generic.plugin_instrument(plugin) if name == GENERIC else generic.described(Path(name))
        return found
    raise UnknownName("synth", name, (*SYNTHS, GENERIC, f"a description NAME{DESCRIPTION_SUFFIX}"))


def synth_of_table(table_hash: object) -> Instrument | None:
    """The instrument whose table has a hash; None if there is none."""
    return next((one for one in map(synth, SYNTHS) if one.table.hash == table_hash), None)
