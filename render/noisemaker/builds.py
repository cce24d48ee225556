"""What is known of TAL-NoiseMaker's builds: the identities in preset files of plug-in hosts, and the preset folders."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CLASS_IDS = ("ABCDEF019182FAEB544F47556E637574",)
"""Class ids of the VST3, the likeliest first: JUCE's usual prefix with the maker's code ``TOGU`` and the plug-in's code
``ncut``. Read from the class factory of the open version (1.0.1, Linux); other releases may have other ids, which
``--class-id`` names."""

VST2_ID = b"ncut"
"""The plug-in's code, which is also its VST2 id."""


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
