"""How NoiseMaker's patches are played on the real plug-in, and the known builds of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from render.instruments.containers import juce_state
from render.instruments.instrument import Program
from render.instruments.patch import Patch
from render.instruments.plugin_adapter import Extra, PluginAdapter
from render.noisemaker.envelope_editor import INITIAL_POINTS
from render.noisemaker.presets import to_xml
from render.noisemaker.table import TABLE

CLASS_IDS = ("ABCDEF019182FAEB544F47556E637574",)
"""Class ids of the VST3, the likeliest first: JUCE's usual prefix with the maker's code ``TOGU`` and the plug-in's code
``ncut``. Read from the class factory of the open version (1.0.1, Linux); other releases may have other ids, which
``--class-id`` names."""

VST2_ID = b"ncut"
"""The plug-in's code, which is also its VST2 id."""


def plugin_state(program: Program) -> bytes:
    """The plug-in's own state for one program: its preset file in JUCE's container."""
    return juce_state(to_xml([program]))


def _state(points: Extra) -> bytes:
    return plugin_state(Program("patch", TABLE.default.with_extra(points or INITIAL_POINTS)))


def _audible_points(patch: Patch) -> Extra:
    """The points of a patch if they are audible; setting them takes time."""
    audible = patch.index("envelopeeditordest1") > 0 and patch["envelopeeditoramount"] > 0.0
    return patch.extra if audible else ()


ADAPTER = PluginAdapter(
    names={name: (name,) for name in TABLE.names} | {"velocitycutoff": ("velocitycutoff", "velocityfilter")},
    proof=(TABLE.patch({"cutoff": 0.1}), TABLE.patch({"cutoff": 1.0})),
    state=_state,
    audible=_audible_points,
)


def preset_folders() -> list[Path]:
    """Folders in which the synth may look for its user's presets, the likeliest first; they need not exist.

    The maker's synths keep them in ``ToguAudioLine/NAME/presets`` of the user's application data.
    """
    inside = Path("TAL-NoiseMaker") / "presets"
    home = Path.home()
    if sys.platform == "win32":
        roaming = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
        return [roaming / "ToguAudioLine" / inside]
    if sys.platform == "darwin":
        return [home / "Library" / "Application Support" / "ToguAudioLine" / inside]
    configured = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    roots = (configured / "ToguAudioLine", home / ".ToguAudioLine", home / ".toguaudioline")
    return [root / inside for root in roots]
