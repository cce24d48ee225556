"""How NoiseMaker's patches are played on the real plug-in."""

from __future__ import annotations

from render.instruments.containers import juce_state
from render.instruments.instrument import Program
from render.instruments.patch import Patch
from render.instruments.plugin_adapter import Extra, PluginAdapter
from render.noisemaker.envelope_editor import INITIAL_POINTS
from render.noisemaker.presets import to_xml
from render.noisemaker.table import TABLE


def plugin_state(program: Program) -> bytes:
    """The plug-in's own state for one program: its preset file in JUCE's container."""
    return juce_state(to_xml([program]))


def _state(points: Extra) -> bytes:
    return plugin_state(Program("patch", TABLE.default.with_extra(points or INITIAL_POINTS)))


def _heard_points(patch: Patch) -> Extra:
    """The points of a patch if they can be heard; setting them takes time."""
    heard = patch.index("envelopeeditordest1") > 0 and patch["envelopeeditoramount"] > 0.0
    return patch.extra if heard else ()


ADAPTER = PluginAdapter(
    names={name: (name,) for name in TABLE.names} | {"velocitycutoff": ("velocitycutoff", "velocityfilter")},
    proof=(TABLE.patch({"cutoff": 0.1}), TABLE.patch({"cutoff": 1.0})),
    state=_state,
    heard=_heard_points,
)
