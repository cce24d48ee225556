"""Real plug-ins for tests, where this machine has them."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from render.instruments.plugin_adapter import PluginAdapter
from render.noisemaker.hosts import PLUGIN_VARIABLE, installed_plugins
from render.noisemaker.plugin import ADAPTER

NEKOBI = Path("/usr/lib/vst/Nekobi-vst.so")  # Debian's dpf-plugins-vst
NEKOBI_NAMES = {
    "volume": "Volume",
    "cutoff": "Cutoff",
    "resonance": "VCF Resonance",
    "filtercontour": "Env Mod",
}
"""Nekobi's parameters by the rows of our table that mean the same."""

NEKOBI_ADAPTER = PluginAdapter({row: (name,) for row, name in NEKOBI_NAMES.items()}, ADAPTER.proof)

_HAS_DAWDREAMER = importlib.util.find_spec("dawdreamer") is not None

NOISEMAKER = Path(os.environ.get(PLUGIN_VARIABLE) or next(iter(installed_plugins()), "/no/TAL-NoiseMaker.vst3"))

needs_nekobi = pytest.mark.skipif(
    not (_HAS_DAWDREAMER and NEKOBI.exists()), reason=f"needs Debian's dpf-plugins-vst: there is no {NEKOBI}"
)
needs_noisemaker = pytest.mark.skipif(
    not (_HAS_DAWDREAMER and NOISEMAKER.exists()),
    reason=f"no TAL-NoiseMaker is installed, and {PLUGIN_VARIABLE} names none",
)
