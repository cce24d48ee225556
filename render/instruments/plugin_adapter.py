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
    """What the plug-in host needs to know about an instrument.

    Attributes:
        names: for each row of the table the parameter names that versions of the plug-in use, the usual one first; a
            row that is missing here is not set.
        proof: two patches that must sound different; if they do not, the plug-in ignores its parameters.
        state: writes the plug-in's own state for a value of ``Patch.extra``; None if everything is a parameter.
        audible: returns the audible part of a patch's ``extra``, so that the state is set only if needed.
    """

    names: Mapping[str, tuple[str, ...]]
    proof: tuple[Patch, Patch]
    state: Callable[[Extra], bytes] | None = None
    audible: Callable[[Patch], Extra] = _nothing
