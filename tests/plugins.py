"""Real plug-ins for tests, where this machine has them."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from render.hosts.plugin_files import PLUGIN_VARIABLE, find_plugins

NEKOBI = Path("/usr/lib/vst/Nekobi-vst.so")  # Debian's dpf-plugins-vst
NEKOBI_NAMES = {
    "volume": "Volume",
    "cutoff": "Cutoff",
    "resonance": "VCF Resonance",
    "filtercontour": "Env Mod",
}
"""Nekobi's parameters by the rows of our table that mean the same."""

_HAS_DAWDREAMER = importlib.util.find_spec("dawdreamer") is not None

NOISEMAKER = Path(os.environ.get(PLUGIN_VARIABLE) or next(iter(find_plugins()), "/no/TAL-NoiseMaker.vst3"))

needs_nekobi = pytest.mark.skipif(
    not (_HAS_DAWDREAMER and NEKOBI.exists()), reason=f"needs Debian's dpf-plugins-vst: there is no {NEKOBI}"
)
needs_noisemaker = pytest.mark.skipif(
    not (_HAS_DAWDREAMER and NOISEMAKER.exists()),
    reason=f"no TAL-NoiseMaker is installed, and {PLUGIN_VARIABLE} names none",
)
