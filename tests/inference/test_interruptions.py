"""Signals that ask the program to end."""

from __future__ import annotations

import importlib._bootstrap  # type: ignore[import-not-found]
import signal
import time

import pytest

from inference.command.interruptions import Interrupted, interruptions

POLITE = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]


@pytest.mark.parametrize("number", POLITE)
def test_a_signal_is_raised_where_the_program_is(number: int) -> None:
    with interruptions() as came:
        with pytest.raises(Interrupted) as raised:
            signal.raise_signal(number)
        assert (raised.value.signal, came) == (number, [number])


@pytest.mark.parametrize("number", POLITE)
def test_between_two_instructions_of_the_importer_a_signal_waits(number: int) -> None:
    importer = importlib._bootstrap._find_and_load.__code__.co_filename
    instructions = compile("signal.raise_signal(number)\nsteps.append('released')", importer, "exec")
    steps: list[str] = []

    def import_and_work() -> None:
        exec(instructions, {"signal": signal, "number": number, "steps": steps})
        time.sleep(60.0)

    with interruptions() as came:
        with pytest.raises(Interrupted) as raised:
            import_and_work()
        assert steps == ["released"]
        assert (raised.value.signal, came) == (number, [number])
