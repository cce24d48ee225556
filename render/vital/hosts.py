"""The hosts that play Vital: its engine, which the package ``vita`` brings."""

from __future__ import annotations

from render.errors import HostError
from render.instruments.host import EMBEDDED, Host
from render.vital.engine import check_installed


def choose_host(where: str | None = None) -> tuple[str, tuple[str, ...]]:
    """The host to open: always the engine.

    Raises:
        HostError: if another one is asked for, or the engine is not installed.
    """
    _check(where or EMBEDDED)
    return EMBEDDED, ()


def open_host(where: str = EMBEDDED) -> Host:
    """Open the engine in this process; raises ``HostError`` if it is missing or differs from the table."""
    _check(where)
    from render.vital.host import VitalHost

    return VitalHost()


def _check(where: str) -> None:
    if where != EMBEDDED:
        raise HostError(f"Vital is played by its engine, not by {where}; allowed: {EMBEDDED}")
    check_installed()
