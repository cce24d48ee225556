"""How the patches of an instrument are played on its plug-in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from render.instruments.patch import Patch

Extra = tuple[Any, ...]
"""See ``Patch.extra``."""


def _nothing(patch: Patch) -> Extra:
    return ()


@dataclass(frozen=True)
class PluginAdapter:
    """What the host must know of an instrument to play its patches on a plug-in.

    Attributes:
        names: for each row of the table the names under which versions of the plug-in know it, the usual one first; a
            row that is missing here is not set.
        proof: two patches that must sound different, or the plug-in ignores its parameters.
        state: writes the plug-in's own state for a value of ``Patch.extra``; None if everything is a parameter.
        heard: tells what of a patch's ``extra`` can be heard in it, so that the state is set only where it matters.
    """

    names: Mapping[str, tuple[str, ...]]
    proof: tuple[Patch, Patch]
    state: Callable[[Extra], bytes] | None = None
    heard: Callable[[Patch], Extra] = _nothing
