"""Tables of described plug-ins as variables of this module, named by the path of the description.

A table is pickled as the variable that holds it (``Table.home``), so that every process has one object for it.
"""

from __future__ import annotations

from pathlib import Path

from render.generic.description import table_of
from render.instruments.table import Table


def __getattr__(name: str) -> Table:
    if not name.endswith(".json"):
        raise AttributeError(name)
    return table_of(Path(name))
