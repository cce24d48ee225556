"""One run at a time; the others wait, and a process that dies is replaced."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from inference.cli import main
from inference.clip.target import Target
from inference.studio.messages import Event, Notice, Over, Wish
from inference.studio.runner import Runner
from inference.studio.server import bound_socket
from render.errors import FileError
from render.note import Note
from tests.studio.fake_runs import serve

SILENCE = Target("a", np.zeros((1, 100), np.float32), Note(60), pitched=True, gate_fixed=False, onset_seconds=0.0)


def wish(name: str) -> Wish:
    return Wish(name, Path("a.wav"), Path("out"), SILENCE, "noisemaker", "embedded", 10.0)


def until(what: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def events() -> list[tuple[str, Event]]:
    return []


@pytest.fixture
def runner(events: list[tuple[str, Event]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    monkeypatch.setattr("inference.studio.runner.serve", serve)
    running = Runner("noisemaker", "embedded", 1, lambda name, event: events.append((name, event)))
    until(lambda: running.ready)
    yield running
    running.close()


def test_runs_follow_each_other(runner: Runner, events: list[tuple[str, Event]]) -> None:
    runner.start(wish("long a"))
    runner.start(wish("b"))
    runner.start(wish("c"))
    until(lambda: events)
    assert runner.running == "long a"
    assert [runner.position(name) for name in ("long a", "b", "c", "nobody")] == [0, 1, 2, 0]
    runner.stop("c")  # which only waits
    assert events[-1] == ("c", Over(None))
    runner.stop("long a")
    until(lambda: len(events) == 5)
    assert events[1:] == [
        ("c", Over(None)),
        ("long a", Over(None, "long a is over")),
        ("b", Notice("b runs")),
        ("b", Over(None, "b is over")),
    ]
    assert runner.running is None


def test_a_process_that_dies_is_said_and_replaced(runner: Runner, events: list[tuple[str, Event]]) -> None:
    runner.start(wish("crash"))
    runner.start(wish("after"))
    until(lambda: len(events) == 3)
    assert ("crash", Over(None, "the process of the run ended unexpectedly")) in events
    assert [event for name, event in events if name == "after"] == [Notice("after runs"), Over(None, "after is over")]


def test_a_port_in_use_picks_the_next() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with bound_socket(port) as found:
            host, number = found.getsockname()
            assert host == "127.0.0.1"
            assert port < number < port + 50


def test_no_free_port_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.studio.server.TRIED_PORTS", 0)
    with pytest.raises(FileError, match="--port names another one"):
        bound_socket(20000)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--port", "0"], "--port is 0"), (["--port", "70000"], "1 to 65535"), (["--workers", "0"], "--workers is 0")],
)
def test_wrong_usage_is_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studio", "--plugin", "embedded", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_a_missing_package_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["studio"]) == 1
    assert "pip install 'synth-reconstruct[studio]'" in capsys.readouterr().err
